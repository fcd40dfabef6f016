//! Tests of an attacker who controls one master. kcm must not panic, print invalid documents or
//! forged lines, or control the operator's terminal. The attacker must not hide the reports of
//! other masters, or cause unbounded use of memory or time.
//!
//! The login shell of the first of three masters changes its answers (`kcm_tests::hostile`). A
//! failure names the plan to repeat: `KCM_HOSTILE_PLAN="77 Coded" cargo test -p kcm-tests hostile`.
//! `KCM_HOSTILE_ROUNDS=1000` runs more plans, beginning with `KCM_HOSTILE_SEED`.

mod changing;
mod checks;
mod reading;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use kcm_tests::hostile::{Kind, MARK, PLAN, Plan};
use kcm_tests::lab::{SUDO_PASSWORD, Variant};
use kcm_tests::{lab, peers};
use serde_json::Value;

use crate::lab::faults::{Ground, UNIT, plain};
use runs::Run;

const SHELL: &str = "/usr/local/bin/hostile-shell";

/// Three masters of which the first is hostile.
struct Front {
    ground: Ground,
    runs: Vec<Run>,
    faults: Vec<String>,
    asks_password: bool,
}

impl Front {
    fn new() -> Option<Self> {
        Some(Self::of(Ground::deployed(&plain(3))?, false))
    }

    /// Starts the masters with a hostile one whose `sudo` asks for a password.
    fn asking() -> Option<Self> {
        let [first, second, third] = [lab::Sudo::Password, lab::Sudo::Free, lab::Sudo::Free]
            .map(|sudo| Variant::new().sudo(sudo));
        let ground = Ground::new(&[first, second, third])?;
        ground.workspace.write("secret", SUDO_PASSWORD);
        let front = Self::of(ground, true);
        front.write("");
        front.ground.apply(&[]);
        Some(front)
    }

    fn of(ground: Ground, asks_password: bool) -> Self {
        let machine = ground.lab.machine(0);
        let own = std::env::current_exe().unwrap();
        let built = own.parent().and_then(|it| it.parent()).unwrap().join("hostile-shell");
        peers::run(std::process::Command::new("cp").arg(built).arg(machine.file(SHELL)));
        machine.output(&["usermod", "--shell", SHELL, "kube"]);
        let admin = ground.plane.authority().client("kubernetes-admin", &["system:masters"]);
        ground.workspace.write("admin.kubeconfig", ground.plane.kubeconfig(&admin));
        Self { ground, runs: Vec::new(), faults: Vec::new(), asks_password }
    }

    /// Writes the cluster file, with further sections.
    fn write(&self, sections: &str) {
        self.ground.write(sections);
        if self.asks_password {
            let address = self.ground.lab.machine(0).address();
            let asks = format!(
                "address: {address}, ssh: {{sudo: password, sudoPassword: {{file: secret}}}}}}"
            );
            self.ground.workspace.edit(&format!("address: {address}}}"), &asks);
        }
    }

    /// Makes the first master hostile, or honest again.
    fn follow(&self, plan: Option<Plan>) {
        let file = self.ground.lab.machine(0).file(PLAN);
        match plan {
            Some(plan) => {
                let next = file.with_extension("next");
                fs::write(&next, plan.to_string()).unwrap();
                fs::rename(next, file).unwrap();
            }
            None => {
                let _ = fs::remove_file(file);
            }
        }
    }

    /// Records a run and its faults.
    fn keep(&mut self, run: Run) {
        let found = checks::faults(&run);
        self.blame(&run, found);
        self.runs.push(run);
    }

    fn blame(&mut self, run: &Run, found: impl IntoIterator<Item = String>) {
        for fault in found {
            let fault = format!("{}: {fault}", run.name());
            println!("FAULT {fault}");
            self.faults.push(fault);
        }
    }

    /// Checks that the other two masters are healthy.
    fn honest_ones_serve(&mut self, run: &Run) {
        for place in [1, 2] {
            let machine = self.ground.lab.machine(place);
            let start = std::time::Instant::now();
            while !machine.serves() && start.elapsed() < Duration::from_secs(25) {
                std::thread::sleep(Duration::from_millis(50));
            }
            if !machine.serves() {
                let state = machine.run(&["systemctl", "is-active", UNIT]).stdout;
                self.blame(run, [format!("{} is {}", machine.name(), state.trim())]);
            }
        }
    }

    /// Prints a summary of the runs, and fails if there was a fault.
    fn end(self) {
        let mut counts: BTreeMap<(String, Option<Kind>), usize> = BTreeMap::new();
        for run in &self.runs {
            *counts.entry((run.verb(), run.plan.map(|plan| plan.kind))).or_default() += 1;
        }
        for ((verb, kind), count) in counts {
            println!("{verb}, {kind:?}: {count}");
        }
        let peak = self.runs.iter().map(|run| run.peak).max().unwrap_or_default();
        let slowest = self.runs.iter().max_by_key(|run| run.took);
        let late = self.runs.iter().filter(|run| run.took > Duration::from_secs(10)).count();
        let slowest = slowest.map(|run| format!("{} took {:?}", run.name(), run.took));
        let marked = self.runs.iter().filter(|run| has_mark(&run.stdout) || has_mark(&run.stderr));
        let marked = marked.count();
        println!("{marked} runs show hostile words");
        // Without a hostile word in a report, the test would prove nothing.
        assert!(marked > 0 || self.runs.len() < 50, "no hostile word came as far as a report");
        println!(
            "{} runs, at most {} MB, {late} over 10 s; {slowest:?}",
            self.runs.len(),
            peak >> 10
        );
        assert!(
            self.faults.is_empty(),
            "{} faults:\n{}",
            self.faults.len(),
            self.faults.join("\n")
        );
    }
}

/// Returns `rounds` plans, unless the environment says otherwise.
fn plans(rounds: u64, first: u64) -> Vec<Plan> {
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(plan) = variable("KCM_HOSTILE_PLAN") {
        return vec![plan.parse().unwrap()];
    }
    let number = |name: &str| variable(name).map(|it| it.parse::<u64>().unwrap());
    let rounds = number("KCM_HOSTILE_ROUNDS").unwrap_or(rounds);
    let first = number("KCM_HOSTILE_SEED").unwrap_or_default() + first;
    let kind = |seed: u64| {
        let kinds = Kind::QUICK.len() as u64;
        // The kinds that reach furthest occur twice as often.
        let place = usize::try_from(seed % (kinds + 3)).unwrap();
        *Kind::QUICK.get(place).unwrap_or(&[Kind::Coded, Kind::Failure, Kind::Plain][place % 3])
    };
    (first..first + rounds).map(|seed| Plan { seed, kind: kind(seed) }).collect()
}

fn has_mark(text: &[u8]) -> bool {
    text.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Removes the values of one moment or one process.
fn strip(value: &mut Value) {
    const PASSING: [&str; 8] = [
        "at",
        "leads",
        "ageMilliseconds",
        "transitions",
        "clockOffsetMilliseconds",
        "secondsLeft",
        "took",
        "renewed",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PASSING.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(all) => all.iter_mut().for_each(strip),
        _ => {}
    }
}
