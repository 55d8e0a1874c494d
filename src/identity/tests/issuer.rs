//! Whoever makes tokens: keys that are for tests alone, and a server that publishes some of them, well or badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hairpin_config::HttpUrl;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What one can sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    Secret(&'static str),
    Rsa,
    Ec,
    Ed,
    /// Another one of the same kind.
    Ed2,
}

impl Signer {
    fn key(self) -> (EncodingKey, Algorithm) {
        let ed = |der| (EncodingKey::from_ed_der(der), Algorithm::EdDSA);
        match self {
            Self::Secret(secret) => (EncodingKey::from_secret(secret.as_bytes()), Algorithm::HS256),
            Self::Rsa => {
                (EncodingKey::from_rsa_der(include_bytes!("keys/rsa.der")), Algorithm::RS256)
            }
            Self::Ec => (EncodingKey::from_ec_der(include_bytes!("keys/ec.der")), Algorithm::ES256),
            Self::Ed => ed(include_bytes!("keys/ed1.der")),
            Self::Ed2 => ed(include_bytes!("keys/ed2.der")),
        }
    }

    pub(crate) fn key_algorithm(self) -> Algorithm {
        self.key().1
    }

    /// The name of its key, which is the signer's.
    pub(crate) fn kid(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// A token that says this, and by which key.
    pub(crate) fn sign(self, claims: &Value) -> String {
        let kid = (!matches!(self, Self::Secret(_))).then(|| self.kid());
        self.sign_as(&Header { kid, ..Header::new(self.key().1) }, claims)
    }

    /// A token with a head of its own.
    pub(crate) fn sign_as(self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key().0).expect("it can be signed")
    }

    /// Its public key, as it is published.
    pub(crate) fn public(self) -> Value {
        let (key, algorithm) = self.key();
        let jwk = Jwk::from_encoding_key(&key, algorithm).expect("it has a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = self.kid().into();
        jwk["use"] = "sig".into();
        jwk
    }
}

/// A user's claims, for an hour from now.
pub(crate) fn claims(user: &str) -> Value {
    json!({ "sub": user, "exp": crate::clock::Clock::unix() + 3600 })
}

/// The keys of these, as they are published.
pub(crate) fn key_set(signers: &[Signer]) -> String {
    json!({ "keys": signers.iter().map(|it| it.public()).collect::<Vec<_>>() }).to_string()
}

/// How a server of keys answers.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    Says(String),
    /// With a status that is no success.
    Status(u16),
    /// Not at all, but it keeps the connection.
    Silent,
    /// It closes the connection.
    Down,
}

/// A server of keys.
#[derive(Clone)]
pub(crate) struct KeyServer {
    address: SocketAddr,
    inner: Arc<Mutex<(Mood, usize)>>,
}

impl KeyServer {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Self { address, inner: Arc::new(Mutex::new((mood, 0))) };
        tokio::spawn(server.clone().serve(listener));
        server
    }

    /// Of these keys.
    pub(crate) async fn of(signers: &[Signer]) -> Self {
        Self::start(Mood::Says(key_set(signers))).await
    }

    pub(crate) fn url(&self) -> HttpUrl {
        format!("http://{}/keys.json", self.address).parse().expect("a URL")
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.inner.lock().expect("nobody panics with it").0 = mood;
    }

    /// Publishes other keys.
    pub(crate) fn rotate(&self, signers: &[Signer]) {
        self.be(Mood::Says(key_set(signers)));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.inner.lock().expect("nobody panics with it").1
    }

    async fn serve(self, listener: TcpListener) {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let mood = {
                let mut inner = self.inner.lock().expect("nobody panics with it");
                inner.1 += 1;
                inner.0.clone()
            };
            let answer = match mood {
                Mood::Says(text) => format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                ),
                Mood::Status(status) => {
                    format!(
                        "HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    )
                }
                Mood::Silent => {
                    held.push(stream);
                    continue;
                }
                Mood::Down => continue,
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}
