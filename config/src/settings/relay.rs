//! Where relay sockets are bound, what peers are told, and how many allocations there may be.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};

use hairpin_turn::{IpRange, Quotas};

use super::without_repetition;
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::parser::{Parser, bounded, limit};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::{bind_host, ip, one_hosts};
use crate::types::{BindHost, Config, RelayAddress, RelayPorts, RelaySettings};

pub(crate) const RELAY_IP: Setting<BindHost, Many> =
    Setting::many("relay-ip", "HOST", Parser::Text(bind_host))
        .absent("detected")
        .help("Address, or name resolved when bound, of the relay sockets");

pub(crate) const EXTERNAL_IP: Setting<External, Many> =
    Setting::many("external-ip", "PUBLIC[/PRIVATE]", Parser::Text(external))
        .absent("`relay-ip`")
        .help("Address peers see, for the relay-ip PRIVATE or the only one of its family");

pub(crate) const MIN_PORT: Setting<u16> = Setting::one("min-port", "PORT", bounded(1024..=65_535))
    .default("49152")
    .help("Lowest relay port");

pub(crate) const MAX_PORT: Setting<u16> = Setting::one("max-port", "PORT", bounded(1024..=65_535))
    .default("65535")
    .help("Highest relay port");

pub(crate) const RELAY_PORTS: Setting<Word> =
    Setting::one("relay-ports", "WORD", Parser::Text(word))
        .default("range")
        .help("`range`: a port for each allocation; for ICE clients alone, `shared`: one UDP port for all, or `listening`: the listening one; see docs/shared-port.md");

pub(crate) const SHARED_RELAY_PORT: Setting<u16> =
    Setting::one("shared-relay-port", "PORT", bounded(0..=65_535))
        .default("3479")
        .help("The UDP port of `--relay-ports shared`; 0 is one the system chooses");

pub(crate) const USER_QUOTA: Setting<NonZeroU32, Optional> =
    Setting::optional("user-quota", "COUNT", limit())
        .absent("no limit")
        .help("Allocations one user may hold at a time; a browser holds one for each TURN URL");

pub(crate) const TOTAL_QUOTA: Setting<NonZeroU32, Optional> =
    Setting::optional("total-quota", "COUNT", limit())
        .absent("no limit")
        .help("Allocations all users together may hold at a time");

pub(crate) const MAX_BPS: Setting<NonZeroU64, Optional> = Setting::optional(
    "max-bps",
    "BYTES",
    Parser::Text(bytes_per_second),
)
.or_none()
.absent("no limit")
.help(
    "Bytes a second that all allocations of a user may relay, both ways together; more is dropped",
);

pub(crate) const BPS_CAPACITY: Setting<NonZeroU64, Optional> =
    Setting::optional("bps-capacity", "BYTES", Parser::Text(bytes_per_second))
        .or_none()
        .absent("no limit")
        .help("Bytes a second that all allocations of all users may relay, both ways together; more is dropped");

pub(crate) const MAX_ALLOCATIONS_PER_ADDRESS: Setting<u32, Optional> =
    Setting::optional("max-allocations-per-address", "COUNT", bounded(1..=10_000_000))
        .absent("a fair share")
        .help("Allocations from one IPv4 address or IPv6 /64, where `user-quota` does not bound a person; unset, up to a quarter of what there may be, less as it gets scarce");

pub(crate) const DENIED_PEER_IP: Setting<IpRange, Many> =
    Setting::many("denied-peer-ip", "RANGE", Parser::Text(ip_range))
        .absent("every address that is not public")
        .help("Peers not to relay to: an address, `a-b` or CIDR; added to the default");

pub(crate) const ALLOWED_PEER_IP: Setting<IpRange, Many> =
    Setting::many("allowed-peer-ip", "RANGE", Parser::Text(ip_range))
        .absent("none beside the public ones")
        .help("Peers to relay to although denied: an address, `a-b` or CIDR");

pub(crate) const WORKERS: Setting<usize, Optional> =
    Setting::optional("workers", "COUNT", bounded(1..=1024))
        .absent("one per core")
        .help("Relay threads");

pub(super) const GROUP: Group = Group {
    title: "Relay",
    settings: &[
        RELAY_IP.about(),
        EXTERNAL_IP.about(),
        MIN_PORT.about(),
        MAX_PORT.about(),
        RELAY_PORTS.about(),
        SHARED_RELAY_PORT.about(),
        USER_QUOTA.about(),
        TOTAL_QUOTA.about(),
        MAX_BPS.about(),
        BPS_CAPACITY.about(),
        MAX_ALLOCATIONS_PER_ADDRESS.about(),
        DENIED_PEER_IP.about(),
        ALLOWED_PEER_IP.about(),
        WORKERS.about(),
    ],
};

/// Below a packet a second nothing useful is relayed, and it is bits that were meant to be bytes, or kilobytes.
fn bytes_per_second(text: &str) -> Parsed<NonZeroU64> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU64| rate.get() >= 1000);
    rate.ok_or_else(|| {
        Invalid::new("is no rate", "give a whole number of bytes a second, 1000 or more, or none")
    })
}

pub(crate) fn read(reader: &mut Reader) -> RelaySettings {
    RelaySettings {
        addresses: addresses(reader),
        ports: ports(reader),
        quotas: Quotas {
            user: reader.get(&USER_QUOTA).map(NonZeroU32::get),
            address: reader.get(&MAX_ALLOCATIONS_PER_ADDRESS),
            total: reader.get(&TOTAL_QUOTA).map(NonZeroU32::get),
            user_bytes_per_second: reader.get(&MAX_BPS),
            total_bytes_per_second: reader.get(&BPS_CAPACITY),
        },
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let RelaySettings { addresses, ports, quotas } = &config.relay;
    if let RelayPorts::Range(ports) = ports {
        let (min, max) = (ports.start(), ports.end());
        violations.bounds(&MIN_PORT, min);
        violations.bounds(&MAX_PORT, max);
        if min > max {
            let fix = format!("give {max} or less, or a greater max-port");
            let invalid = Invalid::new(format!("is above max-port, which is {max}"), fix);
            violations.clash(&MIN_PORT, &MAX_PORT, invalid);
        }
    }
    if let Some(workers) = config.workers {
        violations.bounds(&WORKERS, &workers.get());
    }
    for (setting, quota) in [(&USER_QUOTA, quotas.user), (&TOTAL_QUOTA, quotas.total)] {
        if let Some(Err(invalid)) = quota.map(|quota| setting.parse(&quota.to_string())) {
            violations.reject(setting, invalid);
        }
    }
    if let Some(address) = quotas.address {
        violations.bounds(&MAX_ALLOCATIONS_PER_ADDRESS, &address);
    }
    if let Err(invalid) =
        addresses.iter().try_for_each(RelayAddress::check).and_then(|()| unambiguous(addresses))
    {
        violations.clash(&EXTERNAL_IP, &RELAY_IP, invalid);
    }
}

impl RelayAddress {
    fn check(&self) -> Parsed<()> {
        let Some(advertised) = self.advertised else { return Ok(()) };
        reachable(advertised)?;
        match self.bind {
            BindHost::Ip(bind) => same_family(advertised, bind),
            BindHost::Name(_) => Ok(()),
        }
    }
}

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let RelaySettings { addresses, ports, quotas } = &config.relay;
    if let (Some(user), Some(total)) = (quotas.user, quotas.total)
        && user > total
    {
        warnings.push(format!("user-quota {user} is above total-quota {total}, which prevails"));
    }
    if let RelayPorts::Range(ports) = ports {
        let room = ports.len() * addresses.len().max(1);
        if let Some(total) = quotas.total.filter(|total| *total as usize > room) {
            warnings
                .push(format!("total-quota {total} is more than the {room} relay ports there are"));
        }
    }
}

impl RelayPorts {
    /// What cannot be done with relay ports like these, in a sentence; nothing with a range.
    pub fn limits(&self) -> Option<String> {
        let besides = match self {
            Self::Range(_) => return None,
            Self::Shared(_) => "",
            Self::Listening => {
                "; every client must use this server's TURN, for Chromium takes nothing else from the address of a STUN server it was \
                 given"
            }
        };
        Some(format!(
            "all allocations share one relayed address: this serves ICE clients alone (WebRTC), one stream for each pair of \
             fragments (`max-bundle`), and no peers that are themselves one address for many (a single-port SFU, another server \
             in this mode){besides}"
        ))
    }
}

/// What `relay-ports` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Range,
    Shared,
    Listening,
}

fn word(text: &str) -> Parsed<Word> {
    match text {
        "range" => Ok(Word::Range),
        "shared" => Ok(Word::Shared),
        "listening" => Ok(Word::Listening),
        _ => Err(Invalid::new("is no way to have relay ports", "give range, shared or listening")),
    }
}

fn ports(reader: &mut Reader) -> RelayPorts {
    let range = reader.get(&MIN_PORT)..=reader.get(&MAX_PORT);
    let shared = reader.get(&SHARED_RELAY_PORT);
    match reader.get(&RELAY_PORTS) {
        Word::Range => RelayPorts::Range(range),
        Word::Shared => RelayPorts::Shared(shared),
        Word::Listening => RelayPorts::Listening,
    }
}

pub(super) fn ip_range(text: &str) -> Parsed<IpRange> {
    let fix = "give 192.0.2.1, 192.0.2.1-192.0.2.9, 192.0.2.0/24, or the like in IPv6";
    text.parse().map_err(|error| Invalid::new(format!("is not a range of addresses: {error}"), fix))
}

/// An `external-ip`, in coturn's forms: `PUBLIC`, or `PUBLIC/PRIVATE` for one `relay-ip`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct External {
    public: IpAddr,
    private: Option<IpAddr>,
}

fn external(text: &str) -> Parsed<External> {
    let (public, private) = match text.split_once('/') {
        Some((public, private)) => (ip(public)?, Some(ip(private)?)),
        None => (ip(text)?, None),
    };
    reachable(public)?;
    if let Some(private) = private {
        same_family(public, private)?;
    }
    Ok(External { public, private })
}

/// Whether peers may be told it.
fn reachable(public: IpAddr) -> Parsed<()> {
    if public.is_unspecified() {
        return Err(Invalid::new("is not an address peers can reach", "give the one they can"));
    }
    one_hosts(public).map(|_| ())
}

fn same_family(public: IpAddr, private: IpAddr) -> Parsed<()> {
    if private.is_ipv4() == public.is_ipv4() {
        return Ok(());
    }
    let fix = "give two IPv4 addresses or two IPv6 addresses";
    Err(Invalid::new("mixes IPv4 and IPv6", fix))
}

fn addresses(reader: &mut Reader) -> Vec<RelayAddress> {
    let binds = without_repetition(reader.get(&RELAY_IP));
    let externals = without_repetition(reader.get(&EXTERNAL_IP));
    if !reader.is_sound(&RELAY_IP) || !reader.is_sound(&EXTERNAL_IP) {
        return Vec::new();
    }
    let paired = if binds.is_empty() {
        Ok(externals.iter().map(|external| external.alone()).collect())
    } else {
        pair(&binds, &externals)
    };
    let addresses = paired.and_then(|addresses| all_placed(addresses, &externals));
    addresses.unwrap_or_else(|invalid| {
        reader.reject(&EXTERNAL_IP, invalid);
        Vec::new()
    })
}

impl External {
    /// Without any `relay-ip`: bound to the private address, or to every one of the family.
    fn alone(self) -> RelayAddress {
        let every = if self.public.is_ipv4() { BindHost::ANY_V4 } else { BindHost::ANY_V6 };
        let bind = self.private.map_or(every, BindHost::Ip);
        RelayAddress { bind, advertised: Some(self.public) }
    }

    /// Whether it is meant for this `relay-ip`: by its private address, else by its family. A name's
    /// family is not known before it is resolved.
    fn suits(self, bind: &BindHost) -> bool {
        match (bind, self.private) {
            (BindHost::Ip(bind), Some(private)) => *bind == private,
            (BindHost::Ip(bind), None) => bind.is_ipv4() == self.public.is_ipv4(),
            (BindHost::Name(_), private) => private.is_none(),
        }
    }
}

/// Gives each `relay-ip` its `external-ip`.
fn pair(binds: &[BindHost], externals: &[External]) -> Parsed<Vec<RelayAddress>> {
    let lonely = externals.iter().find(|external| !binds.iter().any(|bind| external.suits(bind)));
    if let Some(External { public, private }) = lonely {
        let fix = match private {
            Some(private) => format!("add relay-ip {private}, or remove it"),
            None => format!("add a relay-ip of the family of {public}, or remove it"),
        };
        return Err(Invalid::new(format!("has {public} for no relay-ip"), fix));
    }
    let mut addresses = Vec::with_capacity(binds.len());
    for bind in binds {
        let mut suitable: Vec<_> =
            externals.iter().filter(|external| external.suits(bind)).collect();
        if suitable.iter().any(|external| external.private.is_some()) {
            suitable.retain(|external| external.private.is_some());
        }
        if suitable.len() > 1 {
            return Err(ambiguous());
        }
        let advertised = suitable.first().map(|external| external.public);
        addresses.push(RelayAddress { bind: bind.clone(), advertised });
    }
    Ok(addresses)
}

/// Each `external-ip` must have found its place.
fn all_placed(addresses: Vec<RelayAddress>, externals: &[External]) -> Parsed<Vec<RelayAddress>> {
    let placed = |external: &External| {
        addresses.iter().any(|address| address.advertised == Some(external.public))
    };
    if externals.iter().all(placed) { Ok(addresses) } else { Err(ambiguous()) }
}

/// Two binds under one public address would fight over its ports, and two public addresses on one bind leave open
/// which one to tell.
fn unambiguous(addresses: &[RelayAddress]) -> Parsed<()> {
    for (index, address) in addresses.iter().enumerate() {
        let collides = |other: &RelayAddress| {
            address.bind == other.bind
                || (address.advertised.is_some() && address.advertised == other.advertised)
        };
        if addresses[..index].iter().any(collides) {
            return Err(ambiguous());
        }
    }
    Ok(())
}

fn ambiguous() -> Invalid {
    let fix = "give PUBLIC/PRIVATE for each relay-ip, each address once";
    Invalid::new("leaves open which address belongs to which relay-ip", fix)
}
