//! Binding (RFC 8489 s2): what is my address?

use hairpin_stun::Message;

use crate::reply::{ReplyTo, Success};
use crate::request::UNDERSTOOD;
use crate::{Event, Server};

impl Server {
    /// Needs no authentication; a MESSAGE-INTEGRITY is not looked at.
    pub(crate) fn binding(&mut self, to: &ReplyTo, message: &Message<'_>) {
        if message.unknown_required(UNDERSTOOD).next().is_some() {
            return self.refuse_unknown(to, None, message);
        }
        self.succeed(to, None, Success::Mapped);
        self.event(Event::BindingAnswered);
    }
}
