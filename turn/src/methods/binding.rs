//! Binding (RFC 8489 s2): what is my address?

use hairpin_stun::Message;

use super::{Step, check_understood};
use crate::Refusal;
use crate::replies::Success;

/// Holds nothing that matters; a MESSAGE-INTEGRITY is not looked at.
pub(crate) struct Binding;

impl Binding {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        check_understood(message).map(|()| Self)
    }

    pub(crate) fn apply(self) -> Step {
        Step::Answer(Success::Mapped)
    }
}
