//! Requests of our own: key sets are fetched, webhooks posted.
//!
//! ```text
//! let bounds = FetchBounds { timeout: Duration::from_secs(10), max_answer_bytes: 64 << 10 };
//! let fetcher = Fetcher::to(url, bounds)?;      // once, at the start: refuses https where it cannot be had
//! let answer = fetcher.get(HeaderMap::new()).await?;
//! let keys = answer.success()?.body;            // any answer is an Ok: a status of its own is an error by success()
//! ```
//!
//! A fetcher is for one URL, keeps its connection alive between requests, and is made anywhere, but asked on a tokio
//! runtime. It goes where it is told and nowhere else: redirects are not followed, proxies of the environment not used. What it says
//! of a failure names the server's origin alone, neither path nor query nor header, and is fit for a log.
//!
//! TLS is by rustls, with the roots of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), and there with the
//! feature `https`. Its cryptography needs a C compiler.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hairpin_config::HttpUrl;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(60);

/// More than any head of an answer needs.
const MAX_HEAD_BYTES: usize = 64 << 10;

const USER_AGENT: &str = concat!("hairpin/", env!("CARGO_PKG_VERSION"));

#[cfg(feature = "https")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "https"))]
type Connector = HttpConnector;

/// Asks one URL.
#[derive(Clone)]
pub(crate) struct Fetcher {
    url: HttpUrl,
    bounds: FetchBounds,
    client: Client<Connector, Full<Bytes>>,
}

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchBounds {
    /// From its beginning until the last byte of the answer.
    pub(crate) timeout: Duration,
    /// The answer's body.
    pub(crate) max_answer_bytes: usize,
}

/// What the server said, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    origin: String,
}

/// Why there is no answer, or not the one that was wanted. Its words are fit for a log.
#[derive(Debug)]
pub(crate) struct FetchError {
    origin: String,
    pub(crate) reason: FetchFailure,
}

/// The kinds of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    /// It is an https URL, and this build has no TLS.
    #[cfg_attr(feature = "https", expect(dead_code, reason = "this build has"))]
    NoHttps,
    /// There are no certificates to trust, or they cannot be read.
    #[cfg_attr(not(feature = "https"), expect(dead_code, reason = "without TLS none are needed"))]
    NoRoots(String),
    /// It cannot be reached, is not who it should be, or broke off.
    Broken(String),
    /// It took longer than it may.
    TimedOut(Duration),
    /// It said more than it may.
    TooLong(usize),
    /// It answered, but not with success.
    Status(StatusCode),
}

impl Fetcher {
    /// Of this URL.
    ///
    /// # Errors
    /// It is an https URL, and there is no TLS in this build or no certificate to trust on this system.
    pub(crate) fn to(url: HttpUrl, bounds: FetchBounds) -> Result<Self, FetchError> {
        let connector =
            connector(&url).map_err(|reason| FetchError { origin: url.origin(), reason })?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        Ok(Self { url, bounds, client })
    }

    /// Where it asks.
    pub(crate) fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// Asks for it.
    pub(crate) async fn get(&self, headers: HeaderMap) -> Result<Answer, FetchError> {
        self.ask(Method::GET, headers, Bytes::new()).await
    }

    /// Sends it something; `headers` say of what type it is.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Answer, FetchError> {
        self.ask(Method::POST, headers, body).await
    }

    async fn ask(
        &self,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, FetchError> {
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.uri().clone();
        *request.headers_mut() = headers;
        let timeout = self.bounds.timeout;
        let answered = tokio::time::timeout(timeout, self.exchange(request)).await;
        let answered = answered.unwrap_or(Err(FetchFailure::TimedOut(timeout)));
        answered.map_err(|reason| FetchError { origin: self.url.origin(), reason })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, FetchFailure> {
        let answer = self.client.request(request).await;
        let (head, body) =
            answer.map_err(|error| FetchFailure::Broken(causes(&error)))?.into_parts();
        let limit = self.bounds.max_answer_bytes;
        // Where it says so itself, it need not be heard out.
        if body.size_hint().lower() > limit as u64 {
            return Err(FetchFailure::TooLong(limit));
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| match error
            .is::<LengthLimitError>(
        ) {
            true => FetchFailure::TooLong(limit),
            false => FetchFailure::Broken(causes(&*error)),
        })?;
        let origin = self.url.origin();
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), origin })
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("url", &self.url).field("bounds", &self.bounds).finish()
    }
}

impl Answer {
    /// It, if its status is one of success.
    pub(crate) fn success(self) -> Result<Self, FetchError> {
        match self.status.is_success() {
            true => Ok(self),
            false => {
                let reason = FetchFailure::Status(self.status);
                Err(FetchError { origin: self.origin, reason })
            }
        }
    }
}

#[cfg(feature = "https")]
fn connector(url: &HttpUrl) -> Result<Connector, FetchFailure> {
    use hyper_rustls::HttpsConnectorBuilder;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let plain = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has what TLS 1.2 and 1.3 need");
    // Whom plain http asks, no certificate vouches for: none is read.
    if !url.is_https() {
        let config =
            plain.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        return Ok(builder.https_or_http().enable_http1().build());
    }
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
    let builder = builder.map_err(|error| FetchFailure::NoRoots(error.to_string()))?;
    Ok(builder.https_only().enable_http1().build())
}

#[cfg(not(feature = "https"))]
fn connector(url: &HttpUrl) -> Result<Connector, FetchFailure> {
    match url.is_https() {
        true => Err(FetchFailure::NoHttps),
        false => Ok(HttpConnector::new()),
    }
}

/// What an error says, and what those behind it say.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        next = error.source();
    }
    words
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.reason)
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHttps => f.write_str("this build has no TLS; build it with the feature https"),
            Self::NoRoots(why) => write!(
                f,
                "there are no certificates to trust ({why}); install ca-certificates, or name a file of them in SSL_CERT_FILE"
            ),
            Self::Broken(why) => f.write_str(why),
            Self::TimedOut(after) => write!(f, "no whole answer within {} s", after.as_secs_f32()),
            Self::TooLong(limit) => write!(f, "the answer is longer than {limit} bytes"),
            Self::Status(status) if status.is_redirection() => {
                write!(
                    f,
                    "it redirects ({}), which is not followed; give the URL it leads to",
                    status.as_u16()
                )
            }
            Self::Status(status) => write!(f, "it answered {}", status.as_u16()),
        }
    }
}

impl Error for FetchError {}

#[cfg(test)]
mod tests;
