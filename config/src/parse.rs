//! From text to one value: numbers, addresses, names, origins and URLs.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Bad, Parsed};
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
            Ok(_) => Err(Bad::new("is out of bounds", fix)),
            Err(_) => Err(Bad::new("is not a number in bounds", fix)),
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
        Bad::new("is no limit", fix)
    })
}

/// `none`, or a value.
pub(crate) fn or_none<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&str) -> Parsed<Option<T>> {
    move |text| if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

/// An address one can bind or be reached at. An IPv4-mapped one (RFC 4291 s2.5.5.2) is the IPv4 address.
pub(crate) fn ip(text: &str) -> Parsed<IpAddr> {
    let fix = "give an address such as 192.0.2.1 or 2001:db8::1";
    let ip: IpAddr = text.parse().map_err(|_| Bad::new("is not an IP address", fix))?;
    let ip = ip.to_canonical();
    if ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        return Err(Bad::new("is not the address of one host", fix));
    }
    Ok(ip)
}

/// An address to bind, or a name that stands for one.
pub(crate) fn bind_host(text: &str) -> Parsed<BindHost> {
    if is_host_name(text) {
        Ok(BindHost::Name(text.to_owned()))
    } else {
        ip(text).map(BindHost::Ip)
    }
}

/// A host as it stands in a URL, but without brackets.
pub(crate) fn host(text: &str) -> Parsed<String> {
    let host = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bind_host(host) {
        Ok(BindHost::Ip(ip)) if ip.is_unspecified() => {
            Err(Bad::new("is not an address others can reach", "give the one they can"))
        }
        Ok(_) => Ok(host.to_owned()),
        Err(_) => Err(Bad::new(
            "is neither a host name nor an address",
            "give a host alone, such as turn.example.org, without scheme and port",
        )),
    }
}

/// An address and port to bind.
pub(crate) fn socket_addr(text: &str) -> Parsed<SocketAddr> {
    let fix = "give an address and a port such as 127.0.0.1:8080 or [::]:8080, or none";
    text.parse().map_err(|_| Bad::new("is not an address and port", fix))
}

/// An origin (RFC 6454 s6.2) as browsers write it: lower case, the scheme's own port left out.
pub(crate) fn origin(text: &str) -> Parsed<String> {
    let bad = || {
        let fix = "give scheme://host or scheme://host:port without a path, *, or none";
        Bad::new("is not an origin", fix)
    };
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").ok_or_else(bad)?;
    if !is_scheme(scheme) || !is_authority(authority) {
        return Err(bad());
    }
    let own_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    Ok(text.strip_suffix(own_port).unwrap_or(&text).to_owned())
}

/// A URL that RTCPeerConnection takes (RFC 7064, RFC 7065).
pub(crate) fn ice_url(text: &str) -> Parsed<String> {
    let fix =
        "give stun:host, turn:host:3478?transport=udp, turns:host:443?transport=tcp or the like";
    let bad = || Bad::new("is not a STUN or TURN URL", fix);
    let (scheme, rest) = text.split_once(':').ok_or_else(bad)?;
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    let sound = match (scheme, query) {
        ("stun" | "stuns" | "turn" | "turns", None) => true,
        ("turn" | "turns", Some(query)) => matches!(query, "transport=udp" | "transport=tcp"),
        _ => false,
    };
    if sound && is_authority(authority) { Ok(text.to_owned()) } else { Err(bad()) }
}

/// The name of an HTTP header: a token (RFC 9110 s5.6.2).
pub(crate) fn header_name(text: &str) -> Parsed<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.bytes().all(is_token) {
        Ok(text.to_owned())
    } else {
        Err(Bad::new("is not the name of a header", "give a name such as Fly-Client-IP"))
    }
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
            return Err(Bad::new("is not a log level", fix));
        }
    })
}

/// A scheme (RFC 3986 s3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `host` or `host:port`, an IPv6 address in brackets (RFC 3986 s3.2).
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (None, rest.strip_prefix(':').ok_or(rest))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Ok(port)),
            None => (Some(text), Err("")),
        },
    };
    let host_is_sound =
        host.is_none_or(|host| is_host_name(host) || host.parse::<std::net::Ipv4Addr>().is_ok());
    let port_is_sound = match port {
        Ok(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        Err(rest) => rest.is_empty(),
    };
    host_is_sound && port_is_sound
}

/// A host name (RFC 1123 s2.1; underscores occur): what ends in a number is a misspelt address.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}
