//! Checks for drop-ins of the unit, and for a unit file of higher precedence. Pure.

use kcm_systemd::UNIT_FOLDERS;

use super::{Sink, Subject};
use crate::cluster::layout::{Layout, Role};
use crate::desired::DesiredMaster;
use crate::finding::{Finding, FindingCode};
use crate::observed::ObservedMaster;

/// Directives that kcm renders and that another file must not override.
const OURS: [&str; 8] =
    ["ExecStart", "User", "Group", "Restart", "RestartSec", "Type", "RootDirectory", "RootImage"];

pub(super) fn evaluate(subject: Subject<'_>, observed: &ObservedMaster, found: &mut Sink) {
    let mut desired = subject.desired.masters.iter();
    let desired = desired.find(|desired| desired.name == observed.name);
    found.extend(units(subject.layout, observed, desired));
}

/// Finds files that change the effect of the desired unit on a master.
pub(crate) fn units(
    layout: &Layout,
    observed: &ObservedMaster,
    desired: Option<&DesiredMaster>,
) -> Vec<Finding> {
    let artifacts = desired.into_iter().flat_map(|desired| &desired.artifacts);
    let meaning = artifacts.filter(|it| it.role == Role::Unit).find_map(|it| it.meaning.as_ref());
    // The bytes of the unit file alone do not decide: a drop-in can override them.
    let is_equal = meaning.is_some_and(|meaning| meaning.is_on(observed));
    drop_ins(observed, is_equal).into_iter().chain(shadowed(layout, observed)).collect()
}

/// Returns findings on the drop-ins of a unit. With `is_equal`, the unit including its drop-ins is
/// semantically equal to the desired one, so that they are only warnings.
fn drop_ins(observed: &ObservedMaster, is_equal: bool) -> Vec<Finding> {
    let sources = observed.found_unit.drop_ins.iter();
    let drop_ins = sources.filter_map(|source| {
        let file = kcm_systemd::UnitFile::parse(source.content.as_ref()?);
        let mut directives: Vec<_> = file.entries.iter().map(|entry| entry.key.clone()).collect();
        directives.dedup();
        (!directives.is_empty()).then(|| drop_in(&observed.name, &source.path, &directives))
    });
    let drop_ins = drop_ins.map(|finding| {
        if !is_equal {
            return finding;
        }
        let help = "keep the drop-in; the unit with this drop-in is semantically equal to the desired unit".to_owned();
        Finding { help, ..finding.into_warning() }
    });
    drop_ins.collect()
}

fn drop_in(master: &str, path: &str, directives: &[String]) -> Finding {
    let undoes: Vec<_> = directives
        .iter()
        .filter(|name| OURS.contains(&name.as_str()))
        .map(String::as_str)
        .collect();
    if undoes.is_empty() {
        let problem = format!("{path} adds settings to the unit and is not managed by kcm");
        let help = "remove the drop-in unless its settings are intended";
        return Finding::error(FindingCode::DropIn, master, problem, help).into_warning();
    }
    let problem =
        format!("{path} sets {}, which the unit file of kcm also sets", undoes.join(", "));
    let help = "remove these settings from the drop-in, and set them in the cluster file instead";
    Finding::error(FindingCode::DropIn, master, problem, help)
}

/// Finds a unit file of the same name that takes precedence over the managed one.
fn shadowed(layout: &Layout, observed: &ObservedMaster) -> Option<Finding> {
    let file = observed.found_unit.file.as_ref()?;
    let rank = |path: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        UNIT_FOLDERS.iter().position(|it| *it == folder)
    };
    let (theirs, ours) = (rank(&file.path)?, rank(layout.unit_file.as_str())?);
    (theirs < ours).then(|| {
        let problem = format!(
            "systemd loads {} from {}, so {} has no effect",
            layout.unit, file.path, layout.unit_file
        );
        let help = format!("remove {}, or set `install.paths.unit` to this path", file.path);
        Finding::error(FindingCode::UnitShadowed, &observed.name, problem, help)
    })
}
