//! Folders in which systemd searches for a unit and its drop-ins.

use std::collections::BTreeMap;

use crate::unit_name::UnitName;

/// Folders of units, in order of precedence ("Unit File Load Path" in
/// [systemd.unit(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.unit.html)).
pub const UNIT_FOLDERS: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// Returns the folders for drop-ins of a unit with these names, in order of precedence. The unit's
/// primary name comes first, followed by its aliases.
///
/// Follows `unit_file_find_dropin_paths()` in `src/shared/dropin.c` of systemd 252. For each name,
/// every folder of units contributes the name's own folder and those of its prefixes that end with
/// a dash. The folder of all units of the type comes last.
#[must_use]
pub fn drop_in_folders(names: &[UnitName]) -> Vec<String> {
    let mut folders = Vec::new();
    for name in names {
        let own: Vec<_> = prefixes(name).collect();
        for above in UNIT_FOLDERS {
            folders.extend(own.iter().map(|own| format!("{above}/{own}.d")));
        }
    }
    let kind = names.first().map_or("service", |name| name.unit_type());
    folders.extend(UNIT_FOLDERS.iter().map(|above| format!("{above}/{kind}.d")));
    folders
}

/// Returns a name, and its prefixes that end with a dash as names, longest first.
fn prefixes(name: &UnitName) -> impl Iterator<Item = String> {
    let (stem, kind) = (name.prefix(), name.unit_type());
    let dashes = stem
        .char_indices()
        .rev()
        .filter(move |(at, character)| *character == '-' && *at > 0 && at + 1 < stem.len());
    let cut = dashes.filter_map(move |(at, _)| Some(format!("{}.{kind}", stem.get(..=at)?)));
    std::iter::once(name.as_str().to_owned()).chain(cut)
}

/// Returns the effective drop-ins in the order in which systemd reads them: sorted by name, the
/// first of each name. `found` are paths in the order of [`drop_in_folders`].
#[must_use]
pub fn drop_ins_in_order<T>(found: impl IntoIterator<Item = (String, T)>) -> Vec<(String, T)> {
    let mut by_name = BTreeMap::new();
    for (path, content) in found {
        let name = path.rsplit_once('/').map_or(&*path, |(_, name)| name).to_owned();
        if is_drop_in(&name) {
            by_name.entry(name).or_insert((path, content));
        }
    }
    by_name.into_values().collect()
}

/// Reports whether systemd accepts a file with this name as a drop-in.
#[must_use]
pub fn is_drop_in(name: &str) -> bool {
    name.strip_suffix(".conf").is_some_and(|stem| !name.starts_with('.') && !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|name| UnitName::parse(name).unwrap()).collect();
        drop_in_folders(&names)
    }

    #[test]
    fn a_name_is_cut_behind_each_of_its_dashes() {
        let of = |name: &str| prefixes(&UnitName::parse(name).unwrap()).collect::<Vec<_>>();
        assert_eq!(
            of("kube-controller-manager.service"),
            ["kube-controller-manager.service", "kube-controller-.service", "kube-.service"]
        );
        for (name, expected) in [
            ("kcm.service", vec!["kcm.service"]),
            ("-kcm.service", vec!["-kcm.service"]),
            ("kcm-.service", vec!["kcm-.service"]),
            ("a--b.service", vec!["a--b.service", "a--.service", "a-.service"]),
            ("a.b-c.service", vec!["a.b-c.service", "a.b-.service"]),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }

    #[test]
    fn prefixes_in_etc_come_before_the_whole_name_in_run() {
        let all = folders(&["kube-cm.service", "cm.service"]);
        let at = |folder: &str| all.iter().position(|it| it == folder).unwrap();
        let order = [
            "/etc/systemd/system.control/kube-cm.service.d",
            "/etc/systemd/system/kube-cm.service.d",
            "/etc/systemd/system/kube-.service.d",
            "/run/systemd/system/kube-cm.service.d",
            "/usr/lib/systemd/system/kube-.service.d",
            "/etc/systemd/system.control/cm.service.d",
            "/etc/systemd/system/service.d",
            "/run/systemd/generator.late/service.d",
        ];
        assert!(order.map(at).is_sorted());
        assert_eq!(all.len(), 13 * 4);
    }

    #[test]
    fn of_drop_ins_with_one_name_the_first_counts() {
        let found = ["/a/20.conf", "/a/.hidden.conf", "/a/x.txt", "/b/10.conf", "/b/20.conf"];
        let order = drop_ins_in_order(found.map(|path| (path.to_owned(), ())));
        let order: Vec<_> = order.iter().map(|(path, ())| path.as_str()).collect();
        assert_eq!(order, ["/b/10.conf", "/a/20.conf"]);
    }
}
