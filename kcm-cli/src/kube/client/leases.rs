//! Reads and replaces the Lease.

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease as LeaseKind;
use kube::Resource as _;
use kube::api::PostParams;
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::Value;

use super::server::{Answer, ApiServer};
use crate::kube::control_plane::LeaseStore;
use crate::kube::error::{ApiError, Problem};
use crate::kube::lease::{LEASE_NAME, LEASE_NAMESPACE, Lease};

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
                    Err(Problem::Conflict { message: "the Lease was deleted".to_owned() })
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

/// Reports whether the API says that this Lease does not exist. A 404 of a server without Leases,
/// or of a load balancer, does not count.
fn is_absent(answer: &Answer) -> bool {
    let details = answer.status().and_then(|status| status.details);
    details.is_some_and(|details| details.kind == "leases" && details.name == LEASE_NAME)
}
