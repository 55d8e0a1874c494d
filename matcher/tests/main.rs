//! The matcher beside a model that looks at everybody, and its rules one by one.

mod long;
mod model;
mod places;
mod random;
mod rules;
