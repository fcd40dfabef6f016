//! Tests of the top-level modules of `kcm-cli/src`: the list is complete, and each module uses only
//! lower ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, the lowest first.
const ORDER: [&str; 18] = [
    "util",
    "finding",
    "cluster",
    "transport",
    "pki",
    "artifact",
    "kube",
    "event",
    "fleet",
    "context",
    "observed",
    "desired",
    "plan",
    "preflight",
    "error",
    "rollout",
    "ops",
    "cli",
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kcm-cli/src")
}

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == room)
}

/// Returns every Rust file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the first segment of every path that begins with `crate::`, including those in braces. A
/// comment may refer to any module.
fn used(source: &str) -> BTreeSet<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            used.insert(word(rest));
            continue;
        };
        used.insert(word(list));
        let mut depth = 0;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    used.insert(word(&list[at + 1..]));
                }
                _ => {}
            }
        }
    }
    used
}

#[test]
fn every_entry_of_the_sources_is_a_room_of_the_order() {
    let entries = fs::read_dir(sources())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    let mut rooms: Vec<_> = ORDER.iter().chain(&["lib", "main"]).map(ToString::to_string).collect();
    rooms.sort();
    assert_eq!(entries, rooms);
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let mut found = Vec::new();
    files(&sources(), &mut found);
    let mut upward = Vec::new();
    for file in &found {
        let within = file.strip_prefix(sources()).unwrap();
        let room = within.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(own) = rank(room) else { continue };
        for other in used(&fs::read_to_string(file).unwrap()) {
            if rank(&other).is_some_and(|other| other > own) {
                upward.push(format!("{} uses {other}", within.display()));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn paths_in_braces_are_seen() {
    let seen =
        used("use crate::{plan::{A, B}, view};\nlet x = crate::ops::apply;\nuse crate::util;");
    assert_eq!(seen, ["ops", "plan", "util", "view"].map(str::to_owned).into());
}
