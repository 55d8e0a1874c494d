//! Whatever allocations and peers send to a shared address, in whatever order, it goes where history says.

mod model;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_state_is_what_history_says(steps in prop::collection::vec(any::<u8>(), 0..1200)) {
        model::World::run(&steps);
    }
}
