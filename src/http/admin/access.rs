//! Who may use the admin API.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota};
use hairpin_config::AdminToken;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answers::Problem;
use crate::http::access::bearer;
use crate::log_limit::LogLimit;
use crate::net::network;

/// How many wrong tokens an address may try a minute before it is told to wait. The right one is always right: who
/// shares an address with a guesser is not kept out.
const WRONG_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// How many addresses that tried a wrong one are remembered before those that may try again are forgotten.
const REMEMBERED: usize = 1024;

/// The tokens that open it, by their digests: of one length, so that comparing them takes the same time for all.
#[derive(Debug)]
pub(crate) struct Tokens {
    digests: Vec<[u8; 32]>,
    wrong: DefaultKeyedRateLimiter<IpAddr>,
}

impl Tokens {
    pub(crate) fn new(tokens: &[AdminToken]) -> Self {
        let digests = tokens.iter().map(|token| Sha256::digest(token.as_bytes()).into()).collect();
        let wrong = DefaultKeyedRateLimiter::keyed(Quota::per_minute(WRONG_PER_MINUTE));
        Self { digests, wrong }
    }

    fn admits(&self, token: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        // Every one is compared, so that the time says nothing about which it was.
        self.digests.iter().fold(false, |found, known| found | bool::from(known.ct_eq(&digest)))
    }

    fn judge(&self, headers: &HeaderMap, from: IpAddr) -> Result<(), Problem> {
        static LIMIT: LogLimit = LogLimit::new();
        if self.digests.is_empty() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "no_admin_token",
                "there is no admin API: start hairpin with --admin-token TOKEN, and send `Authorization: Bearer TOKEN`",
            ));
        }
        let Some(token) = bearer(headers) else {
            let message = "the header Authorization is missing or is no bearer token: send `Authorization: Bearer TOKEN`";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "token_missing", message));
        };
        if self.admits(token) {
            return Ok(());
        }
        if self.wrong.len() > REMEMBERED {
            self.wrong.retain_recent();
        }
        if let Some(left_out) = LIMIT.admit() {
            tracing::warn!(%from, left_out, "a wrong token for the admin API");
        }
        match self.wrong.check_key(&network(from)) {
            Ok(()) => {
                let message = "the bearer token is none of those that --admin-token names";
                Err(Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", message))
            }
            Err(_) => {
                let message = "too many wrong tokens from this address; wait a minute";
                let problem =
                    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
                Err(problem.retry_after(60))
            }
        }
    }
}

pub(super) async fn check(
    State(tokens): State<Arc<Tokens>>,
    Extension(peer): Extension<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match tokens.judge(request.headers(), peer.ip()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn status(tokens: &Tokens, header: &str, from: IpAddr) -> Option<u16> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().expect("a header"));
        tokens.judge(&headers, from).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn any_of_the_tokens_opens_and_nothing_like_one() {
        let tokens = ["0123456789abcdef", "fedcba9876543210"].map(AdminToken::new);
        let tokens = Tokens::new(&tokens);
        for header in ["Bearer 0123456789abcdef", "bearer  fedcba9876543210 "] {
            assert_eq!(status(&tokens, header, HERE), None, "{header}");
        }
        for header in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeff",
            "Bearer ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert_eq!(status(&tokens, header, HERE), Some(401), "{header}");
        }
        assert_eq!(status(&Tokens::new(&[]), "Bearer ", HERE), Some(403));
    }

    #[test]
    fn who_guesses_is_told_to_wait_and_who_knows_is_not() {
        let tokens = Tokens::new(&[AdminToken::new("0123456789abcdef")]);
        let guesses = (0..20).map(|_| status(&tokens, "Bearer guess", HERE));
        let guesses: Vec<_> = guesses.collect();
        assert_eq!((guesses[0], guesses[9], guesses[10]), (Some(401), Some(401), Some(429)));
        assert_eq!(status(&tokens, "Bearer 0123456789abcdef", HERE), None);
        let elsewhere = "192.0.2.1".parse().expect("an address");
        assert_eq!(status(&tokens, "Bearer guess", elsewhere), Some(401));
    }
}
