//! What may be asked by HTTP, in words. Routers are built with these, and `docs/protocol/openapi.yaml` is made of what
//! they were built with: there is no other list.

use axum::Router;
use axum::routing::MethodRouter;

use super::Refusal;

/// One method of one path.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "words are for the document"))]
pub(super) struct Operation {
    /// `get`, `put` or `delete`.
    pub(super) method: &'static str,
    /// As axum has it: `/users/{id}`.
    pub(super) path: &'static str,
    /// A sentence.
    pub(super) summary: &'static str,
    /// What the query may hold: a name, and what it means.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What the body of a request holds, by the name of a schema in `src/http/tests/documents/`.
    pub(super) takes: Option<&'static str>,
    /// What it answers when it does.
    pub(super) answers: &'static [Answer],
    /// Why it may not. Whatever is asked of any path (a method that it has not, two hosts, a long body) is not repeated.
    pub(super) refusals: &'static [Refusal],
    /// Likewise in the admin API: status and code.
    pub(super) problems: &'static [(u16, &'static str)],
}

/// An answer that is no refusal.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "words are for the document"))]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) meaning: &'static str,
    pub(super) content: Content,
}

/// What is in an answer.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "words are for the document"))]
pub(super) enum Content {
    Nothing,
    /// Plain text, of this media type.
    Text(&'static str),
    /// JSON, by the name of a schema in `src/http/tests/documents/`.
    Json(&'static str),
}

impl Operation {
    /// It answers nothing yet.
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            summary,
            query: &[],
            takes: None,
            answers: &[],
            refusals: &[],
            problems: &[],
        }
    }

    pub(super) const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    pub(super) const fn takes(self, schema: &'static str) -> Self {
        Self { takes: Some(schema), ..self }
    }

    pub(super) const fn answers(self, answers: &'static [Answer]) -> Self {
        Self { answers, ..self }
    }

    pub(super) const fn refusals(self, refusals: &'static [Refusal]) -> Self {
        Self { refusals, ..self }
    }

    pub(super) const fn problems(self, problems: &'static [(u16, &'static str)]) -> Self {
        Self { problems, ..self }
    }
}

impl Answer {
    pub(super) const fn new(status: u16, meaning: &'static str, content: Content) -> Self {
        Self { status, meaning, content }
    }
}

/// A router, and what was said of its routes.
pub(super) struct Described<S> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Described<S> {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// Something that may be asked for, and who answers. Another method of a path is another one of these.
    pub(super) fn route(mut self, operation: Operation, answers: MethodRouter<S>) -> Self {
        self.router = self.router.route(operation.path, answers);
        self.operations.push(operation);
        self
    }

    pub(super) fn into_router(self) -> Router<S> {
        self.router
    }

    #[cfg(test)]
    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
