//! The text of a plan: the steps on each master, with the changed lines.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::{GOOD, NAME, Tense, count, totals};
use crate::cli::report::style::Style;
use crate::kube::LeaderForecast;
use crate::plan::{MasterPlan, Plan, Step};
use crate::util::files::RemotePath;
use crate::util::words::{command, harmless};

/// Writes a plan, for masters or for the folders below `root`.
pub(crate) fn plan(
    out: &mut dyn Write,
    plan: &Plan,
    file: &Path,
    root: Option<&Path>,
) -> io::Result<()> {
    let named = Some(file).filter(|file| *file != Path::new("kcm.yaml"));
    let options = [("-f", named), ("--root", root)].into_iter();
    let options = options.filter_map(|(name, value)| Some([name.into(), value?.to_string_lossy()]));
    let words = ["kcm".into(), "apply".into()].into_iter().chain(options.flatten());
    let words: Vec<_> = words.map(|word: Cow<'_, str>| harmless(&word)).collect();
    let command = command(words.iter().map(String::as_str));
    let advice = format!("Run `{command}` to make these changes.");
    plan_with_advice(out, plan, file, &advice)
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
    if let Some(identity) = &plan.identity {
        let new = if identity.issues() { "a new identity " } else { "" };
        writeln!(out, "{NAME}identity{NAME:#}: {new}{identity}")?;
    }
    if let Some(serving) = plan.serving.as_ref().filter(|it| it.issues()) {
        writeln!(out, "{NAME}serving certificate{NAME:#}: a new certificate {serving}")?;
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
            writeln!(out, "  {step}")?;
            continue;
        };
        let (first, first_diff) =
            shown.entry(path).or_insert_with(|| (master.name.as_str(), diff.as_str()));
        if *first == master.name {
            writeln!(out, "  {step}")?;
            changed_lines(out, diff.lines())?;
        } else {
            let other = lines_beyond(diff, first_diff);
            let but = if other.is_empty() { "" } else { ", except for:" };
            writeln!(out, "  {step}, as on {first}{but}")?;
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
