//! Looks up flags in the table.

use crate::flags::history::FlagHistory;
use crate::flags::table::FLAGS;
use crate::flags::version::KubernetesVersion;
use crate::nearest::nearest_of;

/// Returns the flag with this exact name, without dashes.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static FlagHistory> {
    FLAGS.binary_search_by(|flag| flag.name.cmp(name)).ok().and_then(|index| FLAGS.get(index))
}

/// Returns the known flag with the most similar spelling.
///
/// `None` if no known name is similar enough for a suggestion. Leading dashes, underscores and
/// upper case are ignored.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let wanted = name.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    nearest_of(&wanted, FLAGS.iter().map(|flag| flag.name))
}

/// Returns the flags of a version, in byte order of their names; see [`FlagHistory::exists_in`].
pub fn known_in(version: KubernetesVersion) -> impl Iterator<Item = &'static FlagHistory> {
    FLAGS.iter().filter(move |flag| flag.exists_in(version))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::flags::history::FlagKind;

    #[derive(Deserialize)]
    struct Facts {
        flags: BTreeMap<String, Fact>,
        versions: BTreeMap<String, usize>,
    }

    #[derive(Deserialize)]
    struct Fact {
        first_seen: String,
        last_seen: String,
        removed_in: Option<String>,
        #[serde(rename = "type")]
        kind: String,
    }

    fn facts() -> Facts {
        serde_json::from_str(include_str!("../../testdata/kcm-flags.json")).unwrap()
    }

    fn version(text: &str) -> KubernetesVersion {
        KubernetesVersion::parse(text).unwrap()
    }

    #[test]
    fn the_table_says_what_the_facts_say() {
        let facts = facts();
        assert_eq!(FLAGS.len(), facts.flags.len());
        assert!(FLAGS.is_sorted_by(|a, b| a.name < b.name));
        for (name, fact) in facts.flags {
            let flag = lookup(&name.replace('_', "-")).unwrap();
            assert_eq!(
                flag.first,
                (fact.first_seen != "<=1.20").then(|| version(&fact.first_seen)),
                "{name}"
            );
            assert_eq!(flag.last, version(&fact.last_seen), "{name}");
            assert_eq!(flag.removed_in, fact.removed_in.as_deref().map(version), "{name}");
            let expected = match fact.kind.as_str() {
                "bool" => FlagKind::Bool,
                "int" => FlagKind::Integer,
                "int32" => FlagKind::Int32,
                "float32" => FlagKind::Float32,
                "float64" => FlagKind::Float,
                "duration" => FlagKind::Duration,
                "ip" => FlagKind::Ip,
                "string" => FlagKind::String,
                "stringSlice" => FlagKind::StringList,
                "Int32SliceVar" => FlagKind::IntegerList,
                "StringToStringVar" => FlagKind::Map,
                "version" => FlagKind::Version,
                // The JSON file has only the package of these types; the table has the type.
                "klog" | "custom" => flag.kind,
                other => panic!("{name}: a kind that the table does not know: {other}"),
            };
            assert_eq!(flag.kind, expected, "{name}");
        }
    }

    #[test]
    fn each_version_has_as_many_flags_as_counted_in_its_source() {
        for (text, count) in facts().versions {
            assert_eq!(known_in(version(&text)).count(), count, "{text}");
        }
    }

    #[test]
    fn flags_come_and_go() {
        let port = lookup("port").unwrap();
        assert!(port.exists_in(version("1.23")) && !port.exists_in(version("1.24")));
        let timeout = lookup("controller-shutdown-timeout").unwrap();
        assert!(!timeout.exists_in(version("1.34")) && timeout.exists_in(version("1.35")));
        assert!(lookup("v").unwrap().exists_in(version("1.99")));
        assert_eq!(lookup("--v"), None);
    }

    #[test]
    fn a_misspelt_name_finds_the_right_one() {
        assert_eq!(nearest("cluster-cdir"), Some("cluster-cidr"));
        assert_eq!(nearest("--leader_elect"), Some("leader-elect"));
        assert_eq!(nearest("Bind-Address"), Some("bind-address"));
        assert_eq!(nearest("service-cluster-ip-rang"), Some("service-cluster-ip-range"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest(""), None);
    }
}
