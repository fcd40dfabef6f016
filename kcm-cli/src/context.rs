//! The context of one invocation: its input, its masters and its event sink.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cluster::Cluster;
use crate::event::EventSink;
use crate::fleet::Fleet;
use crate::pki::signer::Signer;
use crate::util::interrupt::Interrupt;

/// The context of one invocation.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Run<'a> {
    /// The cluster file.
    pub cluster: &'a Cluster,
    /// The masters.
    pub fleet: &'a Fleet,
    /// Current time, to evaluate and issue certificates.
    pub now: OffsetDateTime,
    /// Receiver of the events.
    pub events: &'a dyn EventSink,
    /// Request to stop at the next safe point.
    pub interrupt: &'a Interrupt,
    /// Risks that the operator accepted explicitly.
    pub consent: Consent,
    /// The signer of certificates. Default: the one of the cluster file, without prompts.
    pub signer: Option<&'a dyn Signer>,
}

/// The risks to a running cluster that an operator must accept explicitly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each risk is accepted by itself")]
pub struct Consent {
    /// Replace the CA of a running cluster with that of the cluster file.
    pub replace_ca: bool,
    /// Restart a running service with another key for service account tokens.
    pub replace_service_account_key: bool,
    /// Remove the CA key from masters on which no flag of kube-controller-manager names it.
    pub remove_ca_key: bool,
    /// Remove kube-controller-manager from the last healthy master.
    pub remove_last: bool,
}

impl<'a> Run<'a> {
    /// Returns the context of an invocation that accepts no risk.
    #[must_use]
    pub fn new(
        cluster: &'a Cluster,
        fleet: &'a Fleet,
        now: OffsetDateTime,
        events: &'a dyn EventSink,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self { cluster, fleet, now, events, interrupt, consent: Consent::default(), signer: None }
    }

    /// Returns the context with these risks accepted.
    #[must_use]
    pub fn with_consent(self, consent: Consent) -> Self {
        Self { consent, ..self }
    }

    /// Returns the context with this signer in place of the one in the cluster file.
    #[must_use]
    pub fn with_signer(self, signer: &'a dyn Signer) -> Self {
        Self { signer: Some(signer), ..self }
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("fleet", &self.fleet)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
