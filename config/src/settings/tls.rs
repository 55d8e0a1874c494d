//! Certificates.

use std::path::PathBuf;

use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::parser::Parser;
use crate::reader::Reader;
use crate::setting::{Group, Many, Setting};
use crate::tls::{CertificateFiles, TlsSettings};
use crate::types::Config;

pub(crate) const CERT: Setting<PathBuf, Many> =
    Setting::many("cert", "FILE", Parser::Text(certificate))
        .at_most(64)
        .help("PEM file of a certificate and its chain; TLS is served with it, and it is read anew when it changes");

pub(crate) const PKEY: Setting<PathBuf, Many> = Setting::many("pkey", "FILE", Parser::Text(key))
    .at_most(64)
    .help("PEM file of its private key; one for each `cert`, in the same order");

pub(super) const GROUP: Group =
    Group { title: "TLS and certificates", settings: &[CERT.about(), PKEY.about()] };

pub(crate) fn read(reader: &mut Reader) -> TlsSettings {
    let (certs, keys) = (reader.get(&CERT), reader.get(&PKEY));
    // What is understood is as many as was given, unless there was a complaint.
    if certs.len() != keys.len() && reader.is_sound(&CERT) && reader.is_sound(&PKEY) {
        let (few, many) = if certs.len() < keys.len() {
            (CERT.about(), PKEY.about())
        } else {
            (PKEY.about(), CERT.about())
        };
        let problem = format!(
            "is given {} times, {} {}",
            certs.len().min(keys.len()),
            many.name,
            certs.len().max(keys.len())
        );
        let fix = "give a cert and a pkey for each certificate, in the same order";
        reader.reject(few, Invalid::new(problem, fix));
    }
    let pairs = certs.into_iter().zip(keys);
    TlsSettings { files: pairs.map(|(cert, key)| CertificateFiles { cert, key }).collect() }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let files = &config.tls.files;
    if let Some(most) = CERT.at_most.filter(|most| files.len() > *most) {
        let fix = format!("give {most} or fewer");
        violations.reject(&CERT, Invalid::new("has too many values", fix));
    }
    let twice = |(at, files): (usize, &CertificateFiles)| config.tls.files[..at].contains(files);
    if files.iter().enumerate().any(twice) {
        violations.reject(&CERT, Invalid::new("has one certificate twice", "give it once"));
    }
}

fn certificate(text: &str) -> Parsed<PathBuf> {
    file(text, "give one, such as /etc/hairpin/fullchain.pem")
}

fn key(text: &str) -> Parsed<PathBuf> {
    file(text, "give one, such as /etc/hairpin/privkey.pem")
}

fn file(text: &str, fix: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    if path.file_name().is_none() || text.ends_with('/') || text.contains(char::is_control) {
        return Err(Invalid::new("names no file", fix));
    }
    Ok(path)
}
