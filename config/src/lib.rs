//! Flags, environment and a TOML file resolved into configurations that cannot be invalid.
