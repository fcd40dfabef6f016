//! Sandbox directives of the service.

use crate::unit::{Directive, Key, Value};

/// The sandbox of kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hardening {
    /// No sandbox: the defaults of systemd and of the tutorial.
    None,
    /// All restrictions under which kube-controller-manager still works.
    ///
    /// The program needs no writable path, device or capability: it reads files, listens, and
    /// connects to the API server. With a dedicated user, `systemd-analyze security` of systemd 252
    /// reports an exposure of 1.6. As root, it cannot read other users' private files, which
    /// requires capabilities.
    Strict,
}

impl Hardening {
    /// Returns the name of the level.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Strict => "strict",
        }
    }

    /// Returns the directives of `[Service]` in the order of writing.
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

    /// Returns the directive that hides a path from the service, if any.
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

/// Directives of [`Hardening::Strict`], explained in
/// [systemd.exec(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.exec.html#Sandboxing).
const STRICT: &[(&str, &str)] = &[
    // No privileges, and no way to gain any.
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("RestrictSUIDSGID", "yes"),
    // No writable system folders, and no access to files of other services and users. `RemoveIPC=`
    // is not set: it would also remove IPC objects of other processes of the same user.
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateIPC", "yes"),
    ("UMask", "0077"),
    // `ProcSubset=pid` would hide `/proc/stat` and `/proc/sys`. The metric of the process start
    // time and Go's length of the listen queue depend on them.
    ("ProtectProc", "invisible"),
    // No changes to the kernel.
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
    // Go raises its own limit of open files, so `@resources` stays allowed. Forbidden system calls
    // return an error and do not kill the process.
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged"),
    ("SystemCallErrorNumber", "EPERM"),
];

/// Folders that a directive hides completely.
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
