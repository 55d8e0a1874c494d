//! The relay core in virtual time: arbitrary bytes from arbitrary sources, between well-formed
//! requests of clients with credentials, without which random bytes would get no further than a 401.
#![no_main]

mod input;
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|steps: Vec<input::Step>| {
    let mut world = world::World::new();
    for step in steps {
        world.run(step);
    }
});
