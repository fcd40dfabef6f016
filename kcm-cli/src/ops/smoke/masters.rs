//! State of the masters at the start of a smoke test or a drill.

use std::sync::Arc;

use kcm_pki::Certificate;
use kcm_systemd::{Argument, Flags};

use crate::artifact::view::embedded;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::kube::Via;
use crate::observed::accounts::Accounts;
use crate::observed::{AskError, Beside, Inspects, Seen, look_beside};
use crate::transport::{Activity, Transport};

/// A master and its observed state.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) seen: Result<Seen, AskError>,
}

/// Observes all masters concurrently.
pub(crate) async fn look(run: Run<'_>, layout: &Layout) -> Vec<Seat> {
    let (beside, accounts) = (
        &Beside { inspects: Some(Inspects { version: false }), ..Beside::default() },
        &Accounts::default(),
    );
    let seen = run.fleet.each(async |(name, transport)| {
        look_beside(name, &**transport, layout, accounts, beside).await
    });
    let seats = run.fleet.masters().zip(seen.await);
    let seats = seats.map(|((name, transport), ended)| Seat {
        name: name.to_owned(),
        transport: Arc::clone(transport),
        seen: AskError::of_task(name, ended),
    });
    seats.collect()
}

impl Seat {
    pub(crate) fn via(&self) -> Via {
        Via::Master { name: self.name.clone(), transport: Arc::clone(&self.transport) }
    }

    /// The kernel's host name.
    pub(crate) fn hostname(&self) -> Option<&str> {
        self.seen.as_ref().ok()?.master.probe.hostname.as_deref()
    }

    /// PID of the service's main process.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.seen.as_ref().ok()?.inspected.as_ref()?.process.as_ref()?.pid)
    }

    /// Flags of the running process.
    pub(crate) fn flags(&self) -> Option<Flags> {
        let process = self.seen.as_ref().ok()?.inspected.as_ref()?.process.as_ref()?;
        let arguments = process.argv.iter().skip(1);
        let arguments: Vec<_> =
            arguments.filter_map(|text| Argument::try_from(text.as_str()).ok()).collect();
        Flags::from_arguments(&arguments).ok()
    }

    /// Reports whether the service runs, or `None` if the master could not be queried.
    pub(crate) fn runs(&self) -> Option<bool> {
        let seen = self.seen.as_ref().ok()?;
        Some(matches!(seen.master.probe.unit.activity, Activity::Active { .. }))
    }

    /// Returns kube-controller-manager's client certificate: embedded in its kubeconfig, or in the
    /// credentials file that it names.
    pub(crate) fn login(&self) -> Option<Certificate> {
        let seen = self.seen.as_ref().ok()?;
        let files = &seen.master.files;
        let named = || Some(files.combined.text.as_deref()?.as_bytes().to_vec());
        let pem = embedded(files.kubeconfig.text.as_deref()?).or_else(named)?;
        Certificate::first_from_pem(&pem).ok()
    }
}
