//! Check for rights that a new identity would lose. Pure.

use super::{Sink, Subject};
use crate::desired::flags;
use crate::finding::{Finding, FindingCode};
use crate::pki::MASTERS;
use crate::pki::identity::{Decision, IdentityFacts};

const FLAG: &str = "use-service-account-credentials";

/// Finds a loss of rights by a new identity: the current one is in the group [`MASTERS`], the new
/// one is not, and the controllers act with it.
pub(super) fn evaluate(subject: Subject<'_>, found: &mut Sink) {
    if !matches!(subject.plan.identity, Some(Decision::Issue { .. })) {
        return;
    }
    let mut entries = subject.inputs.request.subject.names().iter();
    if entries.any(|entry| entry.organization == MASTERS) {
        return;
    }
    let operator = subject.observed.operator.as_ref().ok().and_then(Option::as_ref);
    let masters = subject.observed.masters.iter().filter_map(|it| it.identity.as_ref());
    let is_master = |facts: &IdentityFacts| facts.groups.iter().any(|group| group == MASTERS);
    if !operator.into_iter().chain(masters).any(is_master) {
        return;
    }
    let acts_alone = subject.cluster.masters.iter().find(|master| {
        let flags = flags(subject.cluster, subject.layout, master);
        flags.is_ok_and(|flags| flags.get(FLAG) != Some("true"))
    });
    let Some(master) = acts_alone else { return };
    let problem = format!(
        "the current identity has its permissions from the group {MASTERS} (O), and the new identity is not in that group; without --{FLAG}=true, every controller acts as the new identity and loses these permissions"
    );
    let help = format!(
        "set `pki.csr` to a CSR file with O {MASTERS}, or first set --{FLAG}=true and keep the default RBAC roles"
    );
    found.push(Finding::error(FindingCode::SubjectMismatch, master.name.as_str(), problem, help));
}
