//! Requests for arbitrary objects as JSON. The smoke test creates, reads and deletes its objects
//! with them.

use hyper::Method;
use hyper::header::CONTENT_TYPE;
use kube::api::ListParams;
use kube::core::Request;
use serde_json::Value;

use super::server::{Answer, ApiServer};
use crate::kube::error::{ApiError, Problem};
use crate::util::words::at;

/// Number of objects in one answer to a list.
const PAGE: u32 = 500;
/// Largest number of answers for a list.
const MOST_PAGES: usize = 200;

/// A change to an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// A new object in the collection at the path.
    Create(&'a Value),
    /// A JSON merge patch (RFC 7396) of the object at the path.
    Merge(&'a Value),
    /// Removal of the object at the path, with these options.
    Delete(&'a Value),
}

impl ApiServer {
    /// Reads the object at `path`. Returns `None` if the API reports that the object does not
    /// exist.
    ///
    /// # Errors
    /// The server is unreachable, refuses the request, or sends an unusable answer.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Value>, ApiError> {
        let read = async {
            let request = hyper::Request::get(path).body(Vec::new());
            let answer =
                self.ask(request.map_err(kube::core::request::Error::BuildRequest)).await?;
            self.found(&answer, &format!("get {path}"))
        };
        read.await.map_err(|problem| self.failed(problem))
    }

    /// Lists the objects of the collection at `path`.
    ///
    /// # Errors
    /// The server is unreachable, refuses the request, or sends an unusable answer.
    pub(super) async fn list(&self, path: &str, which: &ListParams) -> Result<Value, ApiError> {
        let listed = async {
            let answer = self.ask(Request::new(path).list(which)).await?;
            let found = self.found(&answer, &format!("list {path}"))?;
            found.ok_or_else(|| self.refusal(&answer, &format!("list {path}")))
        };
        listed.await.map_err(|problem| self.failed(problem))
    }

    /// Lists the collection at `path` in answers of bounded size.
    ///
    /// # Errors
    /// The first request that fails, or a list that does not end.
    pub(super) async fn list_all(
        &self,
        path: &str,
        which: ListParams,
    ) -> Result<Vec<Value>, ApiError> {
        let mut which = which.limit(PAGE);
        let mut lists = Vec::new();
        for _ in 0..MOST_PAGES {
            let list = self.list(path, &which).await?;
            let next = at(&list, "/metadata/continue").as_str().unwrap_or_default().to_owned();
            lists.push(list);
            if next.is_empty() {
                return Ok(lists);
            }
            which = which.continue_token(&next);
        }
        let what = format!("a list at {path} of more than {MOST_PAGES} answers");
        Err(self.failed(Problem::Garbage { what }))
    }

    /// Sends one change of the object at `path`. Returns the resulting object, or `None` if the API
    /// reports that the object does not exist.
    ///
    /// # Errors
    /// The server is unreachable, refuses the request, or sends an unusable answer. If
    /// [`ApiError::is_fate_unknown`] is true, the change may have been applied.
    pub(crate) async fn change(
        &self,
        path: &str,
        change: Change<'_>,
    ) -> Result<Option<Value>, ApiError> {
        let (method, kind, body) = match change {
            Change::Create(object) => (Method::POST, "application/json", object),
            Change::Merge(fields) => (Method::PATCH, "application/merge-patch+json", fields),
            Change::Delete(options) => (Method::DELETE, "application/json", options),
        };
        let verb = match change {
            Change::Create(_) => "create",
            Change::Merge(_) => "patch",
            Change::Delete(_) => "delete",
        };
        let changed = async {
            let request = hyper::Request::builder().method(method).uri(path);
            let request = request.header(CONTENT_TYPE, kind).body(body.to_string().into_bytes());
            let answer =
                self.ask(request.map_err(kube::core::request::Error::BuildRequest)).await?;
            self.found(&answer, &format!("{verb} {path}"))
        };
        changed.await.map_err(|problem| self.failed(problem))
    }

    /// Returns the server's URL.
    pub(crate) fn url(&self) -> &str {
        &self.server
    }

    fn found(&self, answer: &Answer, verb: &str) -> Result<Option<Value>, Problem> {
        match answer.code {
            200..=202 => answer.object().map(Some),
            // An error page of a load balancer does not prove absence.
            404 if is_absent(answer) => Ok(None),
            _ => Err(self.refusal(answer, verb)),
        }
    }
}

/// Reports whether the API says that the object is missing, as opposed to the resource type.
fn is_absent(answer: &Answer) -> bool {
    let status = answer.status();
    status.is_some_and(|it| {
        it.reason == "NotFound" && it.details.is_some_and(|of| !of.name.is_empty())
    })
}
