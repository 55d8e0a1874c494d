//! How the hub learns who somebody is without knowing keys.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::attributes::WishFields;
use crate::refusal::{ErrorCode, Refusal};
use crate::{IceServers, MAX_USER_LEN};

/// What the hub asks of its caller, who knows what is outside.
pub trait Outside: IceServers + Tokens {}

impl<T: IceServers + Tokens> Outside for T {}

/// Reads tokens.
pub trait Tokens {
    /// Who a token says its bearer is, if it is signed by whom it should be and counts now.
    ///
    /// # Errors
    /// Why it does not count. Whoever has no keys can say nothing else, which is what is said here.
    fn verify(&mut self, token: &str) -> Result<Identity, BadToken> {
        let _ = token;
        Err(BadToken::Invalid("this server knows no tokens".into()))
    }
}

/// Who somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// Whoever it says it is: for development.
    #[default]
    Open,
    /// Whoever its token says.
    Tokens,
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Its user, of 1 to [`MAX_USER_LEN`] bytes.
    pub user: Arc<str>,
    /// For how long it counts from now on.
    pub lasts: Duration,
    /// Whom that user wants to meet.
    pub wishes: ClaimedWishes,
}

/// Claims of a token that mean what the fields of `join_queue` do; `None` is nothing claimed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimedWishes {
    /// `buddies`
    pub buddies: Option<Json>,
    /// `blocked`
    pub blocked: Option<Json>,
    /// `attributes`
    pub attributes: Option<Json>,
    /// `seeks`
    pub seeks: Option<Json>,
}

/// Why a token does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// It is not one of ours, or not for us; why, for its bearer, in words that hold nothing of it.
    Invalid(Cow<'static, str>),
    /// It has run out.
    Expired,
    /// The key it is signed with is being fetched.
    Unverified {
        /// When to ask again.
        retry_after: Duration,
    },
}

impl Identity {
    /// Of a user, for so long, who says nothing else.
    pub fn new(user: &str, lasts: Duration) -> Self {
        debug_assert!((1..=MAX_USER_LEN).contains(&user.len()), "whoever reads tokens sees to it");
        Self { user: user.into(), lasts, wishes: ClaimedWishes::default() }
    }
}

impl ClaimedWishes {
    pub(crate) fn fields(&self) -> WishFields<'_> {
        WishFields {
            buddies: self.buddies.as_ref(),
            blocked: self.blocked.as_ref(),
            attributes: self.attributes.as_ref(),
            seeks: self.seeks.as_ref(),
        }
    }
}

impl BadToken {
    /// What its bearer is told, wherever it has brought it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::TokenInvalid,
            Self::Expired => ErrorCode::TokenExpired,
            Self::Unverified { .. } => ErrorCode::TokenUnverified,
        }
    }

    /// The same in words.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(why) => why.clone(),
            Self::Expired => "the token has run out; bring a newer one".into(),
            Self::Unverified { .. } => "the key of this token is being fetched; ask again".into(),
        }
    }

    /// When it may be brought again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unverified { retry_after } => Some(*retry_after),
            Self::Invalid(_) | Self::Expired => None,
        }
    }
}

impl From<BadToken> for Refusal {
    fn from(bad: BadToken) -> Self {
        Self { retry_after: bad.retry_after(), ..Self::new(bad.code(), bad.message()) }
    }
}
