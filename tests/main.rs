//! One integration binary, so that everything links once.

/// Certificates of a real ACME server.
#[cfg(feature = "tls")]
mod acme;
/// ARCHITECTURE.md and the house's rules, held to the code.
mod architecture;
/// What an app's backend has of a server.
mod backend;
/// Real browsers in network namespaces behind real NATs.
mod browser;
/// A test per line of the conformance list, against the relay core in virtual time.
mod conformance;
/// Dockerfile and fly.toml, as far as they can be checked without an engine or an account.
mod deployment;
/// The documentation's snippets, as a reader pastes them.
mod documentation;
/// HTTP, WebSockets and metrics over real sockets.
mod http;
/// Other people's clients and servers.
mod interop;
/// The relay over real sockets: listeners, streams, workers, limits.
mod relay;
/// The script that runs the tests.
mod runner;
/// The whole system in virtual time.
mod sim;
/// Certificates for tests, and clients that trust them.
#[cfg(feature = "tls")]
mod tls;

/// Says that a test could not do here what it is for; `tests/run` lists these.
pub(crate) fn report_skipped(reason: &str) {
    // Rust's test harness names each thread after its test.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    println!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("SKIPPED_TESTS") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("SKIPPED_TESTS names a writable file");
        use std::io::Write as _;
        writeln!(file, "{test}: {reason}").expect("SKIPPED_TESTS names a writable file");
    }
}
