//! The demo page, built into the binary.

use std::hash::{DefaultHasher, Hash, Hasher};

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY,
};
use hyper::{HeaderMap, StatusCode};

use super::{Response, response};

/// A file of the page.
#[derive(Debug)]
pub(crate) struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! file {
    ($path:literal, $name:literal, $media_type:literal) => {
        File {
            path: $path,
            media_type: concat!($media_type, "; charset=utf-8"),
            text: include_str!(concat!("../../client/", $name)),
        }
    };
}

static FILES: [File; 7] = [
    file!("/", "index.html", "text/html"),
    file!("/hairpin.js", "hairpin.js", "text/javascript"),
    file!("/page.js", "page.js", "text/javascript"),
    file!("/media.js", "media.js", "text/javascript"),
    file!("/stats.js", "stats.js", "text/javascript"),
    file!("/style.css", "style.css", "text/css"),
    file!("/favicon.svg", "favicon.svg", "image/svg+xml"),
];

/// Nothing but our own files, and WebSockets, which `'self'` does not cover in every browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

static HEADERS: [(HeaderName, &str); 4] = [
    // Files change with the server: ask every time, and be told "not modified".
    (CACHE_CONTROL, "no-cache"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(self)"),
];

impl File {
    /// The file at a path.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path == path)
    }

    /// The file, or that the client has it already.
    pub(crate) fn serve(&self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let known = request.get(IF_NONE_MATCH).is_some_and(|known| known == etag);
        let (status, text) =
            if known { (StatusCode::NOT_MODIFIED, "") } else { (StatusCode::OK, self.text) };
        let mut response = response(status, text);
        let headers = response.headers_mut();
        for (name, value) in &HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(ETAG, etag);
        response
    }

    /// The same in every process of the same build.
    fn etag(&self) -> HeaderValue {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()))
            .expect("quotes and hexadecimal digits are a valid header value")
    }
}
