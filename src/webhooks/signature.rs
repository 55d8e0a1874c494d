//! Signatures as Standard Webhooks has them (standardwebhooks.com): symmetric, `v1`.

use base64ct::{Base64, Encoding};
use hairpin_config::WebhookSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`: one signature for each secret, so that receivers may have the old one or the new.
pub(super) fn signatures(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: u64,
    body: &str,
) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    let one = |secret: &WebhookSecret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.key()).expect("any length is a key");
        mac.update(signed.as_bytes());
        format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_what_the_specifications_libraries_make_of_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("a secret");
        let body = r#"{"test": 2432232314}"#;
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
