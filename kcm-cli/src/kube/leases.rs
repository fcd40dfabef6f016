//! Reading and replacing the Lease.

use std::fmt;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease as LeaseKind;
use kube::Resource as _;
use kube::api::PostParams;
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::Value;

use super::error::{ApiError, Problem};
use super::lease::{LEASE_NAME, LEASE_NAMESPACE, Lease};
use super::server::{Answer, ApiServer};

/// Where the Lease `kube-system/kube-controller-manager` is kept. Object-safe, so that what decides on it can be tried
/// on [`FakeLeases`](super::FakeLeases).
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync {
    /// Reads the Lease; `None` if there is none, which only the API itself can say.
    ///
    /// # Errors
    /// When there is no answer that is of use.
    async fn lease(&self) -> Result<Option<Lease>, ApiError>;

    /// Replaces the Lease by the one given, if the one that is there still has its resource version. Returns it as it is
    /// then. Never sent twice, but carried out perhaps after the answer is no longer waited for.
    ///
    /// # Errors
    /// [`Problem::Conflict`] if the Lease has changed or is gone; nothing was written then. After another error, whether
    /// it was is known only as far as [`ApiError::is_fate_unknown`] says.
    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError>;
}

#[async_trait]
impl LeaseStore for ApiServer {
    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        let read = async {
            let answer = self.ask(place().get(LEASE_NAME, &GetParams::default())).await?;
            match answer.code {
                200 => read(&answer).map(Some),
                404 if is_absent(&answer) => Ok(None),
                _ => Err(self.refusal(&answer, &format!("get leases/{LEASE_NAME}"))),
            }
        };
        read.await.map_err(|problem| self.failed(problem))
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let body = lease.object().to_string().into_bytes();
        let written = async {
            let request = place().replace(LEASE_NAME, &PostParams::default(), body);
            let answer = self.ask(request).await?;
            match answer.code {
                200 => read(&answer),
                404 if is_absent(&answer) => {
                    Err(Problem::Conflict { message: "it has been deleted".to_owned() })
                }
                _ => Err(self.refusal(&answer, &format!("update leases/{LEASE_NAME}"))),
            }
        };
        written.await.map_err(|problem| self.failed(problem))
    }
}

fn place() -> Request {
    Request::new(LeaseKind::url_path(&(), Some(LEASE_NAMESPACE)))
}

fn read(answer: &Answer) -> Result<Lease, Problem> {
    let object: Value = answer.object()?;
    Lease::from_object(object).map_err(|error| Problem::Garbage { what: error.to_string() })
}

/// Whether the API says that there is no such Lease: neither a server without Leases says so, nor a load balancer.
fn is_absent(answer: &Answer) -> bool {
    let details = answer.status().and_then(|status| status.details);
    details.is_some_and(|details| details.kind == "leases" && details.name == LEASE_NAME)
}
