//! A settings file of arbitrary text: resolved to what is valid or refused, without a panic, and whatever is printed of
//! it keeps its secret, even when the line with the secret is the broken one.
#![no_main]

use hairpin_config::Layers;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "kq9ZvT3xWm";

fuzz_target!(|text: &str| {
    let mut layers = Layers::default();
    layers.file("fuzz.toml", &format!("static-auth-secret = ['{SECRET}'{text}"));
    let printed = match layers.resolve() {
        Ok(resolved) => {
            assert_eq!(resolved.config.check(), Ok(()));
            format!("{}{:?}", resolved.describe(), resolved.config)
        }
        Err(errors) => format!("{errors}{errors:?}"),
    };
    assert!(!printed.contains(SECRET), "{printed}");
});
