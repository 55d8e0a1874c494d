//! Against a server that answers what a test says.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

const BOUNDS: FetchBounds =
    FetchBounds { timeout: Duration::from_secs(20), max_answer_bytes: 1000 };

/// A server that answers every connection with these bytes and then holds it open; what it was sent comes out.
async fn server(answer: &'static [u8]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (heard, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let _ = heard.send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = stream.write_all(answer).await;
            open.push(stream);
        }
    });
    (format!("http://{address}/path?query=secret"), requests)
}

fn fetcher(url: &str, bounds: FetchBounds) -> Fetcher {
    Fetcher::to(url.parse().expect("a URL"), bounds).expect("it can be asked")
}

#[tokio::test]
async fn a_get_brings_status_headers_and_body() {
    let (url, mut requests) =
        server(b"HTTP/1.1 404 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nhi").await;
    let mut headers = HeaderMap::new();
    headers.insert("x-mine", HeaderValue::from_static("yes"));
    let answer = fetcher(&url, BOUNDS).get(headers).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), &*answer.body), (404, &b"hi"[..]));
    assert_eq!(answer.headers["retry-after"], "7");
    let error = answer.success().expect_err("404");
    assert!(error.to_string().ends_with("it answered 404"), "{error}");
    let request = requests.recv().await.expect("a request").to_lowercase();
    assert!(request.starts_with("get /path?query=secret http/1.1\r\n"), "{request}");
    let agent = format!("user-agent: hairpin/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(request.contains(&agent) && request.contains("x-mine: yes\r\n"), "{request}");
}

#[tokio::test]
async fn a_post_sends_its_body() {
    let (url, mut requests) = server(b"HTTP/1.1 204 Fine\r\n\r\n").await;
    let body = Bytes::from_static(b"{\"a\":1}");
    let answer = fetcher(&url, BOUNDS).post(HeaderMap::new(), body).await.expect("an answer");
    assert!(answer.success().is_ok());
    let request = requests.recv().await.expect("a request");
    assert!(request.starts_with("POST /path"), "{request}");
    assert!(request.to_lowercase().contains("content-length: 7\r\n"), "{request}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let answer =
        b"HTTP/1.1 302 Away\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n";
    let (url, _requests) = server(answer).await;
    let answer = fetcher(&url, BOUNDS).get(HeaderMap::new()).await.expect("an answer");
    let error = answer.success().expect_err("a redirect").to_string();
    assert!(error.contains("not followed"), "{error}");
}

#[tokio::test]
async fn an_answer_too_long_is_given_up() {
    let said = b"HTTP/1.1 200 Fine\r\nContent-Length: 1001\r\n\r\n";
    let (url, _requests) = server(said).await;
    let error = fetcher(&url, BOUNDS).get(HeaderMap::new()).await.expect_err("too long");
    assert_eq!(error.reason, FetchFailure::TooLong(1000));
    let unsaid = b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";
    let (url, _requests) = server(unsaid).await;
    let bounds = FetchBounds { max_answer_bytes: 3, ..BOUNDS };
    let error = fetcher(&url, bounds).get(HeaderMap::new()).await.expect_err("too long");
    assert_eq!(error.reason, FetchFailure::TooLong(3));
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up() {
    for beginning in
        [&b""[..], b"HTTP/1.1 200 Fine\r\n", b"HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\nabc"]
    {
        let (url, _requests) = server(beginning).await;
        let timeout = Duration::from_millis(100);
        let fetcher = fetcher(&url, FetchBounds { timeout, ..BOUNDS });
        let error = fetcher.get(HeaderMap::new()).await.expect_err("a stall");
        assert_eq!(error.reason, FetchFailure::TimedOut(timeout));
    }
}

#[tokio::test]
async fn what_went_wrong_is_said_without_path_or_query() {
    let (url, _requests) = server(b"no http at all\r\n\r\n").await;
    let error = fetcher(&url, BOUNDS).get(HeaderMap::new()).await.expect_err("no HTTP");
    assert!(matches!(error.reason, FetchFailure::Broken(_)), "{error}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/path?query=secret", nobody.local_addr().expect("bound"));
    drop(nobody);
    let fetcher = fetcher(&url, BOUNDS);
    let error = format!(
        "{} {fetcher:?}",
        fetcher.get(HeaderMap::new()).await.expect_err("nobody is there")
    );
    assert!(error.contains("refused") && !error.contains("secret"), "{error}");
}

#[cfg(feature = "https")]
#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_refused() {
    let (url, _requests) = server(b"HTTP/1.1 200 Fine\r\n\r\n").await;
    let url = url.replace("http://", "https://");
    let error = fetcher(&url, BOUNDS).get(HeaderMap::new()).await.expect_err("no TLS there");
    assert!(matches!(error.reason, FetchFailure::Broken(_)), "{error}");
}

#[cfg(not(feature = "https"))]
#[test]
fn without_tls_an_https_url_is_refused_at_once() {
    let url = "https://example.org/".parse().expect("a URL");
    let error = Fetcher::to(url, BOUNDS).expect_err("no TLS").to_string();
    assert!(error.contains("https"), "{error}");
}
