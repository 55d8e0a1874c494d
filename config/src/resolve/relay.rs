//! Where relay sockets are bound, what peers are told, and how many allocations there may be.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{hosts, without_repetition};
use crate::error::{Invalid, Parsed};
use crate::parse::{ip, limit, number};
use crate::reader::Reader;
use crate::types::{BindHost, RelayAddress, RelaySettings};

pub(super) fn relay(reader: &mut Reader) -> RelaySettings {
    let relay = RelaySettings {
        addresses: addresses(reader),
        ports: ports(reader),
        user_quota: reader.optional("user-quota", limit),
        total_quota: reader.optional("total-quota", limit),
    };
    warn_of_quotas(reader, &relay);
    relay
}

fn ports(reader: &mut Reader) -> RangeInclusive<u16> {
    let min = reader.one("min-port", number(1024..=u16::MAX));
    let max = reader.one("max-port", number(1024..=u16::MAX));
    if min > max && reader.is_sound("min-port") && reader.is_sound("max-port") {
        let fix = format!("give {max} or less, or a greater max-port");
        reader.reject("min-port", Invalid::new(format!("is above max-port, which is {max}"), fix));
    }
    min..=max
}

fn warn_of_quotas(reader: &mut Reader, relay: &RelaySettings) {
    let (user, total) = (relay.user_quota, relay.total_quota);
    if let (Some(user), Some(total)) = (user, total)
        && user > total
    {
        reader.warn(format!("user-quota {user} is above total-quota {total}, which prevails"));
    }
    let room = relay.ports.len() * relay.addresses.len().max(1);
    if let Some(total) = total.filter(|total| total.get() as usize > room) {
        reader.warn(format!("total-quota {total} is more than the {room} relay ports there are"));
    }
}

/// An `external-ip`, in coturn's forms: `PUBLIC`, or `PUBLIC/PRIVATE` for one `relay-ip`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct External {
    public: IpAddr,
    private: Option<IpAddr>,
}

fn external(text: &str) -> Parsed<External> {
    let (public, private) = match text.split_once('/') {
        Some((public, private)) => (ip(public)?, Some(ip(private)?)),
        None => (ip(text)?, None),
    };
    if public.is_unspecified() {
        return Err(Invalid::new("is not an address peers can reach", "give the one they can"));
    }
    if private.is_some_and(|private| private.is_ipv4() != public.is_ipv4()) {
        let fix = "give two IPv4 addresses or two IPv6 addresses";
        return Err(Invalid::new("mixes IPv4 and IPv6", fix));
    }
    Ok(External { public, private })
}

fn addresses(reader: &mut Reader) -> Vec<RelayAddress> {
    let binds = hosts(reader, "relay-ip");
    let externals = without_repetition(reader.many("external-ip", external));
    if !reader.is_sound("relay-ip") || !reader.is_sound("external-ip") {
        return Vec::new();
    }
    let paired = if binds.is_empty() {
        Ok(externals.iter().map(|external| external.alone()).collect())
    } else {
        pair(&binds, &externals)
    };
    let addresses = paired.and_then(|addresses| unambiguous(addresses, &externals));
    addresses.unwrap_or_else(|bad| {
        reader.reject("external-ip", bad);
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

/// Two binds under one public address would fight over its ports, two public addresses on one bind
/// leave open which one to tell; and each `external-ip` must have found its place.
fn unambiguous(addresses: Vec<RelayAddress>, externals: &[External]) -> Parsed<Vec<RelayAddress>> {
    let mut seen: Vec<&RelayAddress> = Vec::new();
    for address in &addresses {
        let collides = |other: &&&RelayAddress| {
            address.bind == other.bind
                || (address.advertised.is_some() && address.advertised == other.advertised)
        };
        if seen.iter().any(|other| collides(&other)) {
            return Err(ambiguous());
        }
        seen.push(address);
    }
    let placed = |external: &External| {
        addresses.iter().any(|address| address.advertised == Some(external.public))
    };
    if externals.iter().all(placed) { Ok(addresses) } else { Err(ambiguous()) }
}

fn ambiguous() -> Invalid {
    let fix = "give PUBLIC/PRIVATE for each relay-ip, each address once";
    Invalid::new("leaves open which address belongs to which relay-ip", fix)
}
