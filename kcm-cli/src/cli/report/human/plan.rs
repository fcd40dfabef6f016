//! The text of a plan: the steps on each master, with the changed lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::{GOOD, NAME, Tense, count, reasons, totals};
use crate::cli::report::style::Style;
use crate::kube::LeaderForecast;
use crate::pki::identity::{Decision, Held};
use crate::plan::{MasterPlan, Plan, Step};
use crate::transport::PathState;
use crate::util::files::RemotePath;

/// Writes a plan.
pub(crate) fn plan(out: &mut dyn Write, plan: &Plan, file: &Path) -> io::Result<()> {
    plan_with_advice(out, plan, file, "Run `kcm apply` to make these changes.")
}

/// Writes a plan that ends with `advice`, if it has steps.
pub(crate) fn plan_with_advice(
    out: &mut dyn Write,
    plan: &Plan,
    file: &Path,
    advice: &str,
) -> io::Result<()> {
    if plan.is_empty() {
        let masters = count(plan.masters.len(), "master");
        return writeln!(
            out,
            "{GOOD}Nothing to do{GOOD:#}: {masters} as specified in {}.",
            file.display()
        );
    }
    if plan.creates_ca {
        writeln!(out, "{NAME}CA{NAME:#}: a root CA will be created")?;
    }
    match &plan.identity {
        None => {}
        Some(Decision::Issue { why }) => {
            writeln!(
                out,
                "{NAME}identity{NAME:#}: a new identity will be issued: {}",
                reasons(why)
            )?;
        }
        Some(Decision::Keep { fingerprint, held }) => {
            let place = match held {
                Held::ByOperator => "on this machine",
                Held::ByMasters => "on the masters; the private key is not fetched",
            };
            writeln!(out, "{NAME}identity{NAME:#}: {fingerprint} is kept, stored {place}")?;
        }
    }
    if let Some(Decision::Issue { why }) = &plan.serving {
        writeln!(
            out,
            "{NAME}serving certificate{NAME:#}: a new certificate will be issued: {}",
            reasons(why)
        )?;
    }
    let mut shown = BTreeMap::new();
    for master in &plan.masters {
        master_plan(out, master, &mut shown)?;
    }
    if let Some(forecast) = &plan.leader_changes {
        writeln!(out)?;
        writeln!(out, "{NAME}leader{NAME:#}: {}", self::forecast(forecast))?;
    }
    let changed = plan.masters.iter().filter(|master| !master.steps.is_empty()).count();
    let steps: Vec<_> = plan.masters.iter().flat_map(|master| &master.steps).collect();
    writeln!(out)?;
    writeln!(
        out,
        "{NAME}{} to change{NAME:#}: {}. {advice}",
        count(changed, "master"),
        totals(&steps, Tense::ToDo)
    )
}

fn forecast(forecast: &LeaderForecast) -> String {
    match (forecast.at_most, &forecast.leader) {
        (0, Some(leader)) => format!("{leader} is not restarted; leadership does not change"),
        (_, Some(leader)) => {
            format!("{leader} is restarted last, with a handover; leadership changes once")
        }
        (_, None) => "leadership changes at most once; cannot determine which master is the leader"
            .to_owned(),
    }
}

/// Writes the steps of one master. A change equal to that of an earlier master is shown once.
fn master_plan<'p>(
    out: &mut dyn Write,
    master: &'p MasterPlan,
    shown: &mut BTreeMap<&'p RemotePath, (&'p str, &'p str)>,
) -> io::Result<()> {
    writeln!(out)?;
    if master.steps.is_empty() {
        return writeln!(out, "{NAME}{}{NAME:#}: nothing to do", master.name);
    }
    writeln!(out, "{NAME}{}{NAME:#}", master.name)?;
    for step in &master.steps {
        let Step::Write { diff, path, .. } = step else {
            writeln!(out, "  {}", describe(step))?;
            continue;
        };
        let (first, first_diff) =
            shown.entry(path).or_insert_with(|| (master.name.as_str(), diff.as_str()));
        if *first == master.name {
            writeln!(out, "  {}", describe(step))?;
            changed_lines(out, diff.lines())?;
        } else {
            let other = lines_beyond(diff, first_diff);
            let but = if other.is_empty() { "" } else { ", except for:" };
            writeln!(out, "  {}, as on {first}{but}", describe(step))?;
            changed_lines(out, other)?;
        }
    }
    Ok(())
}

/// Returns the lines of a change that another change lacks.
fn lines_beyond<'d>(diff: &'d str, other: &str) -> Vec<&'d str> {
    let known: BTreeSet<_> = other.lines().collect();
    diff.lines().filter(|line| !known.contains(line)).collect()
}

fn changed_lines<'d>(
    out: &mut dyn Write,
    diff: impl IntoIterator<Item = &'d str>,
) -> io::Result<()> {
    for line in diff.into_iter().filter(|line| !line.starts_with("\\ No newline")) {
        let style = match line.chars().next() {
            Some('+') => GOOD,
            Some('-') => Style::Gone,
            Some('@') => continue,
            _ => Style::Plain,
        };
        writeln!(out, "      {style}{line}{style:#}")?;
    }
    Ok(())
}

fn describe(step: &Step) -> String {
    match step {
        Step::Write { path, mode, owner, before: PathState::Absent, .. } => {
            format!("create {path}  {mode} {owner}")
        }
        Step::Write { path, mode, owner, .. } => format!("replace {path}  {mode} {owner}"),
        Step::SetAttributes { path, mode, owner, before, .. } => {
            let before = match before {
                PathState::File { mode, owner, .. } => format!("{mode} {owner}"),
                other => other.describe(),
            };
            let owner = owner.map_or_else(String::new, |owner| format!(" {owner}"));
            format!("set {path}  {before} -> {mode}{owner}")
        }
        Step::RemoveLeftover { path } => format!("remove {path}, left by an interrupted run"),
        Step::Reload => "reload the systemd units".to_owned(),
        Step::Enable => "enable kube-controller-manager.service".to_owned(),
        Step::Restore { path, mode, owner, .. } => {
            format!("restore {path}  {mode} {owner}")
        }
        Step::Remove { path, .. } => format!("remove {path}"),
        Step::Disable => "disable kube-controller-manager.service".to_owned(),
        Step::Stop => "stop kube-controller-manager.service".to_owned(),
        Step::Restart => "start kube-controller-manager.service".to_owned(),
        Step::Forget => "remove kcm's notes and kept generations".to_owned(),
        Step::Verify => {
            "verify that kube-controller-manager is healthy, without a restart".to_owned()
        }
    }
}
