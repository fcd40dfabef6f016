//! Model check of every order of events among kcm, the API server and the candidates, with the real
//! decision.
//!
//! A state is the Lease, five processes, the messages of each that have not arrived, and the
//! progress of kcm. A step is one action of one of them, any number of times. The check visits all
//! reachable states; in none may two living processes believe that they lead. Without kcm, this is
//! the guarantee of client-go, which the model assumes: a held Lease is acquired only from a
//! process that has ended.

mod world;

use std::collections::{HashMap, HashSet};

use kcm::kube::handover::{Decision, decide};

use super::*;
use world::{Config, Leased, Moment, Rule, State, Twin, Who};

/// Cache of the decisions on the Leases of the model.
#[derive(Default)]
struct Decider {
    known: HashMap<(Option<Who>, Leased), bool>,
}

impl Decider {
    /// True if kcm frees the Lease, by the full rule or by a weakened one.
    fn frees(&mut self, rule: Rule, before: Option<Who>, now: Leased) -> bool {
        let before = if rule == Rule::AnyHolder { now.holder } else { before };
        *self.known.entry((before, now)).or_insert_with(|| {
            let hostname = match now.holder {
                Some(holder) if rule == Rule::AnyHost => holder.hostname(),
                _ => Who::Stopped.hostname(),
            };
            let process = EndedProcess {
                hostname,
                started: if rule == Rule::AnyStart { DAWN } else { STARTED },
                gone: if rule == Rule::AnyEnd { DUSK } else { GONE },
                ..process()
            };
            let (before, now) = (object(Leased { holder: before, ..now }), object(now));
            match decide(Some(&before), Some(&now), &process) {
                Decision::Free(freed) => {
                    assert_eq!(freed.resource_version(), now.resource_version());
                    true
                }
                _ => false,
            }
        })
    }
}

const DAWN: OffsetDateTime = datetime!(2026-11-22 00:00 UTC);
const DUSK: OffsetDateTime = datetime!(2026-11-23 07:00:10 UTC);

/// Returns a Lease of the model as an object of the API.
fn object(lease: Leased) -> Lease {
    let time = |moment: Moment| match moment {
        Moment::BeforeStart => "2026-11-23T05:00:00.000000Z",
        Moment::Running => "2026-11-23T06:59:59.000000Z",
        Moment::Gone => "2026-11-23T07:00:01.000000Z",
    };
    let holder = lease.holder.map_or(String::new(), |who| format!("{}_{who:?}", who.hostname()));
    let spec = json!({
        "holderIdentity": holder, "leaseDurationSeconds": if lease.holder.is_some() { 15 } else { 1 },
        "leaseTransitions": 0, "acquireTime": time(lease.acquired), "renewTime": time(lease.renewed),
    });
    let metadata = json!({"resourceVersion": "1"});
    Lease::from_object(json!({"kind": "Lease", "metadata": metadata, "spec": spec})).unwrap()
}

/// Visits all states. Returns the number of states, the number of those after a Lease was freed,
/// and a state with two leaders.
fn explore(config: Config) -> (usize, usize, Option<State>) {
    let mut decider = Decider::default();
    let mut seen = HashSet::new();
    let mut open = config.begin();
    let mut freed = 0;
    while let Some(state) = open.pop() {
        if !seen.insert(state) {
            continue;
        }
        if state.leaders() > 1 {
            return (seen.len(), freed, Some(state));
        }
        freed += usize::from(state.was_freed);
        let mut decides = |before, now| decider.frees(config.rule, before, now);
        open.extend(state.steps(config, &mut decides));
    }
    (seen.len(), freed, None)
}

fn holds(config: Config) {
    let (states, freed, bad) = explore(config);
    println!("{config:?}: {states} states, {freed} of them after kcm freed the Lease");
    assert!(bad.is_none(), "{config:?}: {bad:#?}");
    assert!(freed > 100, "kcm never frees anything: {config:?}");
}

fn breaks(config: Config) {
    let (states, _, bad) = explore(config);
    println!("{config:?}: two lead, found after {states} states");
    assert!(bad.is_some(), "{config:?}");
}

const WHOLE: Config = Config { rule: Rule::Whole, twin: Twin::None };

#[test]
fn two_never_lead_because_of_kcm_in_whatever_order_things_happen() {
    holds(WHOLE);
    // A second process of this host that led before the service started, or acquired the Lease
    // after its process ended.
    holds(Config { twin: Twin::Older, ..WHOLE });
    // A second process that acquired the Lease in between, and renewed it before kcm reads it.
    holds(Config { twin: Twin::Prompt, ..WHOLE });
}

#[test]
fn each_part_of_the_rule_is_needed() {
    breaks(Config { rule: Rule::AnyVersion, ..WHOLE });
    breaks(Config { rule: Rule::AnyHolder, ..WHOLE });
    breaks(Config { rule: Rule::AnyHost, ..WHOLE });
    breaks(Config { rule: Rule::StillRunning, ..WHOLE });
    breaks(Config { rule: Rule::AnyStart, twin: Twin::Older });
    breaks(Config { rule: Rule::AnyEnd, twin: Twin::Prompt });
}

/// Checks the documented limitation: kcm's preflight must exclude this case.
#[test]
fn a_second_process_of_this_host_that_just_got_the_lease_must_be_ruled_out_before() {
    breaks(Config { twin: Twin::Any, ..WHOLE });
}
