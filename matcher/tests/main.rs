//! The matcher beside a model that looks at everybody, and its rules one by one.

mod crowd;
mod hall;
mod long;
mod model;
mod offers;
mod places;
mod random;
mod rules;
