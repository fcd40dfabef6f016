//! The human-readable report of `kcm rotate`.

use std::io::{self, Write};

use super::human::NAME;
use super::status::findings;
use super::table::table;
use crate::ops::rotate::{Stage, TokenKeyRotation};

/// Number of characters of a key id that are shown. The ids are digests.
const SHOWN: usize = 12;

pub(super) fn rotation(out: &mut dyn Write, rotation: &TokenKeyRotation) -> io::Result<()> {
    writeln!(out, "{NAME}service account key{NAME:#}")?;
    let (stage, next) = words(rotation);
    writeln!(out, "  stage  {stage}")?;
    if let Some(key) = &rotation.key {
        writeln!(out, "  key    {key}")?;
    }
    for key in &rotation.former_keys {
        writeln!(out, "  former {key}")?;
    }
    let masters = rotation.masters.iter().map(|master| {
        let key =
            master.signs_with.as_deref().map_or("unknown key".to_owned(), |it| key(rotation, it));
        match &master.file {
            Some(file) => [master.name.clone(), key, file.clone()],
            None => [master.name.clone(), "not deployed".to_owned(), String::new()],
        }
    });
    let masters: Vec<_> = masters.collect();
    if !masters.is_empty() {
        writeln!(out)?;
        table(out, ["MASTER", "SIGNS WITH", "FILE"], &masters)?;
    }
    let servers = rotation.servers.iter().map(|server| {
        let verifies: Vec<_> = server.verifies.iter().map(|it| key(rotation, it)).collect();
        let signs =
            server.signs_with.as_deref().map_or("unknown".to_owned(), |it| key(rotation, it));
        let verifies =
            if server.problem.is_some() { "unknown".to_owned() } else { verifies.join(", ") };
        [server.url.clone(), verifies, signs]
    });
    let servers: Vec<_> = servers.collect();
    if !servers.is_empty() {
        writeln!(out)?;
        table(out, ["API SERVER", "VERIFIES", "SIGNS NEW TOKENS WITH"], &servers)?;
    }
    if !rotation.blocked_by.is_empty() {
        writeln!(out)?;
        findings(out, &rotation.blocked_by)?;
    }
    writeln!(out, "\n{next}")
}

/// Returns the words for a key: its part in the rotation, or the begin of its id.
fn key(rotation: &TokenKeyRotation, id: &str) -> String {
    let is_former = rotation.former_keys.iter().any(|former| former == id);
    match &rotation.key {
        Some(key) if key == id => "key".to_owned(),
        _ if is_former => "former".to_owned(),
        _ => id.chars().take(SHOWN).collect(),
    }
}

/// Returns the name of the stage, and what to do next.
fn words(rotation: &TokenKeyRotation) -> (&'static str, &'static str) {
    let is_blocked = !rotation.blocked_by.is_empty();
    match rotation.stage {
        Stage::NotConfigured => (
            "not configured: the CA key signs tokens",
            "Set pki.serviceAccountKey in the cluster file to use a separate key.",
        ),
        Stage::Announce if is_blocked => (
            "announce (1 of 3): the API servers do not verify both keys yet",
            "Follow the help lines, then run `kcm rotate service-account-key` again.",
        ),
        Stage::Announce => (
            "announce (1 of 3)",
            "Run `kcm rotate service-account-key` to create the key and to upload its public part.",
        ),
        Stage::Switch => (
            "switch (2 of 3): every API server verifies both keys",
            "Run `kcm rotate service-account-key` to let the masters sign with the key.",
        ),
        Stage::Retire if is_blocked => (
            "retire (3 of 3): the former key is still in use",
            "Follow the help lines, then run `kcm rotate service-account-key` again.",
        ),
        Stage::Retire => (
            "retire (3 of 3): the former key signs nothing any more",
            "Wait 24 hours after the last API server switched. Then run `kcm rotate service-account-key` to withdraw the former key.",
        ),
        Stage::Done => (
            "done: no rotation is in progress",
            "`kcm rotate service-account-key --new` starts a rotation.",
        ),
    }
}
