//! What a service can do without.

use crate::unit::{Directive, Key, Value};

/// How much of the system is closed to kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hardening {
    /// Nothing: systemd's defaults, and the tutorial's.
    None,
    /// Everything that it can do without.
    ///
    /// It needs no place to write, no device and no capability; it reads its files, listens, and talks to the API
    /// server. With a user of its own, `systemd-analyze security` of systemd 252 says an exposure of 1.6. As root, it
    /// reads only what root may read without capabilities: no other user's private files.
    Strict,
}

impl Hardening {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Strict => "strict",
        }
    }

    /// The directives of `[Service]`, in the order in which they are written.
    pub fn directives(self) -> impl Iterator<Item = Directive> {
        let directives = match self {
            Self::None => &[],
            Self::Strict => STRICT,
        };
        directives.iter().map(|&(key, value)| Directive {
            key: Key::known(key),
            value: Value::folded(vec![value.into()]),
        })
    }

    /// The directive that hides a path of the system from the service, if one does.
    #[must_use]
    pub fn hidden_by(self, path: &str) -> Option<&'static str> {
        let is_in = |folder: &&str| {
            path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let hidden = match self {
            Self::None => &[],
            Self::Strict => HIDDEN,
        };
        hidden.iter().find(|(_, folders)| folders.iter().any(is_in)).map(|(key, _)| *key)
    }
}

/// Each is explained in
/// [systemd.exec(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.exec.html#Sandboxing).
const STRICT: &[(&str, &str)] = &[
    // No privileges, and no way to new ones.
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("RestrictSUIDSGID", "yes"),
    // Nothing to write, and nothing of others to see. `RemoveIPC=` is not among these: it would also remove what other
    // processes of the same user have.
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateIPC", "yes"),
    ("UMask", "0077"),
    // The metric of the process's start, and Go's length of a listening socket's queue, are read from `/proc/stat` and
    // `/proc/sys`, which `ProcSubset=pid` would close.
    ("ProtectProc", "invisible"),
    // The kernel as it is.
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    // Go lists network interfaces through netlink.
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_NETLINK AF_UNIX"),
    // Go raises its limit of open files by itself, so `@resources` stays open. What is closed fails and does not kill.
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged"),
    ("SystemCallErrorNumber", "EPERM"),
];

/// What some of these hide whole.
const HIDDEN: &[(&str, &[&str])] =
    &[("ProtectHome", &["/home", "/root", "/run/user"]), ("PrivateTmp", &["/tmp", "/var/tmp"])];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Section, SectionName, Unit, UnitFile};

    fn text(hardening: Hardening) -> String {
        let directives = hardening.directives().collect();
        let section = Section { name: SectionName::known("Service"), directives };
        Unit { sections: vec![section] }.render()
    }

    #[test]
    fn every_directive_is_one_of_systemd_and_is_read_back_as_given() {
        let file = UnitFile::parse(text(Hardening::Strict));
        assert_eq!(file.findings, []);
        let read: Vec<_> = file.entries.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
        assert_eq!(read, STRICT);
    }

    #[test]
    fn an_empty_set_is_written_as_one() {
        assert!(
            text(Hardening::Strict).contains("\nCapabilityBoundingSet=\nAmbientCapabilities=\n")
        );
    }

    #[test]
    fn no_hardening_is_no_directive() {
        assert_eq!(text(Hardening::None), "[Service]\n");
        assert_eq!(Hardening::None.hidden_by("/root/kubernetes"), None);
    }

    #[test]
    fn what_is_hidden_is_hidden_with_all_below_it() {
        for (path, by) in [
            ("/root", Some("ProtectHome")),
            ("/home/kube/kubernetes", Some("ProtectHome")),
            ("/var/tmp/kubernetes", Some("PrivateTmp")),
            ("/rooted", None),
            ("/opt/root", None),
            ("/run/users", None),
        ] {
            assert_eq!(Hardening::Strict.hidden_by(path), by, "{path}");
        }
    }
}
