//! Why a new identity is issued.

use std::fmt;

use kcm_pki::{Fingerprint, KeyAlgorithm};
use serde::Serialize;
use time::OffsetDateTime;

use crate::cluster::layout;

/// Why a new identity is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// Somebody asked for it.
    Asked,
    /// There is none.
    Missing,
    /// The certificate is there, its key is not.
    KeyMissing,
    /// The certificate cannot be read.
    Unreadable {
        /// Why.
        error: String,
    },
    /// The CA is new, or the certificate is not a client certificate of the CA.
    Chain {
        /// Why.
        error: String,
    },
    /// It names another user than RBAC binds.
    CommonName {
        /// Whom it names.
        found: String,
    },
    /// Its key has another algorithm or size.
    Algorithm {
        /// What it has.
        found: String,
        /// What is asked for.
        wanted: KeyAlgorithm,
    },
    /// It lacks a usage that is asked for.
    Usages {
        /// Those it lacks.
        missing: Vec<String>,
    },
    /// It does not name all masters.
    Hosts {
        /// Those it lacks.
        missing: Vec<String>,
    },
    /// The key beside it is not its key.
    KeyMismatch,
    /// It ends within `renewBefore`.
    Expires {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// All masters hold it, but files that are to be written there need its key, which is not on this machine.
    KeyNotHere {
        /// The files, each with its master.
        files: Vec<String>,
    },
    /// It has ended.
    Expired {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// Masters hold different certificates.
    MastersDiffer {
        /// Each certificate, with the masters that hold it.
        held: Vec<(Fingerprint, Vec<String>)>,
    },
    /// Masters hold one certificate with different keys.
    KeysDiffer {
        /// The masters whose key is not that of the first.
        masters: Vec<String>,
    },
    /// Some masters hold none.
    NotOnAll {
        /// Those masters.
        masters: Vec<String>,
    },
    /// A master holds one that cannot be used.
    UnusableOnMaster {
        /// The master.
        master: String,
        /// The reason.
        error: String,
    },
}

impl Reason {
    /// Whether it is about files of particular masters rather than about the certificate.
    pub(crate) fn is_of_masters(&self) -> bool {
        matches!(
            self,
            Self::KeyNotHere { .. }
                | Self::MastersDiffer { .. }
                | Self::KeysDiffer { .. }
                | Self::NotOnAll { .. }
                | Self::UnusableOnMaster { .. }
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("it was asked for"),
            Self::Missing => f.write_str("there is none yet"),
            Self::KeyMissing => f.write_str("its key is missing on this machine"),
            Self::Unreadable { error } => {
                write!(f, "the one on this machine cannot be read: {error}")
            }
            Self::Chain { error } => error.fmt(f),
            Self::CommonName { found } => write!(f, "it is for {found}, not for {}", layout::USER),
            Self::Algorithm { found, wanted } => write!(f, "its key is {found}, not {wanted}"),
            Self::Usages { missing } => write!(f, "it lacks the usages {}", missing.join(", ")),
            Self::Hosts { missing } => write!(f, "it does not name {}", missing.join(", ")),
            Self::KeyMismatch => f.write_str("the key beside it belongs to another certificate"),
            Self::Expires { at } => write!(f, "it is valid until {} only", at.date()),
            Self::KeyNotHere { files } => write!(
                f,
                "the masters hold one, but its key is not on this machine, and these files need it: {}",
                files.join(", ")
            ),
            Self::Expired { at } => write!(f, "it expired on {}", at.date()),
            Self::MastersDiffer { held } => {
                let held =
                    held.iter().map(|(it, masters)| format!("{} on {}", it, masters.join(", ")));
                let held: Vec<_> = held.collect();
                write!(f, "the masters hold different certificates: {}", held.join("; "))
            }
            Self::KeysDiffer { masters } => {
                write!(f, "the key on {} is not that of the first master", masters.join(", "))
            }
            Self::NotOnAll { masters } => write!(f, "{} does not hold it", masters.join(", ")),
            Self::UnusableOnMaster { master, error } => {
                write!(f, "the one on {master} cannot be used: {error}")
            }
        }
    }
}
