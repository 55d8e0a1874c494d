//! What on a command line is neither a flag nor a command: all of it at once, for clap stops at the first.

use std::ffi::OsString;

use crate::error::{ConfigError, Invalid, NOT_SHOWN, Source};
use crate::setting::Arity;
use crate::settings::find;

/// Words that are no values of a flag that nobody knows.
const COMMANDS: &[&str] = &["config", "check", "healthcheck", "help", "version"];

/// What coturn's short flags are here. `-h` and `-V` are ours.
const SHORT: &[(&str, &str)] = &[
    ("-c", "--config"),
    ("-E", "--relay-ip"),
    ("-L", "--listening-ip"),
    ("-m", "--workers"),
    ("-p", "--listening-port"),
    ("-q", "--user-quota"),
    ("-Q", "--total-quota"),
    ("-r", "--realm"),
    ("-u", "--user"),
    ("-v", "--log-level debug"),
    ("-X", "--external-ip"),
];

/// A complaint for each argument that is no flag, a line each, the program's name coming before them. What is no flag
/// is never shown, nor are values: they may be secrets out of place.
pub(crate) fn complaints(args: &[OsString]) -> String {
    let mut args = args.iter().map(|arg| arg.to_string_lossy()).enumerate().skip(1).peekable();
    let mut complaints = Vec::new();
    while let Some((number, arg)) = args.next() {
        let takes_next = match Stray::new(&arg) {
            Known::Word => false,
            Known::Flag { takes_next } => {
                if takes_next {
                    args.next();
                }
                continue;
            }
            Known::Not(stray) => {
                let complaint = stray.complaint(number);
                if !complaints.contains(&complaint) {
                    complaints.push(complaint);
                }
                matches!(stray, Stray::Long(_) | Stray::Short(_)) && !arg.contains('=')
            }
        };
        // What follows a misspelt flag is its value, which needs no complaint of its own.
        if takes_next {
            args.next_if(|(_, next)| !next.starts_with('-') && !COMMANDS.contains(&&**next));
        }
    }
    if complaints.is_empty() {
        // A command in the wrong place.
        complaints.push(OTHER.to_owned());
    }
    complaints.join("\n")
}

/// What an argument is, where no value is expected.
enum Known<'a> {
    /// A command, or a request for help.
    Word,
    Flag {
        takes_next: bool,
    },
    Not(Stray<'a>),
}

/// An argument that is neither flag nor command.
enum Stray<'a> {
    /// Spelt like a flag.
    Long(&'a str),
    /// A hyphen and a letter, or a flag with one hyphen where two belong.
    Short(&'a str),
    /// Anything, and so perhaps a secret.
    Other,
}

impl<'a> Stray<'a> {
    #[expect(clippy::new_ret_no_self, reason = "most arguments are none")]
    fn new(arg: &'a str) -> Known<'a> {
        if COMMANDS.contains(&arg) || ["--help", "--version", "-h", "-V"].contains(&arg) {
            return Known::Word;
        }
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (arg, None),
        };
        if let Some(name) = flag.strip_prefix("--") {
            return match find(name) {
                Some(setting) => {
                    Known::Flag { takes_next: value.is_none() && setting.arity != Arity::Switch }
                }
                None if is_name(name) => Known::Not(Self::Long(flag)),
                None => Known::Not(Self::Other),
            };
        }
        Known::Not(match flag.strip_prefix('-') {
            Some(letter) if letter.len() == 1 && letter.as_bytes()[0].is_ascii_alphabetic() => {
                Self::Short(flag)
            }
            Some(name) if find(name).is_some() => Self::Short(flag),
            _ => Self::Other,
        })
    }

    /// `number` is the argument's.
    fn complaint(&self, number: usize) -> String {
        let (field, source, invalid) = match self {
            Self::Long(flag) => {
                let invalid = Invalid::unknown(flag, |setting| format!("--{}", setting.name));
                (NOT_SHOWN, Source::Argument(number), invalid)
            }
            Self::Short(flag) => (*flag, Source::Flag((*flag).to_owned()), short(flag)),
            Self::Other => return OTHER.to_owned(),
        };
        ConfigError::new(field, None, source, invalid).to_string()
    }
}

const OTHER: &str = "an argument is neither a flag nor a command (it is not shown: it may be part of a secret); \
                     quote values that hold spaces";

fn short(flag: &str) -> Invalid {
    let name = &flag[1..];
    let long = SHORT.iter().find(|(short, _)| *short == flag).map(|(_, long)| (*long).to_owned());
    let long = long.or_else(|| find(name).map(|setting| format!("--{}", setting.name)));
    let fix = match long {
        Some(long) => format!("did you mean {long}?"),
        None => "`hairpin --help` lists every flag".to_owned(),
    };
    let problem =
        if name.len() == 1 { "there are no short flags" } else { "flags have two hyphens" };
    Invalid::new(problem, fix)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
