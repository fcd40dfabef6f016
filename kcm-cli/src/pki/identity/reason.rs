//! The reasons to issue a new certificate.

use std::fmt;

use kcm_pki::{Fingerprint, KeyAlgorithm};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::util::schema::{KeyAlgorithmName, Rfc3339, Sha256};

/// The reason why a certificate is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// An operator requested a new certificate.
    Asked,
    /// No certificate exists yet.
    Missing,
    /// The certificate exists without its key.
    KeyMissing,
    /// The certificate or the key on this machine cannot be parsed.
    Unreadable {
        /// The cause.
        error: String,
    },
    /// The CA is new, or the certificate is not a valid client certificate of the CA.
    Chain {
        /// The cause.
        error: String,
    },
    /// The common name is not the requested one.
    CommonName {
        /// Common name of the certificate.
        found: String,
        /// Requested common name.
        wanted: String,
    },
    /// The key has another algorithm or size.
    Algorithm {
        /// Algorithm of the key.
        found: String,
        /// Requested algorithm.
        #[schemars(with = "KeyAlgorithmName")]
        wanted: KeyAlgorithm,
    },
    /// The certificate lacks a requested usage.
    Usages {
        /// The missing usages.
        missing: Vec<String>,
    },
    /// The serving certificate lacks names or addresses.
    Hosts {
        /// The missing names and addresses.
        missing: Vec<String>,
    },
    /// The key beside the certificate belongs to another one.
    KeyMismatch,
    /// The certificate expires within `renewBefore`.
    Expires {
        /// End of the certificate's validity.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        at: OffsetDateTime,
    },
    /// All masters hold the certificate, but files to write need its key, which is not on this
    /// machine.
    KeyNotHere {
        /// The files, each with its master.
        files: Vec<String>,
    },
    /// The certificate has expired.
    Expired {
        /// End of the certificate's validity.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        at: OffsetDateTime,
    },
    /// The masters hold different certificates.
    MastersDiffer {
        /// Each certificate, with the masters that hold it.
        #[schemars(with = "Vec<(Sha256, Vec<String>)>")]
        held: Vec<(Fingerprint, Vec<String>)>,
    },
    /// The masters hold the same certificate with different keys.
    KeysDiffer {
        /// The masters whose key differs from that of the first master.
        masters: Vec<String>,
    },
    /// Some masters hold no certificate.
    NotOnAll {
        /// Names of those masters.
        masters: Vec<String>,
    },
    /// A master holds a certificate that cannot be used.
    UnusableOnMaster {
        /// Name of the master.
        master: String,
        /// The cause.
        error: String,
    },
}

impl Reason {
    /// Reports whether the reason concerns files of particular masters, as opposed to the
    /// certificate.
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
            Self::Asked => f.write_str("requested by the operator"),
            Self::Missing => f.write_str("no certificate exists yet"),
            Self::KeyMissing => f.write_str("the key is missing on this machine"),
            Self::Unreadable { error } => {
                write!(f, "the certificate or its key cannot be used: {error}")
            }
            Self::Chain { error } => error.fmt(f),
            Self::CommonName { found, wanted } => {
                write!(f, "the common name is {found}, not {wanted}")
            }
            Self::Algorithm { found, wanted } => {
                write!(f, "the key algorithm is {found}, not {wanted}")
            }
            Self::Usages { missing } => {
                write!(f, "the certificate lacks the usages {}", missing.join(", "))
            }
            Self::Hosts { missing } => write!(
                f,
                "the certificate lacks the subject alternative names {}",
                missing.join(", ")
            ),
            Self::KeyMismatch => f.write_str("the key does not match the certificate"),
            Self::Expires { at } => write!(f, "the certificate expires on {}", at.date()),
            Self::KeyNotHere { files } => write!(
                f,
                "the key of the certificate on the masters is not on this machine, and these files need the key: {}",
                files.join(", ")
            ),
            Self::Expired { at } => write!(f, "the certificate expired on {}", at.date()),
            Self::MastersDiffer { held } => {
                let held =
                    held.iter().map(|(it, masters)| format!("{} on {}", it, masters.join(", ")));
                let held: Vec<_> = held.collect();
                write!(f, "the masters have different certificates: {}", held.join("; "))
            }
            Self::KeysDiffer { masters } => {
                write!(
                    f,
                    "the key on {} differs from the key on the first master",
                    masters.join(", ")
                )
            }
            Self::NotOnAll { masters } => {
                write!(f, "the certificate is missing on {}", masters.join(", "))
            }
            Self::UnusableOnMaster { master, error } => {
                write!(f, "the certificate on {master} cannot be used: {error}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_common_name_is_compared_with_the_requested_one() {
        let reason = Reason::CommonName { found: "a".to_owned(), wanted: "admin".to_owned() };
        assert_eq!(reason.to_string(), "the common name is a, not admin");
    }
}
