//! Binding (RFC 8489 s2): what is my address? With NAT behaviour discovery (RFC 5780) the client may say from where, and to
//! which of its ports, it wants to be answered.

use hairpin_stun::{AttributeType, Message};

use super::check_understood;
use crate::nat_discovery::{Change, NatDiscovery, Vantage};
use crate::replies::{Discovered, ReplyTo, Success, UNDERSTOOD};
use crate::{FiveTuple, Refusal};

/// CHANGE-REQUEST's flags (RFC 5780 s7.2).
const CHANGE_IP: u32 = 0x4;
const CHANGE_PORT: u32 = 0x2;

/// What a Binding request must have understood where there is NAT behaviour discovery, beside what all requests must.
pub(crate) const DISCOVERY: [AttributeType; 3] =
    [AttributeType::CHANGE_REQUEST, AttributeType::PADDING, AttributeType::RESPONSE_PORT];

/// How a request is answered. A MESSAGE-INTEGRITY is not looked at.
pub(crate) struct Binding {
    /// On which way.
    via: FiveTuple,
    success: Success,
}

impl Binding {
    pub(crate) fn parse(
        message: &Message<'_>,
        to: &ReplyTo,
        discovery: &NatDiscovery,
    ) -> Result<Self, Refusal> {
        match discovery.vantage(&to.tuple) {
            Some(here) => Self::discovering(message, to, here),
            None => Self::plain(message, to),
        }
    }

    fn plain(message: &Message<'_>, to: &ReplyTo) -> Result<Self, Refusal> {
        match message.get(AttributeType::CHANGE_REQUEST) {
            // Clients of RFC 3489 say so that nothing is to be changed, and nothing is.
            Some([0, 0, 0, 0]) => {
                let mut unknown = message.unknown_required(UNDERSTOOD);
                if unknown.any(|kind| kind != AttributeType::CHANGE_REQUEST) {
                    return Err(Refusal::UnknownAttribute);
                }
            }
            _ => check_understood(message)?,
        }
        Ok(Self { via: to.tuple, success: Success::Mapped })
    }

    fn discovering(
        message: &Message<'_>,
        to: &ReplyTo,
        here: Vantage<'_>,
    ) -> Result<Self, Refusal> {
        if message.unknown_required(UNDERSTOOD).any(|kind| !DISCOVERY.contains(&kind)) {
            return Err(Refusal::UnknownAttribute);
        }
        let flags = change_request(message)?;
        let change = |flag| if flags & flag == 0 { Change::Keep } else { Change::Other };
        let origin = here.changed(change(CHANGE_IP), change(CHANGE_PORT));
        let response_port = response_port(message)?;
        let is_padded = message.get(AttributeType::PADDING).is_some();
        // "If the request contains RESPONSE-PORT and PADDING, then 400" (RFC 5780 s6.1): fragments are sent to nobody who has
        // not sent some.
        if is_padded && response_port.is_some() {
            return Err(Refusal::BadRequest);
        }
        let mut via = to.tuple;
        via.server = origin.bound();
        if let Some(port) = response_port {
            via.client.set_port(port);
        }
        let discovered = Discovered {
            mapped: to.tuple.client,
            origin: origin.advertised(),
            other: here.changed(Change::Other, Change::Other).advertised(),
            padded_to: is_padded.then_some(message.as_bytes().len()),
        };
        Ok(Self { via, success: Success::Discovered(discovered) })
    }

    /// To whom, from where, and what.
    pub(crate) fn answer(self, to: &ReplyTo) -> (ReplyTo, Success) {
        (ReplyTo { tuple: self.via, ..*to }, self.success)
    }
}

fn change_request(message: &Message<'_>) -> Result<u32, Refusal> {
    match message.get(AttributeType::CHANGE_REQUEST) {
        None => Ok(0),
        Some(value) => hairpin_stun::decode::u32(value).ok_or(Refusal::BadRequest),
    }
}

/// RESPONSE-PORT (RFC 5780 s7.5): a port, and two bytes that mean nothing.
fn response_port(message: &Message<'_>) -> Result<Option<u16>, Refusal> {
    match message.get(AttributeType::RESPONSE_PORT) {
        None => Ok(None),
        Some(&[high, low, ..]) if [high, low] != [0, 0] => {
            Ok(Some(u16::from_be_bytes([high, low])))
        }
        // Nothing arrives at port 0.
        Some(_) => Err(Refusal::BadRequest),
    }
}
