//! `docs/protocol/openapi.yaml` and `docs/protocol/asyncapi.yaml`, made from the routes, the refusals, the close codes and
//! the schemas of the messages. `UPDATE_PROTOCOL=1 cargo test -p hairpin documents` writes them anew.

mod answers;
mod asyncapi;
#[path = "../../../signaling/src/wire/document/check.rs"]
#[expect(dead_code, reason = "the tests of the messages use the rest")]
mod check;
#[path = "../../../tests/checked_in.rs"]
mod checked_in;
mod openapi;
mod schemas;
mod yaml;

/// What a reader of the documents compares: the wire changes with the first two numbers.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION").rsplit_once('.').expect("three numbers").0
}
