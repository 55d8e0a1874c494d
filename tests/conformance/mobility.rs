//! RFC 8016: mobility, which is off.

use hairpin_sim::client::{Client, allocate_udp};
use hairpin_sim::relay::Relay;
use hairpin_stun::{AttributeType, Method};

#[test]
fn c179_a_ticket_is_not_given_out() {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    let mut allocate = |ticket: &[u8]| {
        ann.request(&mut relay, Method::ALLOCATE, |w| {
            allocate_udp(w);
            w.bytes(AttributeType::MOBILITY_TICKET, ticket);
        })
    };
    assert_eq!(allocate(b"").error(), Some(405));
    assert_eq!(allocate(b"some ticket").error(), Some(400), "who asks for one has none to show");
    // As RFC 8016 has it, the client asks again without.
    ann.allocate(&mut relay);
}
