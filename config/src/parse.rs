//! From text to one value: numbers, addresses, names and words.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use crate::error::{Invalid, Parsed};
use crate::host::{Host, is_name};
use crate::types::{BindHost, LogLevel};

/// A whole number within `range`.
pub(crate) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    move |text| {
        let fix = format!("give a whole number from {} to {}", range.start(), range.end());
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) => Err(Invalid::new("is out of bounds", fix)),
            Err(_) => Err(Invalid::new("is not a number in bounds", fix)),
        }
    }
}

/// A whole number of seconds within `range`.
pub(crate) fn seconds(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Duration> {
    let number = number(range);
    move |text| number(text).map(Duration::from_secs)
}

/// A limit; what has none is left out.
pub(crate) fn limit(text: &str) -> Parsed<std::num::NonZeroU32> {
    text.parse().map_err(|_| {
        let fix = format!("give a whole number from 1 to {}, or leave it out for none", u32::MAX);
        Invalid::new("is no limit", fix)
    })
}

/// `none`, or a value.
pub(crate) fn or_none<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&str) -> Parsed<Option<T>> {
    move |text| if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

/// An address one can bind or be reached at. An IPv4-mapped one (RFC 4291 s2.5.5.2) is the IPv4 address.
pub(crate) fn ip(text: &str) -> Parsed<IpAddr> {
    let fix = "give an address such as 192.0.2.1 or 2001:db8::1";
    let ip: IpAddr = text.parse().map_err(|_| Invalid::new("is not an IP address", fix))?;
    let ip = ip.to_canonical();
    if ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        return Err(Invalid::new("is not the address of one host", fix));
    }
    Ok(ip)
}

/// An address to bind, or a name that stands for one.
pub(crate) fn bind_host(text: &str) -> Parsed<BindHost> {
    if is_name(text) { Ok(BindHost::Name(text.to_owned())) } else { ip(text).map(BindHost::Ip) }
}

/// A host by which others can reach us.
pub(crate) fn host(text: &str) -> Parsed<Host> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bind_host(bare) {
        Ok(BindHost::Ip(ip)) if ip.is_unspecified() => {
            Err(Invalid::new("is not an address others can reach", "give the one they can"))
        }
        Ok(_) => Ok(Host::bare(bare).expect("what can be bound is a name or an address")),
        Err(_) => Err(Invalid::new(
            "is neither a host name nor an address",
            "give a host alone, such as turn.example.org, without scheme and port",
        )),
    }
}

/// An address and port to bind.
pub(crate) fn socket_addr(text: &str) -> Parsed<SocketAddr> {
    let fix = "give an address and a port such as 127.0.0.1:8080 or [::]:8080, or none";
    text.parse().map_err(|_| Invalid::new("is not an address and port", fix))
}

/// The name of an HTTP header: a token (RFC 9110 s5.6.2).
pub(crate) fn header_name(text: &str) -> Parsed<HeaderName> {
    text.parse().map_err(|_| {
        Invalid::new("is not the name of a header", "give a name such as Fly-Client-IP")
    })
}

/// A level of logging.
pub(crate) fn log_level(text: &str) -> Parsed<LogLevel> {
    Ok(match text {
        "off" => LogLevel::Off,
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => {
            let fix = "give off, error, warn, info, debug or trace";
            return Err(Invalid::new("is not a log level", fix));
        }
    })
}
