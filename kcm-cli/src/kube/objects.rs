//! Any object, as JSON: what a proof that controllers work makes, looks at and removes.

use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::error::{ApiError, Problem};
use super::server::{Answer, ApiServer};

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
    /// Reads what is at `path`; `None` if the API says that it is not there.
    ///
    /// # Errors
    /// When there is no answer that is of use.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Value>, ApiError> {
        let read = async {
            let request = hyper::Request::get(path).body(Vec::new());
            let answer =
                self.ask(request.map_err(kube::core::request::Error::BuildRequest)).await?;
            self.found(&answer, &format!("get {path}"))
        };
        read.await.map_err(|problem| self.failed(problem))
    }

    /// Changes what is at `path`, once: the object as it is then, or `None` if the API says that it is not there.
    ///
    /// # Errors
    /// When there is no answer that is of use; whether it was carried out all the same, [`ApiError::is_fate_unknown`]
    /// says.
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

    /// The server's URL.
    pub(crate) fn url(&self) -> &str {
        &self.server
    }

    fn found(&self, answer: &Answer, verb: &str) -> Result<Option<Value>, Problem> {
        match answer.code {
            200..=202 => answer.object().map(Some),
            // A load balancer's page says nothing of the kind.
            404 if is_absent(answer) => Ok(None),
            _ => Err(self.refusal(answer, verb)),
        }
    }
}

/// Whether the API itself says that an object is not there, rather than that it has no such kind.
fn is_absent(answer: &Answer) -> bool {
    let status = answer.status();
    status.is_some_and(|it| {
        it.reason == "NotFound" && it.details.is_some_and(|of| !of.name.is_empty())
    })
}
