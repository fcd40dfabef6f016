//! Tests of verbs that change nothing.

use std::time::Duration;

use kcm_tests::hostile::{Kind, Plan};
use serde_json::Value;

use super::checks::{document, metrics};
use super::runs::Run;
use super::{Front, plans, strip, words};

impl Front {
    /// Returns the command lines of a plan.
    fn readings(&self, plan: Plan) -> Vec<Vec<String>> {
        let form = |odd: u64| if (plan.seed + odd).is_multiple_of(3) { "" } else { " -o json" };
        let logs =
            if plan.seed.is_multiple_of(2) { "logs --since 1h" } else { "logs --since 1h -o json" };
        let mut lines = vec![
            words(&format!("status{} --textfile status.prom", form(0))),
            words(&format!("certs check{} --textfile certs.prom", form(1))),
            words(&format!("plan --check{}", form(2))),
            words(logs),
        ];
        if !self.asks_password {
            lines.push(self.adopt(form(1)));
        }
        lines
    }

    fn adopt(&self, form: &str) -> Vec<String> {
        let mut line = words(&format!("adopt -f -{form}"));
        line.push("--ssh-config".to_owned());
        line.push(self.ground.lab.operator().join("ssh_config").display().to_string());
        for machine in self.ground.lab.machines() {
            line.push(format!("--master={}={}", machine.name(), machine.address()));
        }
        line
    }

    /// Runs command lines concurrently: two at a time, or eight with a silent master.
    fn read(&mut self, plan: Plan, lines: &[Vec<String>]) -> Vec<Run> {
        self.follow(Some(plan));
        let workspace = &self.ground.workspace;
        let runs: Vec<Run> = lines
            .chunks(if plan.kind == Kind::Silent { 8 } else { 2 })
            .flat_map(|chunk| {
                std::thread::scope(|scope| {
                    let start = |line: &Vec<String>| {
                        let line = line.clone();
                        scope.spawn(move || Run::new(workspace, Some(plan), &line))
                    };
                    let started: Vec<_> = chunk.iter().map(start).collect();
                    started.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        self.follow(None);
        for run in &runs {
            self.keep(run.clone());
        }
        runs
    }

    /// Returns the reports of `status` and `certs check` on the honest masters, without an attack.
    fn baseline(&mut self) -> [Value; 2] {
        ["status -o json", "certs check -o json"].map(|line| {
            let run = Run::new(&self.ground.workspace, None, &words(line));
            self.keep(run.clone());
            honest(&document(&run).unwrap())
        })
    }

    fn attack(&mut self, plans: &[Plan]) {
        let baseline = self.baseline();
        for plan in plans {
            let lines = self.readings(*plan);
            for run in self.read(*plan, &lines) {
                self.compare(&run, &baseline);
                self.judge_files(&run);
            }
        }
    }

    /// Checks that the entries of the honest masters are complete.
    fn compare(&mut self, run: &Run, [status, certs]: &[Value; 2]) {
        let baseline = match run.verb().as_str() {
            "status" => status,
            "certs check" => certs,
            _ => return,
        };
        let Some(document) = document(run).ok().filter(|_| run.is_json()) else { return };
        let found = honest(&document);
        if found != *baseline {
            let missing = differing(baseline, &found);
            self.blame(run, [format!("the honest masters' entries differ: {missing}")]);
        }
    }

    fn judge_files(&mut self, run: &Run) {
        let at = run.arguments.iter().position(|it| it == "--textfile");
        if let Some(name) = at.and_then(|at| run.arguments.get(at + 1)) {
            let path = self.ground.workspace.file(name);
            // Without an answer, kcm writes no file.
            let text = std::fs::read(path).unwrap_or_default();
            let wrong = match String::from_utf8(text) {
                Ok(text) => metrics(&text),
                Err(_) => Some("metrics are not UTF-8".to_owned()),
            };
            self.blame(run, wrong);
        }
        let is_adopt = run.verb() == "adopt" && !run.is_json() && run.code == Some(0);
        if is_adopt && serde_yaml::from_slice::<serde_yaml::Value>(&run.stdout).is_err() {
            self.blame(run, ["the cluster file is no YAML".to_owned()]);
        }
    }
}

/// Returns the entries of the honest masters in a document, without transient values.
fn honest(document: &Value) -> Value {
    let is_honest = |name: &Value| name == "k8s-master-02" || name == "k8s-master-03";
    let of = |field: &str, name: &str| -> Vec<Value> {
        let all = document[field].as_array().into_iter().flatten();
        all.filter(|it| is_honest(&it[name])).cloned().collect()
    };
    let mut honest = serde_json::json!({
        "masters": of("masters", "name"),
        "certificates": of("certificates", "master"),
    });
    strip(&mut honest);
    honest
}

/// Returns the path of the first leaf that differs.
fn differing(one: &Value, other: &Value) -> String {
    let deeper = match (one, other) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(name, value)| {
            let beside = other.get(name).unwrap_or(&Value::Null);
            (value != beside).then(|| format!("{name}.{}", differing(value, beside)))
        }),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            let mut differ = pairs.filter(|(_, (one, other))| one != other);
            differ.next().map(|(at, (one, other))| format!("{at}.{}", differing(one, other)))
        }
        _ => None,
    };
    let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
    deeper.unwrap_or_else(|| format!("{} became {}", short(one), short(other)))
}

#[test]
fn a_hostile_master_harms_no_report() {
    let Some(mut front) = Front::new() else { return };
    front.attack(&plans(36, 0));
    let slow = Plan { seed: 1, kind: Kind::Slow };
    front.attack(&[slow]);
    front.end();
}

#[test]
fn a_hostile_master_whose_sudo_asks_harms_no_report() {
    let Some(mut front) = Front::asking() else { return };
    front.attack(&plans(26, 100_000));
    front.end();
}

#[test]
fn a_master_that_falls_silent_is_given_up() {
    let Some(mut front) = Front::new() else { return };
    let plan = Plan { seed: 3, kind: Kind::Silent };
    let mut lines = front.readings(plan);
    lines.push(words("apply"));
    for run in front.read(plan, &lines) {
        let most = Duration::from_secs(100);
        if run.took > most {
            front.blame(&run, [format!("it took {:?}", run.took)]);
        }
    }
    front.end();
}
