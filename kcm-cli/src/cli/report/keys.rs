//! The human-readable list of `kcm status --keys`: every private key on the masters.

use std::io::{self, Write};

use super::table::table;
use crate::ops::status::{FileStatus, MasterStatus, Status};

pub(super) fn keys(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let rows: Vec<_> = status.masters.iter().flat_map(of_master).collect();
    writeln!(out)?;
    table(out, ["MASTER", "PRIVATE KEY", "MODE", "OWNER", "READ BY"], &rows)
}

fn of_master(master: &MasterStatus) -> Vec<[String; 5]> {
    let files = master.facts().into_iter().flat_map(|facts| &facts.files);
    let keys = files.filter(|file| file.holds_key);
    keys.filter_map(|FileStatus { path, state, read_by, .. }| {
        let (mode, owner) = state.attributes()?;
        let flags: Vec<_> = read_by.iter().map(|flag| format!("--{flag}")).collect();
        let flags = if flags.is_empty() { "no flag".to_owned() } else { flags.join(", ") };
        Some([master.name.clone(), path.to_string(), mode.to_string(), owner.to_string(), flags])
    })
    .collect()
}
