//! What a page may want to know before anybody joins: whom one may ask for here. There is nothing secret in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use hairpin_config::Config;
use hairpin_signaling::Declaration;
use serde_json::{Value, json};
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::Access;
use super::app::App;
use super::operations::{Answer, Content, Operation};
use super::routes::only_get;

/// Pages need not ask with each visit, and hear of another configuration soon.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The answer, which is the same for everybody for as long as the server runs.
#[derive(Clone, Debug)]
pub(super) struct About(Arc<str>);

impl About {
    pub(super) fn of(config: &Config) -> Self {
        let attributes: Vec<Value> = config.signaling.attributes.0.iter().map(attribute).collect();
        let pools: Vec<&str> = config.signaling.pools.iter().map(|pool| &**pool).collect();
        let about = json!({
            "pools": pools,
            "attributes": attributes,
            "identity": if config.identity.is_open() { "open" } else { "token" },
            "rooms": true,
        });
        Self(about.to_string().into())
    }
}

fn attribute(declared: &Declaration) -> Value {
    let mut about = json!({ "name": &*declared.name, "kind": declared.kind() });
    if !declared.values.is_empty() {
        about["values"] = declared.values.iter().map(|value| &**value).collect();
    }
    about
}

pub(super) const ABOUT: Operation = Operation::new(
    "get",
    "/v1/about",
    "What may be asked for here: pools, attributes, and whether a token is needed.",
)
.answers(&[Answer::new(200, "The same for everybody.", Content::Json("About"))]);

pub(super) fn route(access: &Access) -> MethodRouter<Arc<App>> {
    let answer = async |State(app): State<Arc<App>>| {
        let json = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, json)], app.about.0.to_string()).into_response()
    };
    get(answer)
        .fallback(only_get)
        .layer((SetResponseHeaderLayer::overriding(CACHE_CONTROL, CACHE), access.cors()))
}
