use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::*;
use crate::transport::{
    Account, Commit, Exec, FindUnit, NoteProgram, Read, Readable, Settle, Stage, Unstage, View,
};

/// A time on 2026-11-23; `X` is base64 of `x`.
const CLOCK: &str = "1795413600.123456789";
const X: &str = "eA==";

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

fn unit() -> kcm_systemd::UnitName {
    "kube-controller-manager.service".parse().unwrap()
}

fn probe() -> (Operation, String) {
    let paths = ["/a/1", "/a/2", "/b/3", "/b/4", "/b/5", "/b/6"].map(path).to_vec();
    let operation = Operation::Probe(Probe {
        paths,
        accounts: vec![Account { user: "kcm".to_owned(), group: None }; 2],
        ..Probe::new(unit(), path("/a/1"), path("/a/2"))
    });
    let digest = "0".repeat(64);
    let answer = format!(
        "host 1 m1\npath file {digest} 644 0 0 100 {CLOCK}\npath unread 600 1 2 3 {CLOCK}\n\
         path absent \npath folder 755 0 0 \npath link {X} \npath other \n\
         room 4096 none\nroom 0 readOnly\nleftover 1\nleftover 0\n\
         unit Enablement=enabled\nunit ActiveState=active\nunit SubState=running\n\
         unit InvocationID=abc\nunit MainPID=77\nunit NRestarts=3\nunit Result=success\n\
         unit NeedDaemonReload=no\nunit ActiveEnterTimestamp=Mon 2026-11-23 06:00:00.000001 UTC\n\
         unit Since=1795413600000000\nunit end\nprocesses known 77 78\naccount 64535 64535\naccount none\ndone\n"
    );
    (operation, answer)
}

/// Returns every kind of operation, with a valid answer.
fn all() -> Vec<(Operation, String)> {
    let socket = "0B00007F:2811/0B00007F:192B/77";
    let deadline = Duration::from_secs(1);
    let settle = Settle {
        unit: unit(),
        period: deadline,
        listens: deadline,
        connections: true,
        invocation: None,
    };
    let readable = Readable { by: Owner::ROOT, privileged: true, paths: vec![path("/a/1")] };
    let examine = Examine {
        unit: unit(),
        program: Some(path("/a/2")),
        port: Some(10257),
        readable: Some(readable),
    };
    let note = NoteProgram { program: path("/a/2"), note: path("/a/n"), digest: true };
    let stop = UnitAction::Stop { unit: unit(), back_after: deadline };
    let read = |view| Operation::Read(Read { path: path("/a/1"), view });
    let target = path("/a/1");
    let unstage = Unstage { targets: vec![target], folders: Vec::new() };
    let mut all = vec![
        probe(),
        (read(View::Whole), format!("content {X}\ndone\n")),
        (read(View::Certificates), "content -\ndone\n".to_owned()),
        (
            Operation::FindUnit(FindUnit { unit: unit() }),
            format!(
                "unitFiles file {X} - ={X}\nunitFiles dropIn {X} {X} -\n\
                 unitFiles environment yes {X} absent\nunitFiles environment no {X} ={X}\nunitFiles end\ndone\n"
            ),
        ),
        (
            Operation::Examine(examine),
            format!(
                "clock {CLOCK}\nprogram known {X} {X}\nstrangers known 0B00007F:2811/77\nunreadable known L3g=\ndone\n"
            ),
        ),
        (
            Operation::Inspect(Inspect { unit: unit(), program: Some(path("/a/2")) }),
            format!("clock {CLOCK}\nversion known {X}\nprocess 77 {X} known 0B00007F:2811\ndone\n"),
        ),
        (Operation::Stage(Stage::default()), "made /a\nmade\ndone\n".to_owned()),
        (Operation::Unstage(unstage), "done\n".to_owned()),
        (Operation::Commit(Commit::default()), "done\n".to_owned()),
        (Operation::Unit(stop), format!("gone {CLOCK}\ndone\n")),
        (
            Operation::Settle(settle),
            format!("settled abc 77 known 0B00007F:2811\nconnected known {socket}\ndone\n"),
        ),
        (Operation::NoteProgram(note), "done\n".to_owned()),
        (
            Operation::Exec(Exec { argv: vec!["true".to_owned()], stdin: Zeroizing::default() }),
            format!("exit 0\nout {X}\nerr {X}\ndone\n"),
        ),
    ];
    let digest = "0".repeat(64);
    for refusal in [
        format!("failed - {X} {X}\n"),
        format!("failed corrupt L3g= {X}\n"),
        format!("changed L2E= file {digest} 644 0 0\n"),
        format!("unitChanged {X} {X} enabled\n"),
    ] {
        all.push((Operation::Commit(Commit::default()), refusal));
    }
    all
}

fn read(operation: &Operation, answer: &str) -> Result<Replies, Garbled> {
    replies(&Batch::new(vec![operation.clone()]), answer)
}

/// A small pseudorandom generator with a fixed seed (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }
}

/// Numbers and words that no master should print.
const ODD: [&str; 20] = [
    "-1",
    "0",
    "",
    "-",
    "+1",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "340282366920938463463374607431768211456",
    "253402300799.9223372036854775807",
    "253402300799.999999999",
    "-377705116800.000000000",
    "1795413600.-00000001",
    "1.5e300",
    "NaN",
    "4294967296",
    "77777777777",
    "=",
    "\u{202e}\u{1F600}\u{0}",
    "Mon 9999-12-31 23:59:59.999999 UTC",
];

fn mutated(answer: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    let at = dice.below(lines.len());
    match dice.below(8) {
        0 => {
            let other = dice.below(lines.len());
            lines.swap(at, other);
        }
        1 => drop(lines.remove(at)),
        2 => lines.insert(at, lines[at].clone()),
        3 => lines.truncate(at),
        4 => {
            let keep = dice.below(lines[at].len());
            let keep = (0..=keep).rev().find(|end| lines[at].is_char_boundary(*end));
            lines[at].truncate(keep.unwrap_or_default());
        }
        5 => {
            let garbage: Vec<u8> =
                (0..40).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
            lines[at].push_str(&String::from_utf8_lossy(&garbage));
        }
        _ => {
            let mut words: Vec<String> =
                lines[at].split([' ', '=', '/', ':']).map(str::to_owned).collect();
            let word = dice.below(words.len());
            let separators: Vec<char> =
                lines[at].chars().filter(|c| [' ', '=', '/', ':'].contains(c)).collect();
            ODD[dice.below(ODD.len())].clone_into(&mut words[word]);
            lines[at] = words.iter().enumerate().fold(String::new(), |mut line, (place, word)| {
                line.push_str(word);
                line.extend(separators.get(place));
                line
            });
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_mutated_answer_is_a_value_or_an_error_and_never_a_panic() {
    for (operation, answer) in all() {
        let is_refusal =
            ["failed", "changed", "unitChanged"].iter().any(|it| answer.starts_with(it));
        let valid =
            read(&operation, &answer).unwrap_or_else(|garbled| panic!("{answer}: {garbled}"));
        assert_eq!(valid.failed.is_some(), is_refusal, "{answer}: {:?}", valid.failed);
    }
    mutate(&mut Dice(7), 400);
}

#[test]
#[ignore = "half an hour of mutations"]
fn half_an_hour_of_mutated_answers_makes_no_panic() {
    let begun = std::time::Instant::now();
    let mut seed = 0;
    while begun.elapsed() < std::time::Duration::from_secs(1800) {
        seed += 1;
        mutate(&mut Dice(seed), 2_000);
    }
    assert!(seed > 10, "{seed} rounds are too few to say anything");
}

/// Parses each answer in `times` mutated forms, and computes with the result.
fn mutate(dice: &mut Dice, times: usize) {
    for (operation, answer) in all() {
        for _ in 0..times {
            let mut odd = mutated(&answer, dice);
            while dice.below(3) == 0 {
                odd = mutated(&odd, dice);
            }
            let read = || {
                let replies = read(&operation, &odd);
                // Formatting and arithmetic must not overflow either.
                let said = format!("{replies:?}");
                let done = replies.map(|replies| replies.done).unwrap_or_default();
                done.iter().for_each(compute);
                said
            };
            let ended = catch_unwind(AssertUnwindSafe(read));
            assert!(ended.is_ok(), "{}: {odd}", operation.name());
        }
    }
}

/// Repeats the arithmetic that commands do with a master's answer.
fn compute(reply: &Reply) {
    let now = time::macros::datetime!(2026-11-23 06:00 UTC);
    let times = match reply {
        Reply::Probe(probe) => {
            let active = match &probe.unit.activity {
                Activity::Active { since, .. } => Some(*since),
                _ => None,
            };
            serde_json::to_string(probe).unwrap();
            probe.paths.iter().filter_map(PathState::changed).chain(active).collect()
        }
        Reply::Stopped { gone } => vec![*gone],
        Reply::Examined(examined) => examined.clock.into_iter().collect(),
        Reply::Inspected(inspected) => vec![inspected.clock],
        _ => Vec::new(),
    };
    for time in times {
        let far = time::Duration::days(366 * 900);
        let _ = (now - time, time - now, time + far, now + (time - now));
    }
}

#[test]
fn a_time_that_no_clock_shows_is_named_in_the_error() {
    let inspect = Operation::Inspect(Inspect { unit: unit(), program: None });
    for clock in [
        "253402300799.9223372036854775807",
        "253402300799.999999999",
        "9223372036854775807.000000000",
        "-1.000000000",
        "1795413600.1234567890",
        "1795413600.12345678",
        "1795413600.+23456789",
        "yesterday",
    ] {
        let answer = format!("clock {clock}\nprocess -\ndone\n");
        let said = read(&inspect, &answer).unwrap_err().to_string();
        assert_eq!(
            said,
            format!("unexpected output of the shell on the master: \"{clock}\", expected a time")
        );
    }
    let read = read(&inspect, &format!("clock {CLOCK}\nprocess -\ndone\n")).unwrap();
    let [Reply::Inspected(inspected)] = &read.done[..] else { panic!("{read:?}") };
    assert_eq!(inspected.clock, time::macros::datetime!(2026-11-23 06:00:00.123456789 UTC));
}
