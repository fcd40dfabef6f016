//! The flags of kube-controller-manager by version.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Flag, Type};

/// Table of all flags of kube-controller-manager since 1.20, read from its sources.
const TABLE: &str = include_str!("../../../../kcm-systemd/testdata/kcm-flags.json");

#[derive(Deserialize)]
struct Table {
    flags: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    first_seen: String,
    last_seen: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Returns the flags of a minor version.
pub(in super::super) fn controller_manager(minor: u32) -> Vec<Flag> {
    let table: Table = serde_json::from_str(TABLE).unwrap();
    let is_known = |entry: &Entry| {
        let (first, last) = (number(&entry.first_seen), number(&entry.last_seen));
        (first..=last).contains(&minor)
    };
    let flags = table.flags.into_iter().filter(|(_, entry)| is_known(entry));
    flags
        .map(|(name, entry)| Flag { kind: kind(&name, &entry.kind), name: Cow::Owned(name) })
        .collect()
}

fn number(version: &str) -> u32 {
    version.trim_start_matches("<=").strip_prefix("1.").unwrap().parse().unwrap()
}

fn kind(name: &str, kind: &str) -> Type {
    match (kind, name) {
        ("duration", _) => Type::Duration,
        ("float32" | "float64", _) => Type::Float,
        ("int", _) | ("klog", "log-file-max-size") => Type::Int64,
        ("int32", _) => Type::Int32,
        ("Int32SliceVar", _) => Type::Int32List,
        ("ip", _) => Type::Ip,
        ("stringSlice", _) => Type::List,
        ("StringToStringVar", _) => Type::Map,
        ("version", _) => Type::Version,
        ("custom", "feature-gates") => Type::FeatureGates,
        ("custom", "v") => Type::Verbosity,
        ("custom", "vmodule") => Type::VModule,
        ("custom", "tls-sni-cert-key") => Type::SniPair,
        ("custom", _) => Type::Quantity,
        ("string", _)
        | ("klog", "log-dir" | "log-file" | "log-backtrace-at" | "stderrthreshold") => Type::Text,
        ("bool" | "klog", _) => Type::Bool,
        _ => panic!("--{name} has the unknown type {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_and_go_with_the_versions() {
        let has = |minor, name| controller_manager(minor).iter().any(|flag| flag.name == name);
        assert!(has(23, "port") && !has(24, "port"));
        assert!(!has(34, "controller-shutdown-timeout") && has(36, "controller-shutdown-timeout"));
        assert_eq!(controller_manager(36).len(), 150);
        assert_eq!(controller_manager(20).len(), 150);
    }
}
