//! What hairpin says of itself: one figure of its `/metrics`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How long a scrape may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The value of the series `name` (labels included, if it has any) that the admin listener at `admin` reports.
/// `None`: it reports no such series.
pub(crate) fn read(admin: SocketAddr, name: &str) -> Result<Option<f64>> {
    let mut stream = TcpStream::connect(admin).context("no admin listener")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("no metrics")?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "no metrics: {answer}");
    value(&answer, name)
}

fn value(text: &str, name: &str) -> Result<Option<f64>> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.trim().parse().context("a sample that is no number")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let text = "# TYPE a gauge\r\na_b 7\r\na{x=\"1\"} 2.5\r\na 3\r\n";
        assert_eq!(value(text, "a").unwrap(), Some(3.0));
        assert_eq!(value(text, "a_b").unwrap(), Some(7.0));
        assert_eq!(value(text, "a{x=\"1\"}").unwrap(), Some(2.5));
        assert_eq!(value(text, "b").unwrap(), None);
        assert!(value("a nothing", "a").is_err());
    }
}
