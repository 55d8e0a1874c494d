//! Why a request is refused, and the one place where that becomes an ERROR-CODE.

use crate::BindError;

/// Every error this server answers with (RFC 8489 s14.8, RFC 8656 s19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 300: another server takes allocations in this one's stead; ALTERNATE-SERVER says which.
    TryAlternate,
    /// 400: the request is malformed, or contradicts what is.
    BadRequest,
    /// 401: no proof of who asks, or a wrong one.
    Unauthenticated,
    /// 403: a peer that nobody may talk to.
    Forbidden,
    /// 405: a ticket to move an allocation with, which is not given out (RFC 8016).
    MobilityForbidden,
    /// 420: an attribute that must be understood, and is not.
    UnknownAttribute,
    /// 437: no allocation where one is needed, or one where none may be.
    AllocationMismatch,
    /// 438: a nonce that is no longer good.
    StaleNonce,
    /// 440: a family we have no relayed addresses of.
    AddressFamilyNotSupported,
    /// 441: a user, but not the one whose allocation it is.
    WrongCredentials,
    /// 442: a transport towards peers that we do not speak.
    UnsupportedTransport,
    /// 443: a peer of another family than the relayed address.
    PeerAddressFamilyMismatch,
    /// 446: a connection to this peer is there already, or under way.
    ConnectionAlreadyExists,
    /// 447: a peer that could not be connected to.
    ConnectionTimeoutOrFailure,
    /// 486: the user, its network, or the server holds as many allocations as it may.
    AllocationQuotaReached,
    /// 508: no port, or no room for another permission or channel.
    InsufficientCapacity,
}

impl Refusal {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 16] = [
        Self::TryAlternate,
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::MobilityForbidden,
        Self::UnknownAttribute,
        Self::AllocationMismatch,
        Self::StaleNonce,
        Self::AddressFamilyNotSupported,
        Self::WrongCredentials,
        Self::UnsupportedTransport,
        Self::PeerAddressFamilyMismatch,
        Self::ConnectionAlreadyExists,
        Self::ConnectionTimeoutOrFailure,
        Self::AllocationQuotaReached,
        Self::InsufficientCapacity,
    ];

    /// The number in ERROR-CODE.
    pub fn code(self) -> u16 {
        self.code_and_reason().0
    }

    /// The number as text, as labels and logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TryAlternate => "300",
            Self::BadRequest => "400",
            Self::Unauthenticated => "401",
            Self::Forbidden => "403",
            Self::MobilityForbidden => "405",
            Self::UnknownAttribute => "420",
            Self::AllocationMismatch => "437",
            Self::StaleNonce => "438",
            Self::AddressFamilyNotSupported => "440",
            Self::WrongCredentials => "441",
            Self::UnsupportedTransport => "442",
            Self::PeerAddressFamilyMismatch => "443",
            Self::ConnectionAlreadyExists => "446",
            Self::ConnectionTimeoutOrFailure => "447",
            Self::AllocationQuotaReached => "486",
            Self::InsufficientCapacity => "508",
        }
    }

    /// The reason phrase in ERROR-CODE, as the RFCs have it.
    pub fn reason(self) -> &'static str {
        self.code_and_reason().1
    }

    fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Self::TryAlternate => (300, "Try Alternate"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthenticated => (401, "Unauthenticated"),
            Self::Forbidden => (403, "Forbidden"),
            Self::MobilityForbidden => (405, "Mobility Forbidden"),
            Self::UnknownAttribute => (420, "Unknown Attribute"),
            Self::AllocationMismatch => (437, "Allocation Mismatch"),
            Self::StaleNonce => (438, "Stale Nonce"),
            Self::AddressFamilyNotSupported => (440, "Address Family not Supported"),
            Self::WrongCredentials => (441, "Wrong Credentials"),
            Self::UnsupportedTransport => (442, "Unsupported Transport Protocol"),
            Self::PeerAddressFamilyMismatch => (443, "Peer Address Family Mismatch"),
            Self::ConnectionAlreadyExists => (446, "Connection Already Exists"),
            Self::ConnectionTimeoutOrFailure => (447, "Connection Timeout or Failure"),
            Self::AllocationQuotaReached => (486, "Allocation Quota Reached"),
            Self::InsufficientCapacity => (508, "Insufficient Capacity"),
        }
    }
}

impl From<BindError> for Refusal {
    fn from(error: BindError) -> Self {
        match error {
            BindError::UserQuota | BindError::AddressQuota | BindError::TotalQuota => {
                Self::AllocationQuotaReached
            }
            BindError::Capacity => Self::InsufficientCapacity,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn names_are_the_codes_and_all_are_there_once() {
        assert!(Refusal::ALL.is_sorted_by_key(|refusal| refusal.code()));
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.name(), refusal.code().to_string());
            assert_eq!(refusal as usize, place);
        }
    }
}
