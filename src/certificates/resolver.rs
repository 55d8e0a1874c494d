//! Which certificate a handshake is made with.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

#[cfg(feature = "tls")]
use super::challenges::{ACME_TLS, Challenges};
use super::pair::Pair;
use crate::clock::Clock;

/// Chooses among the certificates there are now.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    /// In the order of the settings.
    pairs: RwLock<Arc<[Arc<Pair>]>>,
    /// Asked by authorities, where certificates are got of them.
    #[cfg(feature = "tls")]
    pub(super) challenges: Option<Arc<Challenges>>,
}

impl Resolver {
    /// From now on these are served, and no others.
    pub(super) fn serve(&self, pairs: Vec<Arc<Pair>>) {
        *self.pairs.write().unwrap_or_else(PoisonError::into_inner) = pairs.into();
    }

    /// Those there are now.
    pub(super) fn pairs(&self) -> Arc<[Arc<Pair>]> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        // Such a client must see the answer to its challenge, or nothing (RFC 8737 s3).
        #[cfg(feature = "tls")]
        if hello.alpn().is_some_and(|protocols| protocols.eq([ACME_TLS])) {
            return self.challenges.as_ref()?.tls(&host?);
        }
        let pairs = self.pairs();
        let chosen = choose(&pairs, host.as_deref(), hello.signature_schemes(), Clock::unix());
        chosen.map(|pair| pair.key.clone())
    }
}

/// The first that is for the host and of a kind that the client can check, one that has not expired before others; without
/// such the first of all. The RFC lets a server end the handshake with an unknown host (RFC 6066 s3); we go on, because
/// the client says it better.
fn choose<'a>(
    pairs: &'a [Arc<Pair>],
    host: Option<&str>,
    offered: &[SignatureScheme],
    unix: u64,
) -> Option<&'a Arc<Pair>> {
    let can_check = |pair: &&Arc<Pair>| pair.key.key.choose_scheme(offered).is_some();
    let named = |pair: &&Arc<Pair>| host.is_some_and(|host| pair.is_for(host));
    let of_host = || pairs.iter().filter(named).filter(can_check);
    of_host()
        .find(|pair| pair.is_valid(unix))
        .or_else(|| of_host().next())
        .or_else(|| pairs.iter().find(can_check))
        .or_else(|| pairs.first())
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::super::tests::{Kind, made_at};
    use super::*;

    const EVERYTHING: [SignatureScheme; 3] = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ED25519,
    ];

    #[test]
    fn a_host_gets_its_own_certificate_and_a_stranger_the_first() {
        let names: [&[&str]; 4] =
            [&["a.example"], &["b.example", "C.example"], &["*.d.example"], &["x.d.example"]];
        let pairs = names.map(|names| Arc::new(made_at(Kind::Ecdsa, names, 0, 100)));
        for (host, expected) in [
            (Some("a.example"), 0),
            (Some("b.example"), 1),
            (Some("c.example"), 1),
            (Some("y.d.example"), 2),
            (Some("x.y.d.example"), 0),
            (Some("d.example"), 0),
            (Some("elsewhere.example"), 0),
            (None, 0),
        ] {
            let chosen = choose(&pairs, host, &EVERYTHING, 50).expect("there are some");
            assert_eq!(chosen.names, pairs[expected].names, "{host:?}");
        }
    }

    #[test]
    fn a_client_gets_a_kind_that_it_can_check_and_what_has_not_expired() {
        let (old, new) = ((0, 100), (90, 200));
        let pairs = [(Kind::Ecdsa, old), (Kind::Rsa, new), (Kind::Ecdsa, new)]
            .map(|(kind, (from, until))| Arc::new(made_at(kind, &["a.example"], from, until)));
        let chosen = |offered: &[SignatureScheme], unix| {
            let chosen = choose(&pairs, Some("a.example"), offered, unix).expect("there are some");
            pairs.iter().position(|pair| Arc::ptr_eq(pair, chosen)).expect("one of them")
        };
        assert_eq!(chosen(&EVERYTHING, 50), 0);
        assert_eq!(chosen(&EVERYTHING, 150), 1);
        assert_eq!(chosen(&EVERYTHING[..1], 150), 2);
        assert_eq!(chosen(&EVERYTHING[1..], 50), 1);
        assert_eq!(chosen(&EVERYTHING[..1], 900), 0, "an old one rather than none");
        assert_eq!(chosen(&EVERYTHING[2..], 50), 0, "the client says that it cannot check it");
    }
}
