//! Checks that only a master can answer, in one exchange with each master that has planned steps.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use time::{Duration, OffsetDateTime};

use super::files::not_readable;
use super::masters::fault;
use super::{Examination, Sink, Subject, program};
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::desired::DesiredMaster;
use crate::finding::{Finding, FindingCode};
use crate::kube::ClockOffset;
use crate::observed::ObservedMaster;
use crate::plan::Step;
use crate::transport::{
    Activity, Batch, Examine, Examined, Observation, Operation, PathState, Readable, Reply,
};
use crate::util::files::{Owner, RemotePath};
use crate::util::tasks::at_once;

/// Clock offset from which kcm warns: Leases and logs depend on comparable clocks.
const NOTABLE: Duration = Duration::seconds(10);
/// Clock offset from which kcm refuses. New certificates are valid from five minutes before their
/// issue: a clock that is further behind rejects them.
const INTOLERABLE: Duration = Duration::minutes(4);
pub(super) async fn ask(run: Run<'_>, subject: Subject<'_>, found: &mut Sink) -> Vec<Examination> {
    let mut examinations = vec![Examination::default(); subject.plan.masters.len()];
    let masters = run.fleet.masters().enumerate();
    let asked = masters.filter_map(|(place, (_, transport))| {
        let (desired, observed) = to_ask(subject, place)?;
        let planned = subject.plan.masters.get(place).map_or(&[][..], |planned| &planned.steps);
        let question = question(subject.layout, desired, observed, planned);
        Some((place, desired, transport, Batch::new(vec![Operation::Examine(question)])))
    });
    let asked: Vec<_> = asked.collect();
    let answers = at_once(asked.iter().map(async |(_, _, transport, batch)| {
        let begun = OffsetDateTime::now_utc();
        let replies = transport.call(batch).await;
        (begun, OffsetDateTime::now_utc(), replies)
    }));
    for ((place, desired, ..), answer) in asked.iter().zip(answers.await) {
        let place = *place;
        let (begun, ended, replies) = match answer {
            Ok(answer) => answer,
            Err(panicked) => {
                found.push(not_examined(&desired.name, &panicked.to_string()));
                continue;
            }
        };
        let examined = match replies {
            Ok(replies) => match (replies.failed, replies.done.into_iter().next()) {
                (None, Some(Reply::Examined(examined))) => examined,
                (failed, _) => {
                    let why = failed.map_or_else(
                        || "the transport returned an unexpected reply".to_owned(),
                        |failed| failed.error.to_string(),
                    );
                    found.push(not_examined(&desired.name, &why));
                    continue;
                }
            },
            Err(error) => {
                found.push(not_examined(&desired.name, &error.to_string()));
                continue;
            }
        };
        if let Some(examination) = examinations.get_mut(place) {
            examination.clock = examined
                .clock
                .map(|read| ClockOffset::between(read, begun, ended, std::time::Duration::ZERO));
            if let Some(Observation::Known(facts)) = &examined.program {
                examination.version = program::version(&facts.version);
            }
        }
        found.extend(clock(&desired.name, examined.clock, begun, ended));
        evaluate(subject, desired, &examined, found);
    }
    examinations
}

/// Returns a master that is a running machine and has planned steps.
fn to_ask(subject: Subject<'_>, place: usize) -> Option<(&DesiredMaster, &ObservedMaster)> {
    let planned = subject.plan.masters.get(place)?;
    let observed = subject.observed.masters.get(place)?;
    let runs = observed.probe.unit.activity != Activity::Offline;
    let is_to_ask = runs && !planned.steps.is_empty();
    is_to_ask.then_some((subject.desired.masters.get(place)?, observed))
}

fn question(
    layout: &Layout,
    desired: &DesiredMaster,
    observed: &ObservedMaster,
    steps: &[Step],
) -> Examine {
    // Files that the plan writes get an owner and a mode with which the service can read them.
    let brings = |path: &RemotePath| {
        steps.iter().any(|step| match step {
            Step::Write { path: touched, .. } | Step::SetAttributes { path: touched, .. } => {
                touched == path
            }
            _ => false,
        })
    };
    let is_there = matches!(
        observed.files.binary.state,
        PathState::File { .. } | PathState::Unread { .. } | PathState::Link { .. }
    );
    let program = (!brings(&layout.executable) && is_there).then(|| layout.executable.clone());
    // Missing and unusable files among the observed ones are reported elsewhere.
    let is_missing = |role: &&Role| fault(**role, &observed.files.of(**role).state).is_some();
    let missing = desired.reads.iter().filter(is_missing);
    let absent = observed.others.iter().filter(|(_, state)| *state == PathState::Absent);
    let missing = missing.map(|role| layout.path(*role)).chain(absent.map(|(path, _)| path));
    let missing: Vec<_> = missing.collect();
    let mut artifacts = desired.artifacts.iter();
    let combined = artifacts.find(|artifact| artifact.role == Role::Combined);
    let named = desired.service.files.iter().chain(combined.map(|combined| &combined.path));
    let named = named.filter(|path| !brings(path) && !missing.contains(path));
    let paths: BTreeSet<_> = named.cloned().collect();
    Examine {
        unit: layout.unit.clone(),
        program,
        port: desired.service.serving.map(|at| at.port()),
        readable: Some(Readable {
            by: desired.service.account.unwrap_or(Owner::ROOT),
            privileged: desired.service.account.is_none(),
            paths: paths.into_iter().collect(),
        }),
    }
}

fn evaluate(subject: Subject<'_>, desired: &DesiredMaster, examined: &Examined, found: &mut Sink) {
    let (name, program) = (&desired.name, &subject.layout.executable);
    if let Some(said) = &examined.program {
        found.extend(program::evaluate(name, program, said, &desired.service.flags));
    }
    if let (Observation::Known(listeners), Some(serving)) =
        (&examined.strangers, desired.service.serving)
    {
        let in_the_way = listeners.iter().filter(|listener| meet(listener.address, serving));
        found.extend(in_the_way.map(|listener| {
            let who = listener.process.map_or_else(String::new, |it| format!(" (process {it})"));
            let problem = format!("another process listens on {}{who}", listener.address);
            let help = "stop that process, or set another bind address or --secure-port for kube-controller-manager";
            Finding::error(FindingCode::PortTaken, name, problem, help)
        }));
    }
    if let Observation::Known(paths) = &examined.unreadable {
        let by = desired.service.runs_as();
        let paths: Vec<_> =
            paths.iter().filter(|path| !is_reported(found, name, path, &by)).collect();
        found.extend(paths.into_iter().map(|path| unreadable(subject, desired, path)));
    }
}

/// Reports whether a file was already reported because of mode and owner.
fn is_reported(found: &[Finding], master: &str, path: &RemotePath, by: &str) -> bool {
    let problem = not_readable(path, by);
    found.iter().any(|it| {
        it.code == FindingCode::FileUnreadable
            && it.master.as_deref() == Some(master)
            && it.problem == problem
    })
}

fn unreadable(subject: Subject<'_>, desired: &DesiredMaster, path: &RemotePath) -> Finding {
    let by = desired.service.runs_as();
    let is_ca =
        [Role::CaCertificate, Role::CaKey].iter().any(|role| subject.layout.path(*role) == path);
    // Only for the files of the CA is it known that they exist.
    let (problem, help) = if is_ca {
        (
            not_readable(path, &by),
            "change owner, group or mode so that this account can read the file and search every directory above",
        )
    } else {
        (
            format!("{path} is missing or not readable by {by}, the account of the service"),
            "create the file and permit this account to read the file (owner and mode of the file and of every directory above)",
        )
    };
    Finding::error(FindingCode::FileUnreadable, &desired.name, problem, help)
}

/// Reports whether two listening sockets conflict.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified();
    one.port() == other.port() && (covers(one.ip(), other.ip()) || covers(other.ip(), one.ip()))
}

/// Returns a finding if a clock read between `begun` and `ended` is off by [`NOTABLE`] or more.
pub(crate) fn clock(
    master: &str,
    read: Option<OffsetDateTime>,
    begun: OffsetDateTime,
    ended: OffsetDateTime,
) -> Option<Finding> {
    let read = read?;
    let off = if read < begun {
        begun - read
    } else if read > ended {
        read - ended
    } else {
        return None;
    };
    if off < NOTABLE {
        return None;
    }
    let way = if read < begun { "behind" } else { "ahead of" };
    let problem = format!("the clock is {} s {way} the clock of this machine", off.whole_seconds());
    let help =
        "correct the wrong clock and enable NTP (run `timedatectl` to check the synchronization)";
    let finding = Finding::error(FindingCode::ClockOff, master, problem, help);
    Some(if off < INTOLERABLE { finding.into_warning() } else { finding })
}

fn not_examined(master: &str, why: &str) -> Finding {
    let why = why.strip_prefix(&format!("{master}: ")).unwrap_or(why);
    let help = "fix the cause, or exclude this master with --skip";
    Finding::error(FindingCode::ChecksIncomplete, master, why, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_finding_on_the_whole_path_counts_as_reported() {
        let path = |text: &str| RemotePath::new(text).unwrap();
        let problem = not_readable(&path("/etc/pki/ca key.pem"), "kube");
        let found = [Finding::error(FindingCode::FileUnreadable, "m1", problem, "")];
        for (master, file, expected) in [
            ("m1", "/etc/pki/ca key.pem", true),
            ("m1", "/etc/pki/ca", false),
            ("m1", "/etc/pki", false),
            ("m2", "/etc/pki/ca key.pem", false),
        ] {
            assert_eq!(is_reported(&found, master, &path(file), "kube"), expected, "{file}");
        }
    }

    #[test]
    fn sockets_meet_on_one_address_or_where_one_takes_all() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (one, other, expected) in [
            ("10.0.0.1:10257", "10.0.0.1:10257", true),
            ("10.0.0.1:10257", "10.0.0.2:10257", false),
            ("0.0.0.0:10257", "10.0.0.2:10257", true),
            ("10.0.0.1:10257", "[::]:10257", true),
            ("10.0.0.1:10259", "[::]:10257", false),
        ] {
            assert_eq!(meet(at(one), at(other)), expected, "{one} {other}");
        }
    }
}
