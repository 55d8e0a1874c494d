//! The way to an authority: requests with a bound on time and bytes, and what it says of when to come again.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderValue, Request};
use hairpin_config::AcmeSettings;
use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::super::source::Refused;
use crate::fetch::causes;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More than any chain of certificates has.
const MAX_ANSWER_BYTES: usize = 1 << 20;

const OURSELVES: HeaderValue =
    HeaderValue::from_static(concat!("hairpin/", env!("CARGO_PKG_VERSION")));

/// Asks an authority. Clones are the same.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    /// What the last refusal said of when to come again, in seconds.
    wait: Arc<Mutex<Option<u64>>>,
}

impl Http {
    /// With the roots that the settings name.
    ///
    /// # Errors
    /// They cannot be read, or there are none.
    pub(super) fn new(
        settings: &AcmeSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Refused> {
        let connector = match &settings.root {
            Some(path) => {
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .expect("the provider has what TLS 1.2 and 1.3 need")
                    .with_root_certificates(roots(path)?)
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
            None => HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(
                |error| Refused {
                    setting: "acme-root",
                    path: "".into(),
                    problem: format!("is not given, and this system has no roots ({error})"),
                    fix: "install ca-certificates, or give a PEM file of the authority's root"
                        .to_owned(),
                },
            )?,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector.https_only().enable_http1().build());
        Ok(Self { client, wait: Arc::default() })
    }

    /// What a refusal since the last call said of when to come again, in seconds.
    pub(super) fn take_wait(&self) -> Option<u64> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let answer = self.client.request(request).await;
        let (parts, body) = answer.map_err(|error| other(causes(&error)))?.into_parts();
        if !parts.status.is_success() {
            // A date, the other form there is, comes from servers that are down: our own pauses do.
            let seconds = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let seconds = seconds.and_then(|text| text.trim().parse().ok());
            *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
            // What explains itself is read by the library; what does not is hardly the authority itself.
            let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
            if !kind.is_some_and(|kind| kind.starts_with(b"application/problem+json")) {
                return Err(other(format!("the authority answered {}", parts.status)));
            }
        }
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| other(causes(&*error)))?.to_bytes();
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        request.headers_mut().insert(USER_AGENT, OURSELVES);
        Box::pin(async move {
            let answered = tokio::time::timeout(TIMEOUT, this.exchange(request)).await;
            answered.unwrap_or_else(|_| Err(other(format!("no answer within {TIMEOUT:?}"))))
        })
    }
}

fn other(words: String) -> Error {
    Error::Other(words.into())
}

fn roots(path: &Path) -> Result<RootCertStore, Refused> {
    let refused = |problem: String| Refused {
        setting: "acme-root",
        path: path.to_owned(),
        problem,
        fix: "give a PEM file of the root that the authority's certificate is checked with"
            .to_owned(),
    };
    let pem = std::fs::read(path).map_err(|error| refused(format!("cannot be read ({error})")))?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&pem) {
        let root = root.map_err(|error| refused(format!("is not PEM ({error})")))?;
        roots.add(root).map_err(|error| refused(format!("holds no root ({error})")))?;
    }
    match roots.is_empty() {
        true => Err(refused("holds no certificate".to_owned())),
        false => Ok(roots),
    }
}
