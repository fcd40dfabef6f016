//! Queries of the server's version, of the authenticated user, and of permissions.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::core::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::server::{Answer, ApiServer};
use crate::kube::clock::ClockOffset;
use crate::kube::error::{ApiError, Problem, unsendable};
use crate::kube::lease::{LEASE_NAME, LEASE_NAMESPACE};

/// Version and clock of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerVersion {
    /// Version of the server, such as `v1.36.2`.
    pub version: String,
    /// Offset of the server's clock, if its answer has a date.
    pub clock: Option<ClockOffset>,
}

/// An operation on the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read the Lease.
    Get,
    /// Replace the Lease.
    Update,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Update => "update",
        }
    }
}

impl ApiServer {
    /// Queries the version, which every authenticated client may read.
    ///
    /// # Errors
    /// The server is unreachable, rejects the credentials, or is not a Kubernetes API server.
    pub async fn version(&self) -> Result<ServerVersion, ApiError> {
        let request = hyper::Request::get("/version").body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest);
        let version = async {
            let answer = self.ask(request).await?;
            if answer.code != 200 {
                return Err(self.refusal(&answer, "read /version"));
            }
            let info: k8s_openapi::apimachinery::pkg::version::Info = answer.object()?;
            let is_version = info.git_version.starts_with('v');
            if !is_version {
                let what = format!("the version is {:?}", info.git_version);
                return Err(Problem::Garbage { what });
            }
            Ok(ServerVersion { version: info.git_version, clock: answer.clock })
        };
        version.await.map_err(|problem| self.failed(problem))
    }

    /// Queries the user as whom the server authenticates this client.
    ///
    /// Returns `None` if the server is older than 1.28, or if RBAC forbids the query. The query is
    /// a `SelfSubjectReview`, authentication.k8s.io/v1 since 1.28 (KEP-3325).
    ///
    /// # Errors
    /// The server is unreachable, rejects the credentials, or treats the client as anonymous.
    pub async fn who_am_i(&self) -> Result<Option<String>, ApiError> {
        let user = async {
            let answer = self.review(&SelfSubjectReview::default()).await?;
            match answer.code {
                200 | 201 => {
                    let review: SelfSubjectReview = answer.object()?;
                    let user = review.status.and_then(|status| status.user_info?.username);
                    user.map(Some).ok_or_else(|| Problem::Garbage {
                        what: "the SelfSubjectReview has no user name".to_owned(),
                    })
                }
                404 => Ok(None),
                _ => match self.refusal(&answer, "query the authenticated user") {
                    Problem::Forbidden { .. } => Ok(None),
                    problem => Err(problem),
                },
            }
        };
        let user = user.await.map_err(|problem| self.failed(problem))?;
        match user.as_deref() {
            Some("system:anonymous") => Err(self.failed(Problem::Anonymous)),
            _ => Ok(user),
        }
    }

    /// Checks whether the client may use `verb` on the Lease `kube-system/kube-controller-manager`.
    /// The stock role allows exactly these two verbs.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] if RBAC denies it. Other problems if the server gives no usable
    /// answer.
    pub async fn may(&self, verb: Verb) -> Result<(), ApiError> {
        let place = format!("{} leases/{LEASE_NAME} in {LEASE_NAMESPACE}", verb.as_str());
        let text = |text: &str| Some(text.to_owned());
        let attributes = ResourceAttributes {
            verb: text(verb.as_str()),
            group: text("coordination.k8s.io"),
            resource: text("leases"),
            namespace: text(LEASE_NAMESPACE),
            name: text(LEASE_NAME),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let allowed = async {
            let answer = self.review(&review).await?;
            if !matches!(answer.code, 200 | 201) {
                return Err(self.refusal(&answer, &format!("query the permission to {place}")));
            }
            let review: SelfSubjectAccessReview = answer.object()?;
            let status = review.status.ok_or_else(|| Problem::Garbage {
                what: "the SelfSubjectAccessReview has no status".to_owned(),
            })?;
            if status.allowed {
                return Ok(());
            }
            let reason = status.reason.filter(|reason| !reason.is_empty());
            let message = reason.unwrap_or_else(|| "no role allows it".to_owned());
            Err(Problem::Forbidden { verb: place, message })
        };
        allowed.await.map_err(|problem| self.failed(problem))
    }

    async fn review<R>(&self, review: &R) -> Result<Answer, Problem>
    where
        R: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let body = serde_json::to_vec(review);
        let body = body.map_err(|error| unsendable(&error))?;
        self.ask(Request::new(R::url_path(&(), None)).create(&PostParams::default(), body)).await
    }
}

#[cfg(test)]
mod tests {
    use kube::Resource as _;

    use super::*;

    #[test]
    fn reviews_are_asked_for_where_they_are_served() {
        assert_eq!(
            SelfSubjectReview::url_path(&(), None),
            "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        );
        assert_eq!(
            SelfSubjectAccessReview::url_path(&(), None),
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        );
    }
}
