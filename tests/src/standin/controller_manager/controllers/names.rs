//! The names that `--controllers` accepts.

use crate::standin::controller_manager::gates::Gates;

/// Table of controllers; its header explains the format.
const TABLE: &str = include_str!("../data/controllers.txt");
/// Minor version that made the old names aliases of new ones.
const RENAMED: u32 = 28;

struct Controller {
    name: &'static str,
    from: u32,
    to: u32,
    aliases: Vec<&'static str>,
    gates: Vec<&'static str>,
    is_off_by_default: bool,
}

impl Controller {
    fn is_called(&self, name: &str, minor: u32) -> bool {
        self.aliases.contains(&name)
            || (minor >= RENAMED || self.aliases.is_empty()) && self.name == name
    }

    fn is_of(&self, minor: u32, gates: &Gates) -> bool {
        // The oldest version of the table also covers earlier versions.
        (self.from..=self.to).contains(&minor.max(25))
            && (minor > RENAMED || self.gates.iter().all(|gate| gates.is_on(gate)))
    }
}

fn table() -> impl Iterator<Item = Controller> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse().unwrap();
        let rest = &words[3..];
        let is_alias = |word: &&&str| !word.starts_with('?') && **word != "off";
        Controller {
            name: words[0],
            from: number(1),
            to: number(2),
            aliases: rest.iter().filter(is_alias).copied().collect(),
            gates: rest.iter().filter_map(|word| word.strip_prefix('?')).collect(),
            is_off_by_default: rest.contains(&"off"),
        }
    })
}

/// Reports whether a minor version knows a name.
pub(in super::super) fn is_known(name: &str, minor: u32, gates: &Gates) -> bool {
    table().any(|controller| controller.is_of(minor, gates) && controller.is_called(name, minor))
}

/// Returns the current name for a current or an old name.
pub(in super::super) fn canonical(name: &str) -> &str {
    let found = table().find(|controller| controller.aliases.contains(&name));
    found.map_or(name, |controller| controller.name)
}

/// Reports whether `*` excludes a controller.
pub(in super::super) fn is_off_by_default(name: &str) -> bool {
    table().any(|controller| controller.name == name && controller.is_off_by_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standin::flags::Parsed;

    #[test]
    fn names_come_and_go_with_the_versions() {
        let counts =
            [(25, 39), (26, 40), (28, 42), (31, 45), (32, 48), (34, 50), (36, 52), (37, 49)];
        for (minor, count) in counts {
            let gates =
                Parsed::of([("feature-gates", "APIServerIdentity=true,StorageVersionAPI=true")]);
            let gates = Gates::read(&gates, minor).unwrap();
            // Counts controllers regardless of their gates.
            let known = table().filter(|it| (it.from..=it.to).contains(&minor)).count();
            assert_eq!(known, count, "1.{minor}");
            for (name, is_good) in [
                ("ttl", true),
                ("ttl-controller", minor >= 28),
                ("service", minor < 37),
                ("service-lb-controller", (28..37).contains(&minor)),
                ("TTL", false),
                ("+ttl", false),
                (" ttl", false),
                ("", false),
            ] {
                assert_eq!(is_known(name, minor, &gates), is_good, "{name:?} in 1.{minor}");
            }
        }
    }
}
