//! One integration binary, so that everything links once.

/// ARCHITECTURE.md and the house's rules, held to the code.
mod architecture;
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
