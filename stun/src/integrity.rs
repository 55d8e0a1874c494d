//! The checksums over a message: two HMACs that tell who wrote it and a CRC that tells it is STUN.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::attribute::ATTRIBUTE_HEADER_LEN;
use crate::{HEADER_LEN, IntegrityError};

/// Bytes in a MESSAGE-INTEGRITY (RFC 8489 s14.5).
pub(crate) const SHA1_LEN: usize = 20;

/// Bytes in a MESSAGE-INTEGRITY-SHA256 that is not truncated (RFC 8489 s14.6).
pub(crate) const SHA256_LEN: usize = 32;

/// MESSAGE-INTEGRITY over `covered`: the message up to the attribute.
pub(crate) fn sha1(key: &[u8], covered: &[u8]) -> [u8; SHA1_LEN] {
    mac::<Hmac<Sha1>>(key, covered, SHA1_LEN).finalize().into_bytes().into()
}

/// MESSAGE-INTEGRITY-SHA256 over `covered`: the message up to the attribute.
pub(crate) fn sha256(key: &[u8], covered: &[u8]) -> [u8; SHA256_LEN] {
    mac::<Hmac<Sha256>>(key, covered, SHA256_LEN).finalize().into_bytes().into()
}

/// Compares in constant time; a value of another length never matches.
pub(crate) fn verify_sha1(key: &[u8], covered: &[u8], value: &[u8]) -> Result<(), IntegrityError> {
    mac::<Hmac<Sha1>>(key, covered, SHA1_LEN)
        .verify_slice(value)
        .map_err(|_| IntegrityError::Mismatch)
}

/// Compares in constant time; a value of another length never matches.
pub(crate) fn verify_sha256(
    key: &[u8],
    covered: &[u8],
    value: &[u8],
) -> Result<(), IntegrityError> {
    mac::<Hmac<Sha256>>(key, covered, SHA256_LEN)
        .verify_slice(value)
        .map_err(|_| IntegrityError::Mismatch)
}

/// FINGERPRINT over `covered`: the message up to the attribute, its header's length already final
/// (RFC 8489 s14.7).
pub(crate) fn fingerprint(covered: &[u8]) -> [u8; 4] {
    (crc32fast::hash(covered) ^ 0x5354_554E).to_be_bytes()
}

/// "The length MUST then be set to point to the length of the message up to, and including, the
/// attribute itself" (RFC 8489 s14.5): what follows the attribute changes the header without
/// changing the HMAC.
fn mac<M: Mac + KeyInit>(key: &[u8], covered: &[u8], value_len: usize) -> M {
    let length = covered.len() - HEADER_LEN + ATTRIBUTE_HEADER_LEN + value_len;
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&covered[..2]);
    mac.update(&length);
    mac.update(&covered[4..]);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8489 s14.6: "The value must be the full 32 bytes unless the STUN Usage explicitly
    /// specifies that truncation is allowed."
    #[test]
    fn c044_a_truncated_hmac_is_refused() {
        let header = [0; HEADER_LEN];
        assert_eq!(verify_sha256(b"key", &header, &sha256(b"key", &header)), Ok(()));
        for len in [0, 16, 20, 28] {
            let value = mac::<Hmac<Sha256>>(b"key", &header, len).finalize().into_bytes();
            let verified = verify_sha256(b"key", &header, &value[..len]);
            assert_eq!(verified, Err(IntegrityError::Mismatch), "{len}");
        }
    }
}
