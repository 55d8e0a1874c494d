//! The configuration as its users meet it: values from four places, one meaning, errors that help.

mod command;
mod documentation;
mod errors;
mod identity;
mod meaning;
mod precedence;
mod secrets;
mod tls;
mod typed;

use hairpin_config::{Command, Config, ConfigErrors, Layers, Resolved};

/// A configuration set by a program.
fn program(settings: &[(&str, &str)]) -> Result<Resolved, ConfigErrors> {
    let mut layers = Layers::default();
    for (name, value) in settings {
        layers.set(name, *value);
    }
    let resolved = layers.resolve()?;
    assert_eq!(resolved.config.check(), Ok(()), "what was typed is held to no other rules");
    Ok(resolved)
}

/// What these settings mean; they must be valid.
fn config(settings: &[(&str, &str)]) -> Config {
    program(settings).expect("the settings are valid").config
}

/// The complaints about these settings, a line each; there must be some.
fn complaints(settings: &[(&str, &str)]) -> String {
    program(settings).expect_err("the settings are not valid").to_string()
}

/// The settings of a command line without a subcommand.
fn flags(args: &[&str]) -> Layers {
    let args = ["hairpin"].iter().chain(args).map(Into::into);
    match Command::parse(args).expect("the command line is valid") {
        Command::Run(layers) => layers,
        other => panic!("not a plain run: {other:?}"),
    }
}

/// An environment.
fn variables<'a>(pairs: &'a [(&str, &str)]) -> impl Iterator<Item = (String, String)> + 'a {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}
