//! What a person is told about a configuration: what is in force, and what is not safe about it.

use crate::error::Source;
use crate::origin::AllowedOrigins;
use crate::reader::Reader;
use crate::resolve::Resolved;
use crate::setting::AnySetting;
use crate::settings::GROUPS;
use crate::types::{BindHost, Config, RelayAddress};

/// A setting in force, fit to be shown.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    name: &'static str,
    value: String,
    source: Source,
}

impl InForce {
    pub(crate) fn all(reader: &Reader) -> Vec<Self> {
        let in_force = |setting: &'static AnySetting| {
            let (value, source) = reader.in_force(setting);
            Self { name: setting.name, value, source }
        };
        crate::settings().map(in_force).collect()
    }
}

/// Something a production server should not leave as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insecurity {
    /// What is not safe, a sentence without a full stop.
    pub what: &'static str,
    /// The flag that mends it, with its value.
    pub fix: &'static str,
}

impl Resolved {
    /// Every setting in force with its source, secrets redacted, then the warnings: what
    /// `hairpin config check` prints.
    pub fn describe(&self) -> String {
        let name_width = self.in_force.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        let value_width = self
            .in_force
            .iter()
            .map(|entry| entry.value.chars().count())
            .max()
            .unwrap_or(0)
            .min(40);
        let mut text = String::new();
        let mut entries = self.in_force.iter();
        for group in GROUPS {
            text += &format!("# {}\n", group.title);
            for InForce { name, value, source } in entries.by_ref().take(group.settings.len()) {
                text += &format!("{name:name_width$} = {value:value_width$}  {source}\n");
            }
            text.push('\n');
        }
        for warning in self.config.warnings() {
            text += &format!("warning: {warning}\n");
        }
        if let Some(limits) = self.config.relay.ports.limits() {
            text += &format!("note: {limits}\n");
        }
        text
    }
}

impl Config {
    /// What is not safe about this configuration, with the flag that mends it.
    pub fn insecure_defaults(&self) -> Vec<Insecurity> {
        let Self { listen, relay, .. } = self;
        let quotas = relay.quotas.user.is_some() && relay.quotas.total.is_some();
        let public_http = listen.serves_http().any(|ip| ip.is_none_or(|ip| !ip.is_loopback()));
        let public_admin = listen.admin.is_some_and(|addr| !addr.ip().is_loopback());
        let known = |address: &RelayAddress| {
            address.advertised.is_some()
                || matches!(address.bind, BindHost::Ip(ip) if !ip.is_unspecified())
        };
        let detected = relay.addresses.is_empty() || !relay.addresses.iter().all(known);
        [
            (self.rules.credentials.secrets.is_empty(), GENERATED_SECRET),
            (self.identity.is_open(), NO_ACCESS_CONTROL),
            (self.http.allowed_origins == AllowedOrigins::Any, ANY_ORIGIN),
            (public_http && !self.tls.is_on(), NO_TLS),
            (!quotas, NO_QUOTAS),
            (detected, DETECTED_ADDRESS),
            (public_admin, PUBLIC_ADMIN),
        ]
        .into_iter()
        .filter_map(|(applies, insecurity)| applies.then_some(insecurity))
        .collect()
    }
}

const GENERATED_SECRET: Insecurity = Insecurity {
    what: "the secret is made anew at each start: credentials end with the run and fit no other server",
    fix: "--static-auth-secret SECRET",
};
const NO_ACCESS_CONTROL: Insecurity = Insecurity {
    what: "everybody is who it says it is: all who reach /ws and /v1/ice are matched and given relay credentials",
    fix: "--jwt-secret SECRET or --jwks-url URL, as docs/identity.md says",
};
const ANY_ORIGIN: Insecurity = Insecurity {
    what: "pages of every origin may use this server",
    fix: "--allowed-origin https://your.site",
};
const NO_TLS: Insecurity = Insecurity {
    what: "HTTP is without TLS: browsers give such pages a camera on localhost alone, and others can read along",
    fix: "--domain call.example.org, or --cert FILE and --pkey FILE; or --http-listen 127.0.0.1:8080 --no-http-on-turn, behind a proxy that ends TLS",
};
const NO_QUOTAS: Insecurity = Insecurity {
    what: "allocations are not limited by both quotas",
    fix: "--user-quota 100 --total-quota 5000",
};
const DETECTED_ADDRESS: Insecurity = Insecurity {
    what: "the address peers are told is detected, which is wrong behind NAT",
    fix: "--external-ip PUBLIC",
};
const PUBLIC_ADMIN: Insecurity = Insecurity {
    what: "metrics are served beyond this machine",
    fix: "--admin-listen 127.0.0.1:9478",
};
