//! Tests of `kcm logs` on real journals, compared with journalctl.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use kcm_tests::lab::Machine;
use serde_json::Value;

use super::{Ground, UNIT, assert_says, plain, put_script, until, until_said};

/// Adds an entry of the unit to a machine's journal.
fn say(machine: &Machine, message: &str) {
    let entry = format!("MESSAGE={message}\\nOBJECT_SYSTEMD_UNIT={UNIT}\\n");
    machine.output(&["sh", "-c", &format!("printf '{entry}' | logger --journald")]);
}

/// Returns the journal entries of all machines until a moment, sorted by time and then by machine.
fn by_journalctl(ground: &Ground, until: u64) -> Vec<(u64, String, String)> {
    let mut all = Vec::new();
    for (place, machine) in ground.lab.machines().iter().enumerate() {
        let printed = machine.journal_of(&["-u", UNIT, "-o", "json", "--all"]);
        for line in printed.lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let time = entry["__REALTIME_TIMESTAMP"].as_str().unwrap().parse().unwrap();
            let message = match &entry["MESSAGE"] {
                Value::String(message) => message.clone(),
                Value::Array(bytes) => {
                    let bytes =
                        bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap());
                    String::from_utf8(bytes.collect()).unwrap()
                }
                other => panic!("{other}"),
            };
            all.push((time, place, machine.name().to_owned(), message));
        }
    }
    all.retain(|(time, ..)| *time < until);
    all.sort_by_key(|(time, place, ..)| (*time, *place));
    all.into_iter().map(|(time, _, name, message)| (time, name, message)).collect()
}

fn microseconds(time: &Value) -> u64 {
    let format = &time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::parse(time.as_str().unwrap(), format).unwrap();
    u64::try_from(time.unix_timestamp_nanos() / 1000).unwrap()
}

/// Returns the number of processes that read journals on the machines.
fn readers(ground: &Ground) -> usize {
    ground.lab.machines().iter().map(|machine| machine.processes("journalctl").len()).sum()
}

/// Cuts every connection to a machine from the machine's side.
fn cut(machine: &Machine) {
    for process in machine.processes("sshd") {
        let line = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        if line.starts_with("sshd: ") && !line.contains("[listener]") {
            let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
        }
    }
}

#[test]
fn journals_are_merged_followed_and_resumed_and_nobody_reads_on_when_kcm_is_gone() {
    let Some(ground) = Ground::deployed(&plain(3)) else { return };
    let machines = ground.lab.machines();
    for nth in 0..5 {
        for machine in machines {
            say(machine, &format!("entry {nth} \\033[2J of $(id) {}", machine.name()));
        }
    }
    for machine in machines {
        machine.output(&["journalctl", "--sync"]);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_micros()).unwrap();
    let ran = ground.kcm(&["logs", "--since", "1h", "-o", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.map(|it| {
        let text = |of: &str| it[of].as_str().unwrap().to_owned();
        (microseconds(&it["time"]), text("master"), text("message"))
    });
    let merged: Vec<_> = lines.filter(|(time, ..)| *time < now).collect();
    assert!(merged.len() >= 15, "{merged:?}");
    assert_eq!(merged, by_journalctl(&ground, now));

    let ran = ground.kcm(&[
        "logs",
        "--grep",
        "entry [34] .*; *rm|entry 4 ",
        "--master",
        machines[0].name(),
    ]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{ran:?}");
    assert_says(&ran.stdout, &["entry 4 \\u{1b}[2J of $(id)"]);
    let ran = ground.kcm(&["logs", "--grep", "("]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = ground.kcm(&["logs", "--root", "out"]);
    assert_eq!(ran.code, 2, "{ran:?}");

    let kcm = ground.start(&["logs", "--follow", "--since", "1s"]);
    until("all are read", Duration::from_secs(20), || readers(&ground) >= 3);
    sleep(Duration::from_secs(1));
    for machine in machines {
        let line = format!("heard from {}", machine.name());
        say(machine, &line);
        let took = until(&line, Duration::from_secs(2), || kcm.log().contains(&line));
        println!("{line} after {took:?}");
    }
    cut(&machines[1]);
    until_said(&kcm, "reconnecting");
    for nth in 0..20 {
        say(&machines[1], &format!("while away {nth}."));
    }
    until_said(&kcm, "reconnected");
    say(&machines[1], "and on.");
    until_said(&kcm, "and on.");
    let log = kcm.log();
    let mut seen = BTreeMap::<_, usize>::new();
    for line in
        log.lines().filter(|line| line.contains("while away") || line.contains("heard from"))
    {
        *seen.entry(line.to_owned()).or_default() += 1;
    }
    assert!(seen.len() == 23 && seen.values().all(|times| *times == 1), "{log}");
    let id = kcm.id().to_string();
    assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    let took = until("nobody reads on", Duration::from_secs(5), || readers(&ground) == 0);
    println!("the readers ended {took:?} after kcm was killed");

    let mut kcm = ground.start(&["logs", "--follow"]);
    until("all are read", Duration::from_secs(20), || readers(&ground) >= 3);
    assert!(Command::new("kill").args(["-INT", &kcm.id().to_string()]).status().unwrap().success());
    assert_eq!(kcm.wait(Duration::from_secs(10)), Some(0), "{}", kcm.log());
    until("nobody reads on", Duration::from_secs(5), || readers(&ground) == 0);

    machines[2].power_off();
    let ran = ground.kcm(&["logs"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.stderr.matches(machines[2].name()).count(), 1, "{}", ran.stderr);
    let ran = ground.kcm(&["logs", "--master", machines[2].name()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");

    // The script prints 200 MB in entries of 1000 bytes.
    let script = "#!/bin/sh\nm=$(printf %01000d 0)\nfor i in 1 2 3 4 5 6 7 8 9 0; do printf '__CURSOR=c\\n__REALTIME_TIMESTAMP=1\\nMESSAGE=%s\\n\\n' $m; done >/tmp/ten\nfor i in 1 2 3 4 5 6 7 8 9 0; do cat /tmp/ten; done >/tmp/hundred\nfor i in 1 2 3 4 5 6 7 8 9 0; do cat /tmp/hundred; done >/tmp/thousand\nfor i in $(seq 200); do cat /tmp/thousand; done\n";
    put_script(&machines[0], "/usr/local/sbin/journalctl", script);
    put_script(&machines[0], "/usr/sbin/journalctl", script);
    let mut kcm = ground.start(&["logs", "--master", machines[0].name()]);
    let mut peak = 0;
    let status = format!("/proc/{}/status", kcm.id());
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(code) = kcm.wait(Duration::from_millis(20)) {
            break code;
        }
    };
    assert_eq!(code, 0);
    let shown = fs::read_dir(ground.workspace.path())
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len());
    let shown = shown.max().unwrap();
    println!("{shown} bytes shown, at most {peak} KiB in memory");
    assert!(shown > 200_000_000 && peak > 0 && peak < 100 * 1024, "{shown} {peak}");
}
