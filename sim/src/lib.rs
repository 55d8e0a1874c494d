//! Virtual network, clock, NATs and scripted peers for hairpin's tests.
