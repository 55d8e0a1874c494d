//! What a TCP connection begins with: the sniffer and the reader of PROXY headers agree, never take back what they have decided, and
//! decide within their bounds.
#![no_main]

use hairpin_stun::{
    Frame, MAX_PROXY_HEADER_LEN, NoProxyHeader, ProxyHeader, Sniffed, next_frame, proxy_header,
    sniff,
};
use libfuzzer_sys::fuzz_target;

/// The longest way to begin, HTTP/2's.
const LONGEST_START: usize = 24;

fuzz_target!(|bytes: &[u8]| {
    let mut sniffed = Sniffed::More;
    let mut header = Ok(None);
    for received in 0..=bytes.len().min(MAX_PROXY_HEADER_LEN + LONGEST_START) {
        let bytes = &bytes[..received];
        let (now, header_now) = (sniff(bytes), proxy_header(bytes));
        assert!(sniffed == Sniffed::More || sniffed == now, "{sniffed:?}, then {now:?}");
        assert!(header == Ok(None) || header == header_now, "{header:?}, then {header_now:?}");
        (sniffed, header) = (now, header_now);
        agree(bytes, sniffed, header);
    }
});

fn agree(
    bytes: &[u8],
    sniffed: Sniffed,
    header: Result<Option<(ProxyHeader, usize)>, NoProxyHeader>,
) {
    assert!(sniffed != Sniffed::More || bytes.len() < LONGEST_START);
    match sniffed {
        // A worker's reader of streams goes on with these very bytes.
        Sniffed::Stun => assert!(next_frame(&bytes[..8]) != Frame::Garbage || bytes[3] % 4 != 0),
        Sniffed::Http | Sniffed::Tls | Sniffed::Unknown => assert_eq!(header, Err(NoProxyHeader)),
        Sniffed::Proxy | Sniffed::More => {}
    }
    match header {
        Ok(Some((header, len))) => {
            assert!(sniffed == Sniffed::Proxy && len <= bytes.len());
            assert!(len <= MAX_PROXY_HEADER_LEN);
            assert_eq!(
                proxy_header(&bytes[..len]),
                Ok(Some((header, len))),
                "what follows matters"
            );
            say_again(header);
        }
        Ok(None) => assert!(bytes.len() < MAX_PROXY_HEADER_LEN),
        Err(NoProxyHeader) => {}
    }
}

/// A client's header in version 1, as a proxy writes it, says the same.
fn say_again(header: ProxyHeader) {
    let ProxyHeader::Client { source, destination } = header else { return };
    assert!(source.ip() == source.ip().to_canonical());
    let family = match (source.is_ipv4(), destination.is_ipv4()) {
        (true, true) => "TCP4",
        (false, false) => "TCP6",
        // One of them was IPv4 in IPv6.
        _ => return,
    };
    let (ips, ports) = ([source.ip(), destination.ip()], [source.port(), destination.port()]);
    let line = format!("PROXY {family} {} {} {} {}\r\n", ips[0], ips[1], ports[0], ports[1]);
    assert_eq!(proxy_header(line.as_bytes()), Ok(Some((header, line.len()))));
}
