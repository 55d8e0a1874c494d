//! Certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::without_repetition;
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::host::is_name;
use crate::http_url::HttpUrl;
use crate::parser::Parser;
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::socket_addr;
use crate::tls::{AcmeSettings, CertificateFiles, ExternalAccount, Redirect, TlsSettings};
use crate::types::Config;

pub(crate) const CERT: Setting<PathBuf, Many> =
    Setting::many("cert", "FILE", Parser::Text(certificate))
        .at_most(64)
        .help("PEM file of a certificate and its chain; TLS is served with it, and it is read anew when it changes");

pub(crate) const PKEY: Setting<PathBuf, Many> = Setting::many("pkey", "FILE", Parser::Text(key))
    .at_most(64)
    .help("PEM file of its private key; one for each `cert`, in the same order");

pub(crate) const DOMAIN: Setting<String, Many> =
    Setting::many("domain", "NAME", Parser::Text(domain))
        .at_most(16)
        .help("Host name of this server, for which it gets a certificate by ACME and renews it; whoever sets it agrees to the authority's terms");

pub(crate) const STATE_DIR: Setting<PathBuf> =
    Setting::one("state-dir", "DIR", Parser::Text(folder)).default("/var/lib/hairpin").help(
        "Folder of the ACME account and its certificates; servers behind one name may share it",
    );

pub(crate) const ACME_DIRECTORY: Setting<HttpUrl> =
    Setting::one("acme-directory", "URL", Parser::Text(directory))
        .default("https://acme-v02.api.letsencrypt.org/directory")
        .help("ACME authority; by default Let's Encrypt");

pub(crate) const ACME_CONTACT: Setting<String, Many> =
    Setting::many("acme-contact", "MAIL", Parser::Text(mail))
        .at_most(4)
        .help("Mail address to which the authority may write");

pub(crate) const ACME_ROOT: Setting<PathBuf, Optional> =
    Setting::optional("acme-root", "FILE", Parser::Text(certificate))
        .absent("the system's")
        .help("PEM file of the roots by which a private authority is known");

pub(crate) const ACME_EAB: Setting<ExternalAccount, Optional> =
    Setting::optional("acme-eab", "ID:KEY", Parser::Text(str::parse))
        .secret()
        .help("Key that binds the ACME account to one you have at the authority");

pub(crate) const REDIRECT_LISTEN: Setting<SocketAddr, Many> =
    Setting::many("redirect-listen", "IP:PORT", Parser::Text(socket_addr))
        .or_none()
        .absent("`[::]:80`, where there are certificates and it may be bound")
        .help("Where plain HTTP is sent to https, and ACME's challenges of port 80 are answered; `none` is nowhere");

pub(super) const GROUP: Group = Group {
    title: "TLS and certificates",
    settings: &[
        CERT.about(),
        PKEY.about(),
        DOMAIN.about(),
        STATE_DIR.about(),
        ACME_DIRECTORY.about(),
        ACME_CONTACT.about(),
        ACME_ROOT.about(),
        ACME_EAB.about(),
        REDIRECT_LISTEN.about(),
    ],
};

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
    let files: Vec<_> = pairs.map(|(cert, key)| CertificateFiles { cert, key }).collect();
    let acme = AcmeSettings {
        domains: without_repetition(reader.get(&DOMAIN)),
        state_dir: reader.get(&STATE_DIR),
        directory: reader.get(&ACME_DIRECTORY),
        contacts: without_repetition(reader.get(&ACME_CONTACT)),
        root: reader.get(&ACME_ROOT),
        external_account: reader.get(&ACME_EAB),
    };
    let acme = (!acme.domains.is_empty()).then_some(acme);
    let addresses = without_repetition(reader.get(&REDIRECT_LISTEN));
    let redirect = match reader.is_set(&REDIRECT_LISTEN) {
        true if addresses.is_empty() => Redirect::Off,
        true => Redirect::At(addresses),
        false if files.is_empty() && acme.is_none() => Redirect::Off,
        false => Redirect::WherePossible,
    };
    TlsSettings { files, acme, redirect }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let files = &config.tls.files;
    if let Some(acme) = &config.tls.acme {
        if acme.domains.is_empty() {
            violations.reject(&DOMAIN, Invalid::empty());
        }
        if let Some(most) = DOMAIN.at_most.filter(|most| acme.domains.len() > *most) {
            let fix = format!("give {most} or fewer");
            violations.reject(&DOMAIN, Invalid::new("has too many values", fix));
        }
        // They become names of files.
        if let Some(invalid) = acme.domains.iter().find_map(|name| domain(name).err()) {
            violations.reject(&DOMAIN, invalid);
        }
        if !acme.directory.is_https() {
            violations.reject(&ACME_DIRECTORY, not_https());
        }
    }
    if let Some(most) = CERT.at_most.filter(|most| files.len() > *most) {
        let fix = format!("give {most} or fewer");
        violations.reject(&CERT, Invalid::new("has too many values", fix));
    }
    if files.is_empty() && config.tls.acme.is_none() && config.tls.redirect != Redirect::Off {
        let fix = "give domain, or cert and pkey; or leave it out";
        let problem = "has nowhere to send anybody: there is no certificate";
        violations.reject(&REDIRECT_LISTEN, Invalid::new(problem, fix));
    }
    let twice = |(at, files): (usize, &CertificateFiles)| config.tls.files[..at].contains(files);
    if files.iter().enumerate().any(twice) {
        violations.reject(&CERT, Invalid::new("has one certificate twice", "give it once"));
    }
}

fn domain(text: &str) -> Parsed<String> {
    let fix = "give a host name such as call.example.org";
    if text.starts_with("*.") {
        let fix = "give each name by itself, or get it elsewhere and give cert and pkey";
        return Err(Invalid::new("is for many names, which only DNS can prove", fix));
    }
    if !is_name(text) || !text.contains('.') {
        return Err(Invalid::new("is not a public host name", fix));
    }
    Ok(text.to_ascii_lowercase())
}

fn folder(text: &str) -> Parsed<PathBuf> {
    match text.contains(char::is_control) {
        true => Err(Invalid::new("names no folder", "give one, such as /var/lib/hairpin")),
        false => Ok(PathBuf::from(text)),
    }
}

fn directory(text: &str) -> Parsed<HttpUrl> {
    text.parse().and_then(|url: HttpUrl| if url.is_https() { Ok(url) } else { Err(not_https()) })
}

fn not_https() -> Invalid {
    let fix = "give the https URL of the authority's directory; acme-root names its root, if it is your own";
    Invalid::new("is not https, which ACME demands (RFC 8555 s6.1)", fix)
}

fn mail(text: &str) -> Parsed<String> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !",?<>".contains(c);
    let fix = "give an address such as ops@example.org";
    match text.split_once('@') {
        Some((user, host)) if !user.is_empty() && is_name(host) && text.chars().all(plain) => {
            Ok(text.to_owned())
        }
        _ => Err(Invalid::new("is not a mail address", fix)),
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
