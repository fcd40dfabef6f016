//! Scalars of the cluster file, validated when they are parsed.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kcm_systemd::ExecutablePath;
use thiserror::Error;

use super::scalar::{Scalar, scalar};
use crate::cluster::layout::Layout;
use crate::util::files::RemotePath;

/// The error of a scalar that is not valid for its key, with the fix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{value}` is not {expected}; {reason}")]
pub struct InvalidValue {
    value: String,
    expected: &'static str,
    reason: String,
}

pub(super) fn invalid<T: Scalar>(value: &str, reason: impl Into<String>) -> InvalidValue {
    InvalidValue { value: value.to_owned(), expected: T::EXPECTED, reason: reason.into() }
}

/// The version of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ApiVersion;

scalar!(ApiVersion, "a supported apiVersion", "kcm/v1", [("kcm/v1", Self)], "write kcm/v1");

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $example:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        scalar!($name, $expected, $example, |text| {
            let check: fn(&str) -> Result<(), &'static str> = $check;
            check(text).map_err(|reason| invalid::<Self>(text, reason))?;
            Ok(Self(text.to_owned()))
        });

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_scalar!(
    /// A master's name, limited to the characters of a host name, because it is a folder under
    /// `--root`.
    MasterName, "a master name", "k8s-master-01",
    |text| plain_name(text, ".-_")
);

text_scalar!(
    /// A cluster's name.
    ClusterName, "a cluster name", "kubernetes",
    |text| plain_name(text, ".-_@:")
);

text_scalar!(
    /// A profile's name in a signing config.
    ProfileName, "a profile name", "kubernetes",
    |text| if text.is_empty() { Err("write the name of a profile, as in kubernetes") } else { Ok(()) }
);

text_scalar!(
    /// A login name.
    SshUser, "a login name", "kube",
    |text| plain_name(text, "._-@\\+")
);

fn plain_name(text: &str, marks: &str) -> Result<(), &'static str> {
    let starts_plain =
        text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    if !starts_plain {
        Err("start the name with a letter or a digit")
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c)) {
        Err("use letters, digits, dots and dashes")
    } else if text.len() > 253 {
        Err("use at most 253 characters")
    } else {
        Ok(())
    }
}

/// The address of a host: an IP address or a host name. kcm itself never resolves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostAddress {
    /// An IP address of a single host.
    Ip(IpAddr),
    /// A host name, or a `Host` of an ssh configuration.
    Name(String),
}

impl HostAddress {
    /// Returns the IP address, unless the address is a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

scalar!(HostAddress, "an IP address or a host name", "192.168.1.204", |text| {
    if let Ok(ip) = text.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        return if ip.is_unspecified() || ip.is_multicast() {
            Err(invalid::<Self>(text, "write the address of a single host"))
        } else {
            Ok(Self::Ip(ip))
        };
    }
    // Digits and dots are meant as an IPv4 address: 192.168.1.256 is not a host name.
    let is_numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if text.contains(':') {
        return Err(invalid::<Self>(
            text,
            "write the address alone, and the port in `ssh.port` (jump host: `port`)",
        ));
    }
    if is_numeric {
        return Err(invalid::<Self>(text, "write an IPv4 address as four numbers from 0 to 255"));
    }
    plain_name(text, ".-_").map_err(|reason| invalid::<Self>(text, reason))?;
    Ok(Self::Name(text.to_owned()))
});

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The address that kube-controller-manager binds.
///
/// The tutorial binds the host's address. Prometheus can reach it there, but
/// `kubectl get componentstatuses` cannot, and the CIS Benchmark (1.3.7) requires loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// The master's address.
    Host,
    /// `127.0.0.1` or `::1`.
    Loopback,
    /// `0.0.0.0` or `::`: every address of the host.
    Any,
    /// A specific address.
    Ip(IpAddr),
}

scalar!(BindAddress, "a bind address", "host", |text| {
    match text {
        "host" => Ok(Self::Host),
        "loopback" => Ok(Self::Loopback),
        "any" => Ok(Self::Any),
        _ => text
            .parse()
            .map(Self::Ip)
            .map_err(|_| invalid::<Self>(text, "write host, loopback, any, or an IP address")),
    }
});

/// A path on the operator's machine, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OperatorPath(PathBuf);

impl OperatorPath {
    /// Returns an absolute path unchanged, and a relative path below the cluster file's `folder`.
    pub(super) fn from(self, folder: &Path) -> PathBuf {
        folder.join(self.0)
    }
}

scalar!(OperatorPath, "a path on this machine", "pki/ca/cert/ca.pem", |text| {
    if text.is_empty() {
        Err(invalid::<Self>(text, "write a path"))
    } else if text.starts_with('~') {
        Err(invalid::<Self>(
            text,
            "write the path without `~`, absolute or relative to the cluster file",
        ))
    } else if text.chars().any(char::is_control) {
        Err(invalid::<Self>(text, "remove the control character"))
    } else {
        Ok(Self(PathBuf::from(text)))
    }
});

/// The default folder on the masters of all files except the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InstallRoot(pub(super) RemotePath);

scalar!(InstallRoot, "a folder path on the masters", "/opt/kubernetes", |text| {
    let wrong = |reason: String| invalid::<Self>(text, reason);
    let root = RemotePath::new(text).map_err(|error| wrong(error.reason.to_owned()))?;
    if root.parent().is_none() {
        return Err(wrong("write a folder below `/`, as in /opt/kubernetes".to_owned()));
    }
    let executable = Layout::below(&root).map_err(|error| wrong(error.reason))?.executable;
    match ExecutablePath::try_from(executable.as_str()) {
        Ok(_) => Ok(Self(root)),
        Err(error) => {
            Err(wrong(format!("systemd cannot start an executable below this folder: {error}")))
        }
    }
});

/// The path of a file on the masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MasterFile(pub(super) RemotePath);

scalar!(
    MasterFile,
    "a file path on the masters",
    "/etc/kubernetes/kube-controller-manager.kubeconfig",
    |text| {
        let path = RemotePath::new(text)
            .map_err(|error| invalid::<Self>(text, error.reason.to_owned()))?;
        if path.parent().is_none() || text.ends_with('/') {
            return Err(invalid::<Self>(text, "write the path of a file"));
        }
        Ok(Self(path))
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_meant_as_numbers_is_no_host_name() {
        for bad in
            ["192.168.1.256", "192.168.1", "10", "-oProxyCommand=x", "a b", "host:22", "0.0.0.0"]
        {
            assert!(bad.parse::<HostAddress>().is_err(), "{bad}");
        }
        for good in ["192.168.1.204", "::1", "fd00::4", "master-1.example", "m1"] {
            assert!(good.parse::<HostAddress>().is_ok(), "{good}");
        }
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "-x"] {
            assert!(bad.parse::<MasterName>().is_err(), "{bad}");
        }
    }
}
