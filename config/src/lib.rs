//! Flags, environment and a TOML file resolved into configurations that cannot be invalid.
//!
//! Nothing here reads anything: the caller hands in arguments, variables and the file's text.
//!
//! 1. [`Command::parse`] the command line, or start from [`Layers::default`] in a program of your own.
//! 2. Add to its [`Layers`] with [`Layers::environment`] and [`Layers::set`].
//! 3. Read the file [`Layers::config_file`] asks for, if any, and hand it to [`Layers::file`].
//! 4. [`Layers::resolve`]: a [`Resolved`] configuration, or everything that is wrong at once.
//!
//! Secrets are in [`Config`] alone, and its `Debug` does not show them.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod attribute;
mod backend;
mod check;
mod cli;
mod documentation;
mod error;
mod file;
mod host;
mod http_url;
mod ice_url;
mod layers;
mod origin;
mod parser;
mod reader;
mod report;
mod resolve;
mod setting;
mod settings;
mod strays;
mod text;
mod tls;
mod types;

pub use backend::{AdminToken, BackendSettings, WebhookSecret};
pub use cli::{Command, Exit};
pub use documentation::markdown_table;
pub use error::{ConfigError, ConfigErrors, Invalid, Source};
pub use host::Host;
pub use http_url::HttpUrl;
pub use ice_url::{IceService, IceUrl};
pub use layers::Layers;
pub use origin::{AllowedOrigins, Origin};
pub use parser::Bounds;
pub use report::Insecurity;
pub use resolve::Resolved;
pub use setting::{AnySetting, Arity, Group, Preset};
pub use settings::{GROUPS, settings};
pub use tls::{AcmeSettings, CertificateFiles, ExternalAccount, Redirect, TlsSettings};
pub use types::*;
