//! Who vouches for the server's certificate, and whose word browsers take.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::netns::{Host, SERVER};
use super::{PATIENCE, POLL};
use crate::acme::pebble::{self, Options};

/// A certificate authority of the test's own.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "hairpin's test authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// The flags of a server with a certificate for `name`, whose files are in `folder`.
    pub(super) fn flags(&self, name: &str, folder: &Path) -> Vec<String> {
        let params = CertificateParams::new([name.to_owned()]).expect("a host's name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let file = |file: &str, text: String| {
            let path = folder.join(file);
            fs::write(&path, text).expect("a host's home is writable");
            path.display().to_string()
        };
        let cert = file("cert.pem", certificate.pem() + &self.0.pem());
        let pkey = file("key.pem", key.serialize_pem());
        ["--cert", &cert, "--pkey", &pkey].map(str::to_owned).into()
    }

    /// By which it is known.
    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Debian's pebble, an ACME server, beside the one that is to have a certificate. Ends with its value.
pub(super) struct Acme {
    process: Child,
    host: Host,
    folder: PathBuf,
}

impl Acme {
    // Nobody else is there.
    const ADDRESS: SocketAddr = SocketAddr::new(LOOPBACK, 14_000);
    const MANAGEMENT: SocketAddr = SocketAddr::new(LOOPBACK, 15_000);

    /// Starts it on the server's host, where from now on `name` is the server.
    pub(super) fn start(host: Host, name: &str) -> Self {
        host.knows(name, SERVER.into());
        let folder = host.home.join("pebble");
        fs::create_dir(&folder).expect("one pebble a host");
        let options = Options { tls_port: 443, http_port: 80, validity: 86_400, binding: false };
        pebble::configure(&folder, Self::ADDRESS, Self::MANAGEMENT, &options);
        let log = File::create(folder.join("log")).expect("a host's home is writable");
        let process = host
            .command("pebble")
            .args(["-strict", "-config"])
            .arg(folder.join("pebble.json"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("ip netns could be used to make the namespace");
        let this = Self { process, host, folder };
        // Whoever asks it too early asks again much later.
        let deadline = Instant::now() + PATIENCE;
        for address in [Self::ADDRESS, Self::MANAGEMENT] {
            while this.host.connect(address).is_err() {
                assert!(Instant::now() < deadline, "no pebble at {address}; tests/run installs it");
                thread::sleep(POLL);
            }
        }
        this
    }

    /// The flags of a server that asks it for a certificate for `name`.
    pub(super) fn flags(&self, name: &str) -> Vec<String> {
        let path = |name: &str| self.host.home.join(name).display().to_string();
        let directory = format!("https://localhost:{}/dir", Self::ADDRESS.port());
        let root = self.folder.join("cert.pem").display().to_string();
        let state = path("state");
        ["--domain", name, "--acme-directory", &directory, "--acme-root", &root]
            .into_iter()
            .chain(["--state-dir", &state])
            .map(str::to_owned)
            .collect()
    }

    /// By which whatever it signs is known.
    pub(super) async fn pem(&self) -> String {
        let stream = self.host.connect(Self::MANAGEMENT).expect("it listens");
        stream.set_nonblocking(true).expect("a socket can be told");
        let stream = tokio::net::TcpStream::from_std(stream).expect("it does not block");
        let own = fs::read(self.folder.join("cert.pem")).expect("it was written");
        let answer = pebble::root(stream, &own).await;
        let answer = String::from_utf8(answer).expect("PEM is text");
        let begin = answer.find("-----BEGIN").expect("a certificate");
        answer[begin..].to_owned()
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("pebble said:\n{log}");
        }
    }
}

/// Has the browsers of a host that are started from now on take the word of whoever has this certificate.
pub(super) fn trust(host: &Host, root: &str) {
    let folder = host.home.join(".pki/nssdb");
    fs::create_dir_all(&folder).expect("a host's home is writable");
    let file = host.home.join("authority.pem");
    fs::write(&file, root).expect("a host's home is writable");
    let database = format!("sql:{}", folder.display());
    let file = file.display().to_string();
    for arguments in
        [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "authority", "-i", &file]]
    {
        let done = std::process::Command::new("certutil")
            .args(["-d", &database])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("certutil: {error}; tests/run installs libnss3-tools"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
