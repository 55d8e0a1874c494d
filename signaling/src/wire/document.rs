//! The protocol as a document, made from the code and held to it: `docs/protocol/`.
//!
//! Nothing of it is in what ships. `UPDATE_PROTOCOL=1 cargo test -p hairpin-signaling document` writes the files anew.

mod agreement;
mod check;
#[path = "../../../tests/checked_in.rs"]
mod checked_in;
mod examples;
mod golden;
mod schemas;
mod shapes;
