//! The demo page, and the client for pages of other origins, built into the binary.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use tower_http::set_header::SetResponseHeaderLayer;

use super::app::App;

/// A file in the binary.
#[derive(Debug)]
struct File {
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

/// The page. Its script, with the library in it, is made of client/page/ by `npm run build` in client/.
static PAGE: [File; 4] = [
    file!("/", "page/index.html", "text/html"),
    file!("/page.js", "dist/page.js", "text/javascript"),
    file!("/style.css", "page/style.css", "text/css"),
    file!("/favicon.svg", "page/favicon.svg", "image/svg+xml"),
];

/// `hairpin-client`, as `client/build.js` makes it.
static CLIENT: File = file!("/hairpin-client.js", "dist/hairpin-client.js", "text/javascript");

/// Nothing but our own files, and WebSockets, which `'self'` does not cover in every browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

const HEADERS: [(HeaderName, &str); 4] = [
    // Files change with the server: ask every time, and be told "not modified".
    (CACHE_CONTROL, "no-cache"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(self)"),
];

/// A route for every file of the page.
pub(super) fn routes() -> Router<Arc<App>> {
    PAGE.iter().fold(Router::new(), |router, file| file.route_in(router))
}

/// Any page may load the client from here: who may use the server is another question, and asked later.
pub(super) fn client() -> Router<Arc<App>> {
    CLIENT.route_in(Router::new()).layer(SetResponseHeaderLayer::overriding(
        ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    ))
}

impl File {
    fn route_in(&'static self, router: Router<Arc<App>>) -> Router<Arc<App>> {
        let etag = self.etag();
        router.route(self.path, get(async move |request: HeaderMap| self.answer(etag, &request)))
    }

    /// The file, or that the client has it already (RFC 9110 s13.1.2).
    fn answer(&self, etag: ETag, request: &HeaderMap) -> Response {
        let known = request.typed_get::<IfNoneMatch>();
        let mut response = match known.is_none_or(|known| known.precondition_passes(&etag)) {
            true => self.text.into_response(),
            false => StatusCode::NOT_MODIFIED.into_response(),
        };
        let headers = response.headers_mut();
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.typed_insert(etag);
        response
    }

    /// The same in every process of the same build.
    fn etag(&self) -> ETag {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        let quoted = format!("\"{:016x}\"", hasher.finish());
        quoted.parse().expect("hexadecimal digits in quotes are an entity tag")
    }
}
