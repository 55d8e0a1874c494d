//! The table of every setting; whatever else lists settings is made from it.

use crate::setting::Preset::{Absent, Value};
use crate::setting::{Group, Setting};

/// The name of the setting that is no setting: where the others are read from.
pub(crate) const CONFIG_FILE: &str = "config";

/// Every setting, by subject.
pub const GROUPS: &[Group] = &[
    Group {
        title: "TURN and STUN sockets",
        settings: &[
            Setting::many(
                "listening-ip",
                "HOST",
                Absent("every address"),
                "Address, or name resolved when bound, of the TURN/STUN sockets.",
            ),
            Setting::many(
                "udp-listening-ip",
                "HOST",
                Absent("as `listening-ip`"),
                "The same for UDP alone; on Fly.io `fly-global-services`.",
            ),
            Setting::one(
                "listening-port",
                "PORT",
                Value("3478"),
                "TURN/STUN port, UDP and TCP; 0 lets the system choose.",
            ),
            Setting::one(
                "alt-listening-port",
                "PORT",
                Value("443"),
                "Second port or `none`; unset, 443 is used where it may be bound and `listening-port` is not 0.",
            ),
            Setting::switch("no-udp", "No TURN/STUN over UDP."),
            Setting::switch("no-tcp", "No TURN/STUN over TCP."),
        ],
    },
    Group {
        title: "Relay",
        settings: &[
            Setting::many(
                "relay-ip",
                "HOST",
                Absent("detected"),
                "Address, or name resolved when bound, of the relay sockets.",
            ),
            Setting::many(
                "external-ip",
                "PUBLIC[/PRIVATE]",
                Absent("`relay-ip`"),
                "Address peers see, for the relay-ip PRIVATE or the only one of its family.",
            ),
            Setting::one("min-port", "PORT", Value("49152"), "Lowest relay port; 1024 or more."),
            Setting::one("max-port", "PORT", Value("65535"), "Highest relay port."),
            Setting::one(
                "user-quota",
                "COUNT",
                Absent("no limit"),
                "Allocations one user may hold at a time.",
            ),
            Setting::one(
                "total-quota",
                "COUNT",
                Absent("no limit"),
                "Allocations all users together may hold at a time.",
            ),
            Setting::many(
                "denied-peer-ip",
                "RANGE",
                Absent("every address that is not public"),
                "Peers not to relay to: an address, `a-b` or CIDR; added to the default.",
            ),
            Setting::many(
                "allowed-peer-ip",
                "RANGE",
                Absent("none beside the public ones"),
                "Peers to relay to although denied: an address, `a-b` or CIDR.",
            ),
            Setting::one("workers", "COUNT", Absent("one per core"), "Relay threads."),
        ],
    },
    Group {
        title: "TURN",
        settings: &[
            Setting::one(
                "realm",
                "TEXT",
                Value("hairpin"),
                "Realm of the credentials; under 128 characters.",
            ),
            Setting::many(
                "static-auth-secret",
                "SECRET",
                Absent("made anew at each start"),
                "Secret REST credentials are made with; all are accepted, the first issues.",
            )
            .secret(),
            Setting::many(
                "user",
                "NAME:PASSWORD",
                Absent("none"),
                "Static user; instead of a password `0x` and the 32-digit key. Needs `realm`.",
            )
            .secret(),
            Setting::one(
                "max-allocate-lifetime",
                "SECONDS",
                Value("3600"),
                "Longest allocation lifetime granted; 600 to 86400.",
            ),
            Setting::one(
                "stale-nonce",
                "SECONDS",
                Value("3600"),
                "How long a nonce is good for; 60 to 3600.",
            ),
            Setting::one(
                "max-permissions",
                "COUNT",
                Value("128"),
                "Permissions an allocation may hold; 1 to 4096.",
            ),
            Setting::one(
                "max-channels",
                "COUNT",
                Value("128"),
                "Channels an allocation may hold; 1 to 4096.",
            ),
            Setting::switch("no-software", "No SOFTWARE attribute in answers."),
        ],
    },
    Group {
        title: "HTTP and WebSockets",
        settings: &[
            Setting::many(
                "http-listen",
                "IP:PORT",
                Value("[::]:8080"),
                "Where HTTP is served, beside the TCP ports above, or `none`; `[::]` takes IPv4 too.",
            ),
            Setting::one(
                "admin-listen",
                "IP:PORT",
                Value("127.0.0.1:9090"),
                "Where metrics and health are served, or `none`.",
            ),
            Setting::many(
                "allowed-origin",
                "ORIGIN",
                Value("*"),
                "Origin of pages that may use this server: `*`, `none` but its own, or these.",
            ),
            Setting::one(
                "client-ip-header",
                "NAME",
                Absent("the connection's address"),
                "Header in which your proxy puts the client's address; trusted from everyone.",
            ),
            Setting::one(
                "max-websockets",
                "COUNT",
                Value("100000"),
                "WebSocket connections at a time; 1 to 10000000.",
            ),
            Setting::switch("no-page", "No demo page at `/`."),
        ],
    },
    Group {
        title: "ICE servers handed out",
        settings: &[
            Setting::one(
                "ice-host",
                "HOST",
                Absent("the host the browser used"),
                "Host in the URLs clients are given.",
            ),
            Setting::many(
                "ice-url",
                "URL",
                Absent("made from the sockets"),
                "URL clients are given as it is; up to four.",
            ),
            Setting::one(
                "ice-ttl",
                "SECONDS",
                Value("600"),
                "How long issued credentials are good for; 60 to 86400.",
            ),
            Setting::one(
                "ice-requests-per-minute",
                "COUNT",
                Value("60"),
                "Requests of `/v1/ice` per client address before 429.",
            ),
        ],
    },
    Group {
        title: "Matching and signaling",
        settings: &[
            Setting::one(
                "queue-timeout",
                "SECONDS",
                Value("120"),
                "How long one may wait for a partner; 1 to 86400.",
            ),
            Setting::one(
                "session-lifetime",
                "SECONDS",
                Value("7200"),
                "How long a session may last; 1 to 604800.",
            ),
            Setting::one(
                "heartbeat-interval",
                "SECONDS",
                Value("25"),
                "Time between WebSocket pings; 1 to 300.",
            ),
            Setting::one(
                "max-message-bytes",
                "BYTES",
                Value("65536"),
                "Longest message taken from a client; 1024 to 1048576.",
            ),
        ],
    },
    Group {
        title: "Process",
        settings: &[
            Setting::one(
                CONFIG_FILE,
                "FILE",
                Absent("none"),
                "TOML file of settings, keyed by the names above without `--`.",
            ),
            Setting::one(
                "log-level",
                "LEVEL",
                Value("info"),
                "`off`, `error`, `warn`, `info`, `debug` or `trace`.",
            ),
            Setting::one(
                "shutdown-timeout",
                "SECONDS",
                Value("10"),
                "How long a stop may take before connections are cut; 0 to 300.",
            ),
        ],
    },
];
