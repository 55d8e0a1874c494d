//! Our names for numbers are IANA's ("Session Traversal Utilities for NAT (STUN) Parameters").

use hairpin_stun::{AttributeType as A, Method as M};

#[test]
fn methods_have_their_registered_numbers() {
    let registry = [
        (0x001, M::BINDING, "Binding"),
        (0x003, M::ALLOCATE, "Allocate"),
        (0x004, M::REFRESH, "Refresh"),
        (0x006, M::SEND, "Send"),
        (0x007, M::DATA, "Data"),
        (0x008, M::CREATE_PERMISSION, "CreatePermission"),
        (0x009, M::CHANNEL_BIND, "ChannelBind"),
        (0x00A, M::CONNECT, "Connect"),
        (0x00B, M::CONNECTION_BIND, "ConnectionBind"),
        (0x00C, M::CONNECTION_ATTEMPT, "ConnectionAttempt"),
    ];
    for (number, method, name) in registry {
        assert_eq!(method, M(number), "{name}");
    }
}

#[test]
fn attributes_have_their_registered_numbers() {
    let registry = [
        (0x0001, A::MAPPED_ADDRESS, "MAPPED-ADDRESS"),
        (0x0003, A::CHANGE_REQUEST, "CHANGE-REQUEST"),
        (0x0006, A::USERNAME, "USERNAME"),
        (0x0008, A::MESSAGE_INTEGRITY, "MESSAGE-INTEGRITY"),
        (0x0009, A::ERROR_CODE, "ERROR-CODE"),
        (0x000A, A::UNKNOWN_ATTRIBUTES, "UNKNOWN-ATTRIBUTES"),
        (0x000C, A::CHANNEL_NUMBER, "CHANNEL-NUMBER"),
        (0x000D, A::LIFETIME, "LIFETIME"),
        (0x0012, A::XOR_PEER_ADDRESS, "XOR-PEER-ADDRESS"),
        (0x0013, A::DATA, "DATA"),
        (0x0014, A::REALM, "REALM"),
        (0x0015, A::NONCE, "NONCE"),
        (0x0016, A::XOR_RELAYED_ADDRESS, "XOR-RELAYED-ADDRESS"),
        (0x0017, A::REQUESTED_ADDRESS_FAMILY, "REQUESTED-ADDRESS-FAMILY"),
        (0x0018, A::EVEN_PORT, "EVEN-PORT"),
        (0x0019, A::REQUESTED_TRANSPORT, "REQUESTED-TRANSPORT"),
        (0x001A, A::DONT_FRAGMENT, "DONT-FRAGMENT"),
        (0x001C, A::MESSAGE_INTEGRITY_SHA256, "MESSAGE-INTEGRITY-SHA256"),
        (0x001D, A::PASSWORD_ALGORITHM, "PASSWORD-ALGORITHM"),
        (0x001E, A::USERHASH, "USERHASH"),
        (0x0020, A::XOR_MAPPED_ADDRESS, "XOR-MAPPED-ADDRESS"),
        (0x0022, A::RESERVATION_TOKEN, "RESERVATION-TOKEN"),
        (0x0024, A::PRIORITY, "PRIORITY"),
        (0x0025, A::USE_CANDIDATE, "USE-CANDIDATE"),
        (0x0026, A::PADDING, "PADDING"),
        (0x0027, A::RESPONSE_PORT, "RESPONSE-PORT"),
        (0x002A, A::CONNECTION_ID, "CONNECTION-ID"),
        (0x8000, A::ADDITIONAL_ADDRESS_FAMILY, "ADDITIONAL-ADDRESS-FAMILY"),
        (0x8001, A::ADDRESS_ERROR_CODE, "ADDRESS-ERROR-CODE"),
        (0x8002, A::PASSWORD_ALGORITHMS, "PASSWORD-ALGORITHMS"),
        (0x8003, A::ALTERNATE_DOMAIN, "ALTERNATE-DOMAIN"),
        (0x8004, A::ICMP, "ICMP"),
        (0x8022, A::SOFTWARE, "SOFTWARE"),
        (0x8023, A::ALTERNATE_SERVER, "ALTERNATE-SERVER"),
        (0x8028, A::FINGERPRINT, "FINGERPRINT"),
        (0x8029, A::ICE_CONTROLLED, "ICE-CONTROLLED"),
        (0x802A, A::ICE_CONTROLLING, "ICE-CONTROLLING"),
        (0x802B, A::RESPONSE_ORIGIN, "RESPONSE-ORIGIN"),
        (0x802C, A::OTHER_ADDRESS, "OTHER-ADDRESS"),
        (0x8030, A::MOBILITY_TICKET, "MOBILITY-TICKET"),
    ];
    for (number, attribute, name) in registry {
        assert_eq!(attribute, A(number), "{name}");
        assert_eq!(attribute.is_comprehension_required(), number < 0x8000, "{name}");
    }
}
