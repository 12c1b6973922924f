//! The last step, and the only one in which HTTP differs from other protocols: what is done once something may leave.

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use opsrun_core::{Access, Body, Call, Endpoint, Error, ErrorKind, Refusal, Result, System, Talk};

use crate::canned;
use crate::gate::{Lost, place};
use crate::route::{Route, of_target};

/// What may leave, and where to.
pub(crate) struct Passage<'a> {
    pub(crate) route: &'a Route,
    pub(crate) call: &'a Call,
    pub(crate) to: &'a Endpoint,
    pub(crate) system: &'a dyn System,
    pub(crate) access: &'a Access,
}

/// How it leaves.
pub(crate) trait Way: Sized + Send {
    type Answer: Send;

    fn go(
        self,
        passage: &Passage<'_>,
        parts: Parts,
    ) -> impl Future<Output = Result<Self::Answer, Lost>> + Send;

    /// The answer that an injected fault gives.
    fn refuse(
        passage: &Passage<'_>,
        status: StatusCode,
        refusal: Refusal,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    fn status(answer: &Self::Answer) -> StatusCode;
}

/// A request of HTTP, by its body.
pub(crate) struct Http(pub(crate) Body);

impl Way for Http {
    type Answer = Response<Incoming>;

    async fn go(self, passage: &Passage<'_>, parts: Parts) -> Result<Response<Incoming>, Lost> {
        let request = Request::from_parts(parts, self.0);
        passage.route.send(passage.call, passage.to, passage.system.name(), request).await
    }

    async fn refuse(_: &Passage<'_>, status: StatusCode, refusal: Refusal) -> Result<Response<Incoming>> {
        canned::answer(status, refusal).await
    }

    fn status(answer: &Response<Incoming>) -> StatusCode {
        answer.status()
    }
}

/// A conversation.
pub(crate) struct Conversation(pub(crate) Talk);

/// How a conversation ended.
pub(crate) struct Talked {
    status: StatusCode,
    /// It did not take place: this was said instead.
    pub(crate) refused: Option<Error>,
}

impl Way for Conversation {
    type Answer = Talked;

    async fn go(self, passage: &Passage<'_>, _: Parts) -> Result<Talked, Lost> {
        let line = passage.route.line(passage.to, passage.system.name()).map_err(Lost::unsent)?;
        match (self.0)(line).await {
            Ok(status) => Ok(Talked { status, refused: None }),
            Err(broken) => Err(Lost { sent: broken.sent, error: of_target(passage.call, broken.error) }),
        }
    }

    async fn refuse(passage: &Passage<'_>, status: StatusCode, refusal: Refusal) -> Result<Talked> {
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            // It may take it the next time.
            429 | 503 => ErrorKind::Unreachable,
            _ => ErrorKind::Failed,
        };
        let said = String::from_utf8_lossy(&refusal.body).trim().to_owned();
        let error = Error::new(kind, format!("{} answered: {said}", place(passage.to)));
        Ok(Talked { status, refused: Some(error) })
    }

    fn status(answer: &Talked) -> StatusCode {
        answer.status
    }
}
