//! What may be asked of the admin listener, in words.

use crate::http::operations::{Answer, Content, Operation};
use crate::metrics;

const TEXT: Content = Content::Text("text/plain; charset=utf-8");

pub(super) const METRICS: Operation =
    Operation::new("get", "/metrics", "Metrics for Prometheus: docs/metrics.md.")
        .answers(&[Answer::new(200, "All of them.", Content::Text(metrics::CONTENT_TYPE))]);

pub(super) const HEALTHZ: Operation = Operation::new(
    "get",
    "/healthz",
    "Whether the process answers.",
)
.answers(&[Answer::new(200, "It does: `ok`.", TEXT)]);

pub(super) const READYZ: Operation =
    Operation::new("get", "/readyz", "Whether new clients should come here.").answers(&[
        Answer::new(200, "They should: `ok`, and on further lines what troubles it.", TEXT),
        Answer::new(503, "It is `stopping`, or has `failed`.", TEXT),
    ]);

/// It is done, and there is nothing to say.
const DONE: &[Answer] = &[Answer::new(204, "It is done.", Content::Nothing)];

pub(super) const LIST_SESSIONS: Operation =
    Operation::new("get", "/sessions", "Live sessions, in the order of their ids.")
        .query(&[
            ("limit", "How many, from 1 to 1000; 100 where nothing is said."),
            ("after", "The `next` of the answer before."),
        ])
        .answers(&[Answer::new(200, "A page of them.", Content::Json("Sessions"))]);

pub(super) const SHOW_SESSION: Operation =
    Operation::new("get", "/sessions/{id}", "A live session.")
        .answers(&[Answer::new(200, "It is live.", Content::Json("Session"))])
        .problems(&[(404, "no_session")]);

pub(super) const END_SESSION: Operation = Operation::new(
    "delete",
    "/sessions/{id}",
    "Ends a session: both sides hear `partner_left` with `ended`.",
)
.answers(DONE)
.problems(&[(404, "no_session")]);

pub(super) const SHOW_USER: Operation =
    Operation::new("get", "/users/{id}", "What a user is doing, and whether it is barred.")
        .answers(&[Answer::new(200, "Also of who is not there.", Content::Json("User"))]);

pub(super) const SHOW_BAR: Operation =
    Operation::new("get", "/users/{id}/bar", "Until when a user is barred.")
        .answers(&[Answer::new(200, "It is barred.", Content::Json("Bar"))])
        .problems(&[(404, "not_barred")]);

pub(super) const SET_BAR: Operation = Operation::new(
    "put",
    "/users/{id}/bar",
    "Bars a user for a time: it meets nobody, and its session ends.",
)
.takes("SetBar")
.answers(&[Answer::new(200, "It is barred.", Content::Json("Bar"))])
.problems(BODY_AND_ROOM);

pub(super) const LIFT_BAR: Operation =
    Operation::new("delete", "/users/{id}/bar", "Lets a user meet others again.")
        .answers(DONE)
        .problems(&[(404, "not_barred")]);

pub(super) const SHOW_BLOCKS: Operation = Operation::new(
    "get",
    "/users/{id}/blocks",
    "Whom a user never meets, by its own wish or an app's.",
)
.answers(&[Answer::new(200, "The list may be empty.", Content::Json("Blocks"))]);

pub(super) const SET_BLOCKS: Operation =
    Operation::new("put", "/users/{id}/blocks", "Replaces a user's list of blocks.")
        .takes("SetBlocks")
        .answers(&[Answer::new(200, "As it is now.", Content::Json("Blocks"))])
        .problems(BODY_AND_ROOM);

pub(super) const BLOCK: Operation =
    Operation::new("put", "/users/{id}/blocks/{other}", "Has a user never meet another one.")
        .answers(DONE)
        .problems(ROOM);

pub(super) const UNBLOCK: Operation =
    Operation::new("delete", "/users/{id}/blocks/{other}", "Lets the two meet again.")
        .answers(DONE)
        .problems(&[(404, "not_blocked")]);

pub(super) const SHOW_PROFILE: Operation =
    Operation::new("get", "/users/{id}/profile", "What an app's backend has said of a user.")
        .answers(&[Answer::new(200, "Nothing said is an empty object.", Content::Json("Profile"))]);

pub(super) const SET_PROFILE: Operation = Operation::new(
    "put",
    "/users/{id}/profile",
    "Says whom a user wants to meet; counts before what the user says, and after its token.",
)
.takes("Profile")
.answers(DONE)
.problems(BODY_AND_ROOM);

const BODY_AND_ROOM: &[(u16, &str)] =
    &[(400, "bad_json"), (400, "bad_body"), (413, "long_body"), (507, "full")];

const ROOM: &[(u16, &str)] = &[(507, "full")];

/// What any of the API may say.
#[cfg(test)]
pub(in crate::http) const ANY: &[(u16, &str)] = &[
    (400, "invalid_field"),
    (401, "token_missing"),
    (401, "token_invalid"),
    (403, "no_admin_token"),
    (429, "too_many_requests"),
    (503, "busy"),
];
