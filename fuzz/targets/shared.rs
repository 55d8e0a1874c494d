//! The routing of a shared relayed address, beside a model that looks through history.
#![no_main]

#[path = "../../sim/tests/shared_rules/model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|steps: &[u8]| model::World::run(steps));
