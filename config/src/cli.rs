//! The command line: what is to be done, and the settings its flags give.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use crate::error::Source;
use crate::layers::Layers;
use crate::setting::{AnySetting, Arity};
use crate::settings::GROUPS;
use crate::strays::complaints;

/// What the command line asks for, with the settings its flags give.
#[derive(Clone, Debug)]
pub enum Command {
    /// `hairpin`: serve.
    Run(Layers),
    /// `hairpin config check`: validate, and print what is in force.
    ConfigCheck(Layers),
    /// `hairpin healthcheck`: ask the server that runs under these settings whether it is well.
    Healthcheck(Layers),
}

/// A command line with nothing to carry out: print the text and exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What to print: help or version on standard output, a complaint on standard error.
    pub text: String,
    /// The exit code: 0, or 2 for a complaint.
    pub code: u8,
}

impl Command {
    /// Understands a command line, the program's name first.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Exit> {
        let args: Vec<OsString> = args.into_iter().collect();
        let matches = command().try_get_matches_from(&args).map_err(|error| exit(&error, &args))?;
        let mut layers = Layers::default();
        let mut path = Vec::new();
        let mut level = Some(&matches);
        while let Some(matches) = level {
            take_flags(matches, &mut layers);
            level = matches.subcommand().map(|(name, matches)| {
                path.push(name);
                matches
            });
        }
        Ok(match path.as_slice() {
            ["config", "check"] => Self::ConfigCheck(layers),
            ["healthcheck"] => Self::Healthcheck(layers),
            ["version"] => return Err(Exit { text: command().render_version(), code: 0 }),
            _ => Self::Run(layers),
        })
    }
}

fn command() -> clap::Command {
    let check = clap::Command::new("check")
        .about("Validate the configuration and print what is in force, secrets redacted")
        .args(flags());
    let config = clap::Command::new("config")
        .about("Look at the configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check);
    let healthcheck = clap::Command::new("healthcheck")
        .about("Exit with 0 if the server running under these settings is well")
        .args(flags());
    clap::Command::new("hairpin")
        .version(env!("CARGO_PKG_VERSION"))
        .about("TURN/STUN server, WebSocket signaling relay and matcher in one process")
        .after_help(AFTER_HELP)
        .bin_name("hairpin")
        .next_line_help(true)
        .args(flags())
        .subcommand(config)
        .subcommand(healthcheck)
        .subcommand(clap::Command::new("version").about("Print the version"))
}

const AFTER_HELP: &str = "\
Each flag is also an environment variable (--min-port is HAIRPIN_MIN_PORT; several values are
separated by commas) and a key of the --config file (min-port). Flags go before the environment,
the environment before the file.";

fn flags() -> impl Iterator<Item = Arg> {
    GROUPS.iter().flat_map(|group| {
        group.settings.iter().map(|setting| flag(setting).help_heading(group.title))
    })
}

fn flag(setting: &'static AnySetting) -> Arg {
    let help = match setting.arity {
        Arity::Switch => setting.help(),
        Arity::One => format!("{} [default: {}]", setting.help(), setting.default.plain()),
        Arity::Many => {
            format!("{} [default: {}; repeatable]", setting.help(), setting.default.plain())
        }
    };
    // Everything repeats here: what must not is refused with all other mistakes, by name and source.
    let arg = Arg::new(setting.name)
        .long(setting.name)
        .help(help.replace('`', ""))
        .action(ArgAction::Append);
    match setting.arity {
        Arity::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL"),
        // A secret may begin with a hyphen.
        Arity::One | Arity::Many => {
            arg.value_name(setting.placeholder).allow_hyphen_values(setting.secret)
        }
    }
}

fn take_flags(matches: &ArgMatches, layers: &mut Layers) {
    for setting in crate::settings() {
        // The level `config` has no flags.
        let values = matches.try_get_many::<String>(setting.name).ok().flatten();
        for value in values.into_iter().flatten() {
            layers.give(setting, value.clone(), Source::Flag(format!("--{}", setting.name)));
        }
    }
}

/// Clap's complaints quote what was typed, which may be a secret out of place; ours name flags only.
fn exit(error: &clap::Error, args: &[OsString]) -> Exit {
    let argument = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
        .iter()
        .find_map(|kind| error.get(*kind))
        .map(ToString::to_string)
        .unwrap_or_default();
    let complaint = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Exit { text: error.to_string(), code: 0 };
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => complaints(args),
        ErrorKind::InvalidValue => format!("{argument}: has no value; give one after it"),
        kind => {
            let problem = kind.as_str().unwrap_or("the command line cannot be understood");
            [argument.as_str(), problem].join(" ").trim_start().to_owned()
        }
    };
    Exit { text: format!("{complaint}\nhairpin --help lists every flag\n"), code: 2 }
}
