//! Check of the program to upload, run on this machine before anything is staged.

use std::path::PathBuf;

use super::{Examination, Sink, Subject, program};
use crate::cluster::layout::Role;
use crate::pki;
use crate::transport::{Observation, ProgramFacts};

/// Queries the program of `install.binary` for its version and flags, if any master will receive
/// it.
///
/// A program for another architecture does not run on this machine. The masters then check it once
/// it is staged.
pub(super) async fn ask(subject: Subject<'_>, examinations: &mut [Examination], found: &mut Sink) {
    let Some(path) = subject.cluster.install.binary.clone() else { return };
    let masters = subject.plan.masters.iter().zip(&subject.desired.masters).zip(examinations);
    let masters: Vec<_> =
        masters.filter(|((planned, _), _)| planned.writes(Role::Binary)).collect();
    if masters.is_empty() {
        return;
    }
    let Some(facts) = facts(path).await else { return };
    let version = program::version(&facts.version);
    let facts = Observation::Known(facts);
    for ((planned, desired), examination) in masters {
        examination.version = version;
        let (name, path) = (&planned.name, &subject.layout.executable);
        found.extend(program::evaluate(name, path, &facts, &desired.service.flags));
    }
}

async fn facts(path: PathBuf) -> Option<ProgramFacts> {
    tokio::task::spawn_blocking(move || pki::program_facts(&path)).await.ok().flatten()
}
