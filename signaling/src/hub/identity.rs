//! Who is behind a connection, by the word of a token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Hub, SeatId};
use crate::attributes::Wishes;
use crate::budgets::Wish;
use crate::deadlines::Deadlines;
use crate::limit::Bucket;
use crate::refusal::{ErrorCode, Refusal};
use crate::tokens::TokenHash;
use crate::wire::{ServerMessage, Whom, no_user};
use crate::{CloseCode, ConnectionId, Identity, Naming, Rate, Tokens};

/// How long before its end somebody hears that its token runs out.
const WARNING: Duration = Duration::from_secs(60);

/// How many tokens may come by a connection before one of them has counted: to look at one costs more than all else.
const ATTEMPTS: Rate = Rate::per_minute(10);

/// Those who have brought a token. In open mode nobody has, and this takes no room.
#[derive(Default)]
pub(super) struct Identities {
    bearers: BTreeMap<ConnectionId, Bearer>,
    due: Deadlines<ConnectionId>,
}

#[derive(Default)]
struct Bearer {
    attempts: Bucket,
    known: Option<Box<Known>>,
}

/// What the token said that counted last.
struct Known {
    user: Arc<str>,
    wishes: Wishes,
    /// So that it is not read again.
    token: Option<TokenHash>,
    expires: Duration,
    /// What is done next: the warning, or the end.
    due: Duration,
}

/// What is due of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Warn(ConnectionId, Duration),
    End(ConnectionId),
}

impl Identities {
    fn get(&self, id: ConnectionId) -> Option<&Known> {
        self.bearers.get(&id)?.known.as_deref()
    }

    fn set(&mut self, id: ConnectionId, known: Known) {
        let due = known.due;
        let earlier = self.bearers.entry(id).or_default().known.replace(Box::new(known));
        if let Some(earlier) = earlier {
            self.due.disarm(earlier.due, id);
        }
        self.due.arm(due, id);
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(known) = self.bearers.remove(&id).and_then(|bearer| bearer.known) {
            self.due.disarm(known.due, id);
        }
    }

    fn next_due(&mut self, now: Duration) -> Option<Due> {
        let id = self.due.pop_due(now)?;
        let known = self.bearers.get_mut(&id)?.known.as_deref_mut()?;
        if now >= known.expires {
            return Some(Due::End(id));
        }
        known.due = known.expires;
        self.due.arm(known.due, id);
        Some(Due::Warn(id, known.expires.saturating_sub(now)))
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.next()
    }
}

impl Hub {
    /// A client has brought a token with its handshake, and the caller has read it: it counts from its first message on.
    pub fn identify(&mut self, now: Duration, id: ConnectionId, identity: Identity) {
        if self.config.naming == Naming::Open || !self.connections.contains(id) {
            return;
        }
        if let Err(refusal) = self.acknowledge(now, id, identity, None) {
            self.refuse(id, &refusal);
        }
    }

    /// Who a message's sender is, by its own word, or by the token it brings or has brought.
    pub(super) fn whose(
        &mut self,
        now: Duration,
        id: ConnectionId,
        whom: Whom,
        tokens: &mut impl Tokens,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let Whom { user, token } = whom;
        if self.config.naming == Naming::Open {
            return Ok(user.map(Arc::from));
        }
        if let Some(token) = token {
            self.present(now, id, &token, tokens)?;
        }
        let known = self
            .identities
            .get(id)
            .ok_or_else(|| Refusal::new(ErrorCode::TokenMissing, "say with a token who you are"))?;
        match user {
            Some(user) if *user != *known.user => {
                let message = "userId is not the one your token is for; leave it out";
                Err(Refusal::new(ErrorCode::WrongUser, message))
            }
            _ => Ok(Some(known.user.clone())),
        }
    }

    /// Like [`Hub::whose`], for whoever must be somebody.
    pub(super) fn who(
        &mut self,
        now: Duration,
        id: ConnectionId,
        whom: Whom,
        tokens: &mut impl Tokens,
    ) -> Result<Arc<str>, Refusal> {
        self.whose(now, id, whom, tokens)?.ok_or_else(no_user)
    }

    /// `renew_token`
    pub(super) fn renew_token(
        &mut self,
        now: Duration,
        id: ConnectionId,
        token: &str,
        tokens: &mut impl Tokens,
    ) -> Result<(), Refusal> {
        if self.config.naming == Naming::Open {
            let message = "this server asks for no token";
            return Err(Refusal::new(ErrorCode::BadMessage, message));
        }
        self.present(now, id, token, tokens)?;
        let expires = self.identities.get(id).map_or(now, |known| known.expires);
        let expires_in_ms = milliseconds(expires.saturating_sub(now));
        self.send(id, &ServerMessage::TokenRenewed { expires_in_ms });
        Ok(())
    }

    /// Reads a token, and lets it count if it is good. One that counts already is not read again.
    fn present(
        &mut self,
        now: Duration,
        id: ConnectionId,
        token: &str,
        tokens: &mut impl Tokens,
    ) -> Result<(), Refusal> {
        let hash = TokenHash::of(token);
        match self.identities.get(id) {
            Some(known) if known.token == Some(hash) => return Ok(()),
            Some(known) => {
                let user = known.user.clone();
                self.afford(now, Some(id), Wish::Token, &user)?;
            }
            None => {
                let attempts = &mut self.identities.bearers.entry(id).or_default().attempts;
                if !attempts.take(now, ATTEMPTS, 1) {
                    return Err(Refusal::too_often(
                        Wish::Token.what(),
                        attempts.wait(now, ATTEMPTS, 1),
                    ));
                }
            }
        }
        let identity = tokens.verify(token)?;
        self.acknowledge(now, id, identity, Some(hash))
    }

    /// Lets a token count that has been read.
    fn acknowledge(
        &mut self,
        now: Duration,
        id: ConnectionId,
        identity: Identity,
        token: Option<TokenHash>,
    ) -> Result<(), Refusal> {
        let Identity { user, lasts, wishes } = identity;
        if self.identities.get(id).is_some_and(|known| *known.user != *user) {
            let message = "the token is another user's than the one before it";
            return Err(Refusal::new(ErrorCode::WrongUser, message));
        }
        let wishes = self.config.attributes.wishes(wishes.fields()).map_err(|refusal| {
            let message = format!("the token claims what is not understood: {}", refusal.message);
            Refusal::new(ErrorCode::TokenInvalid, message)
        })?;
        let expires = now.saturating_add(lasts);
        let due = expires.saturating_sub(WARNING).max(now);
        let is_news = self.claims(id).is_some_and(|earlier| *earlier != wishes);
        self.identities.set(id, Known { user: user.clone(), wishes, token, expires, due });
        if is_news {
            self.seek_anew(&user);
        }
        Ok(())
    }

    /// What somebody's token says it wishes.
    pub(super) fn claims(&self, id: ConnectionId) -> Option<&Wishes> {
        self.identities.get(id).map(|known| &known.wishes)
    }

    /// What somebody wishes, where its token does not say it otherwise.
    pub(super) fn claims_over(&self, id: ConnectionId, wishes: Wishes) -> Wishes {
        match self.claims(id) {
            Some(claims) => claims.clone().over(wishes),
            None => wishes,
        }
    }

    /// Whether the token of one of two has blocked the other: who comes by a connection, and who has a seat.
    pub(super) fn claims_keep_apart(&self, id: ConnectionId, user: &str, other: SeatId) -> bool {
        let other = self.seats.get(other);
        let blocks = |id: Option<ConnectionId>, whom: &str| {
            let known = id.and_then(|id| self.identities.get(id));
            known.is_some_and(|known| known.wishes.blocked.iter().any(|blocked| **blocked == *whom))
        };
        blocks(Some(id), &other.user) || blocks(other.connection(), user)
    }

    /// Warns those whose tokens run out soon, and ends what those do whose tokens have.
    pub(super) fn expire_tokens(&mut self, now: Duration) {
        while let Some(due) = self.identities.next_due(now) {
            match due {
                Due::Warn(id, left) => {
                    let expires_in_ms = milliseconds(left);
                    self.send(id, &ServerMessage::TokenExpiring { expires_in_ms });
                }
                Due::End(id) => {
                    let message = "the token has run out, and no newer one has come";
                    self.refuse(id, &Refusal::new(ErrorCode::TokenExpired, message));
                    self.close(now, id, CloseCode::TokenExpired);
                }
            }
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
