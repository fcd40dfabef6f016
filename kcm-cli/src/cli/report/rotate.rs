//! The human-readable report of `kcm rotate`.

use std::io::{self, Write};
use std::path::Path;

use kcm_pki::Fingerprint;

use super::human::{self, NAME};
use super::status::findings;
use super::table::table;
use crate::ops::rotate::Rotations;
use crate::ops::rotate::ca::{CaRotation, CaStage, RotatedCa, TrustingServer};
use crate::ops::rotate::service_account_key::{TokenKeyRotation, TokenKeyStage};

/// Number of characters of a key id that are shown. The ids are digests.
const SHOWN: usize = 12;
/// Number of characters of a fingerprint of an unknown CA that are shown.
const SHOWN_CA: usize = 19;

pub(super) fn rotations(out: &mut dyn Write, rotations: &Rotations, file: &Path) -> io::Result<()> {
    if let Some(plan) = &rotations.plan {
        human::plan_with_advice(out, plan, file, "This is the plan of the next stage.")?;
        writeln!(out)?;
    }
    if let Some(rotation) = &rotations.service_account_key {
        token_key(out, rotation)?;
    }
    if rotations.service_account_key.is_some() && rotations.ca.is_some() {
        writeln!(out)?;
    }
    rotations.ca.as_ref().map_or(Ok(()), |rotation| ca(out, rotation))
}

fn token_key(out: &mut dyn Write, rotation: &TokenKeyRotation) -> io::Result<()> {
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
    writeln!(out)?;
    writeln!(out, "{next}")
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
        TokenKeyStage::NotConfigured => (
            "not configured: the CA key signs tokens",
            "Set pki.serviceAccountKey in the cluster file to use a separate key.",
        ),
        TokenKeyStage::Announce if is_blocked => (
            "announce (1 of 3): the API servers do not verify both keys yet",
            "Follow the help lines, then run `kcm rotate service-account-key` again.",
        ),
        TokenKeyStage::Announce => (
            "announce (1 of 3)",
            "Run `kcm rotate service-account-key` to create the key and to upload its public part.",
        ),
        TokenKeyStage::Switch => (
            "switch (2 of 3): every API server verifies both keys",
            "Run `kcm rotate service-account-key` to let the masters sign with the key.",
        ),
        TokenKeyStage::Retire if is_blocked => (
            "retire (3 of 3): the former key is still in use",
            "Follow the help lines, then run `kcm rotate service-account-key` again.",
        ),
        TokenKeyStage::Retire => (
            "retire (3 of 3): the former key signs nothing any more",
            "Wait 24 hours after the last API server switched. Then run `kcm rotate service-account-key` to withdraw the former key.",
        ),
        TokenKeyStage::Done => (
            "done: no rotation is in progress",
            "`kcm rotate service-account-key --new` starts a rotation.",
        ),
    }
}

fn ca(out: &mut dyn Write, rotation: &CaRotation) -> io::Result<()> {
    writeln!(out, "{NAME}CA{NAME:#}")?;
    let (stage, next) = ca_words(rotation);
    writeln!(out, "  stage   {stage}")?;
    let known =
        [("current", &rotation.current), ("next", &rotation.next), ("former", &rotation.former)];
    for (part, ca) in known {
        let Some(RotatedCa { subject, fingerprint, not_after, .. }) = ca else { continue };
        let end = not_after.date();
        writeln!(out, "  {part:<7} `{subject}`, valid until {end}, {fingerprint}")?;
    }
    let part = |fingerprint: &Fingerprint| {
        let is_it =
            |ca: &Option<RotatedCa>| ca.as_ref().is_some_and(|ca| ca.fingerprint == *fingerprint);
        let found = known.iter().find(|(_, ca)| is_it(ca)).map(|(part, _)| (*part).to_owned());
        found.unwrap_or_else(|| fingerprint.to_string().chars().take(SHOWN_CA).collect())
    };
    let masters = rotation.masters.iter().map(|master| {
        let trusts: Vec<_> = master.trusts.iter().map(part).collect();
        let trusts = match &master.problem {
            Some(_) => "unknown".to_owned(),
            None if trusts.is_empty() => "not deployed".to_owned(),
            None => trusts.join(", "),
        };
        let issued_by = master.issued_by.as_ref().map_or("unknown".to_owned(), part);
        [master.name.clone(), trusts, issued_by]
    });
    let masters: Vec<_> = masters.collect();
    if !masters.is_empty() {
        writeln!(out)?;
        table(out, ["MASTER", "TRUSTS", "CERTIFICATE ISSUED BY"], &masters)?;
    }
    let servers: Vec<_> = rotation.servers.iter().map(server).collect();
    if !servers.is_empty() {
        let new = if rotation.next.is_some() { "NEXT CA" } else { "NEW CA" };
        let heads = [format!("ACCEPTS {new}"), format!("SERVES WITH {new}")];
        writeln!(out)?;
        table(out, ["API SERVER", &heads[0], &heads[1]], &servers)?;
    }
    if !rotation.is_done() {
        writeln!(out)?;
        table(out, ["STAGE", "STATE", "CHANGES"], &stages(rotation.stage))?;
    }
    if !rotation.blocked_by.is_empty() {
        writeln!(out)?;
        findings(out, &rotation.blocked_by)?;
    }
    writeln!(out)?;
    writeln!(out, "{next}")
}

fn server(server: &TrustingServer) -> [String; 3] {
    let words = |answer: Option<bool>| match answer {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "unknown".to_owned(),
    };
    [server.url.clone(), words(server.accepts), words(server.serves)]
}

/// Returns all stages, each with its state and its changes.
fn stages(at: CaStage) -> [[String; 3]; 3] {
    let all = [
        (CaStage::Trust, "trust", "masters and Pods trust the current and the next CA"),
        (CaStage::Issue, "issue", "the next CA issues the certificates of the masters"),
        (CaStage::Drop, "drop", "masters and Pods no longer trust the former CA"),
    ];
    let place = all.iter().position(|(stage, ..)| *stage == at).unwrap_or_default();
    let mut row = 0;
    all.map(|(_, name, changes)| {
        let state = match row.cmp(&place) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal => "next",
            std::cmp::Ordering::Greater => "later",
        };
        row += 1;
        [name.to_owned(), state.to_owned(), changes.to_owned()]
    })
}

/// Returns the name of the stage, and what to do next.
fn ca_words(rotation: &CaRotation) -> (&'static str, &'static str) {
    let is_blocked = !rotation.blocked_by.is_empty();
    match rotation.stage {
        CaStage::NotConfigured => (
            "not configured: clients accept the certificates of the current CA only",
            "Set pki.trust in the cluster file to the path of a bundle. kcm creates the file.",
        ),
        CaStage::Trust => {
            ("trust (1 of 3)", "Run `kcm rotate ca` to let the masters trust both CAs.")
        }
        CaStage::Issue if is_blocked => (
            "issue (2 of 3): not every client and server trusts the next CA yet",
            "Follow the help lines, then run `kcm rotate ca` again.",
        ),
        CaStage::Issue => (
            "issue (2 of 3): every API server accepts certificates of the CA",
            "Run `kcm rotate ca` to issue the certificates of the masters with the new CA.",
        ),
        CaStage::Drop if is_blocked => (
            "drop (3 of 3): the former CA is still in use",
            "Follow the help lines, then run `kcm rotate ca` again.",
        ),
        CaStage::Drop => (
            "drop (3 of 3): masters and API servers use the new CA",
            "Replace all other certificates of the former CA, such as those of kubelets, kube-scheduler and administrators. Then run `kcm rotate ca` to drop the former CA.",
        ),
        CaStage::Done => {
            ("done: no rotation is in progress", "`kcm rotate ca --new` starts a rotation.")
        }
    }
}
