use std::collections::BTreeMap;

use crate::{
    duration::{self, DurationError, GoDuration},
    json::{self, Fields, JsonError},
    usages::{UnknownUsage, Usage, Usages},
    warning::{Parsed, Warning},
};

/// cfssl's signing policy, `ca-config.json`: a default and named profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningConfig {
    /// Profile with possibly empty usages: many files set only the expiry of the default.
    default: Profile,
    profiles: BTreeMap<String, Profile>,
}

/// The usages and the lifetime of certificates that are signed with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `usages`, never empty.
    pub usages: Usages,
    /// `expiry`: lifetime of the certificates.
    pub expiry: GoDuration,
    /// `ca_constraint.is_ca`: the profile is for intermediate CAs, which this crate does not issue.
    pub is_ca: bool,
}

/// The reason a signing config cannot be used.
///
/// Messages name the position or the field, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningConfigError {
    /// The file is not JSON, or a field has the wrong type.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The object `signing` is missing.
    #[error("`signing` is missing; write {{\"signing\": {{\"profiles\": …}}}}")]
    NoSigning,
    /// A profile lists no usages.
    #[error(
        "`{field}` is missing or empty; list usages such as \"signing\", \"key encipherment\", \"client auth\""
    )]
    NoUsages {
        /// The field's path.
        field: String,
    },
    /// A profile lists a usage that cfssl does not know and would silently drop.
    #[error("invalid `{field}`")]
    Usage {
        /// The field's path.
        field: String,
        /// The unknown usage.
        source: UnknownUsage,
    },
    /// A profile has no expiry; cfssl rejects that even if `default` has one.
    #[error("`{field}` is missing; write a duration such as \"87600h\"")]
    NoExpiry {
        /// The field's path.
        field: String,
    },
    /// An expiry is not a positive duration.
    #[error("invalid `{field}`")]
    Duration {
        /// The field's path.
        field: String,
        /// The error of the duration.
        source: DurationError,
    },
    /// A profile delegates signing to a remote signer.
    #[error(
        "`{field}` specifies a remote signer, but only a local CA key is supported; remove `{field}`"
    )]
    Remote {
        /// The field's path.
        field: String,
    },
}

/// A profile that cannot be used for a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownProfile {
    /// No profile has this name; cfssl would silently use the default.
    #[error("unknown signing profile {name:?}; known profiles: {}", or_none(known))]
    NotFound {
        /// Requested name.
        name: String,
        /// The names of all profiles, sorted.
        known: Vec<String>,
    },
    /// The profile makes CA certificates.
    #[error(
        "the signing profile {name:?} is for CA certificates ({because}), not for leaf certificates"
    )]
    ForCa {
        /// The profile's name.
        name: String,
        /// Property of the profile that allows CA certificates.
        because: &'static str,
    },
    /// The default profile was requested but lists no usages.
    #[error("`signing.default` lists no usages; known profiles: {}", or_none(known))]
    NoDefault {
        /// The names of all profiles, sorted.
        known: Vec<String>,
    },
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Fields of a profile that this crate uses.
const READ: &[&str] = &["usages", "expiry", "ca_constraint", "remote", "auth_remote"];
/// Fields of a profile that cfssl knows and this crate ignores.
const UNREAD: &[&str] = &[
    "issuer_urls",
    "ocsp_url",
    "crl_url",
    "ocsp_no_check",
    "backdate",
    "auth_key",
    "prev_auth_key",
    "copy_extensions",
    "not_before",
    "not_after",
    "name_whitelist",
    "ct_log_servers",
    "allowed_extensions",
    "cert_store",
    "lint_error_level",
    "ignored_lints",
    "ignored_lint_sources",
    "Policies",
    "CSRWhitelist",
    "ClientProvidesSerialNumbers",
];

impl SigningConfig {
    /// Returns cfssl's policy without a config file: signing, key encipherment, server auth and
    /// client auth, 8760h.
    #[must_use]
    pub fn built_in() -> Self {
        Self { default: built_in_default(), profiles: BTreeMap::new() }
    }

    /// Reads a signing config, as lenient about field names as
    /// [`CsrFile::parse`](crate::CsrFile::parse).
    ///
    /// # Errors
    /// [`SigningConfigError`] for the first invalid part of the file, in any profile.
    pub fn parse(text: &str) -> Result<Parsed<Self>, SigningConfigError> {
        let root = json::parse(text)?;
        let root = Fields::of(&root, "")?;
        let mut warnings = Vec::new();
        root.warn_of_others(&["signing", "auth_keys", "remotes", "ocsp"], &[], &mut warnings);
        let signing = root.object("signing")?.ok_or(SigningConfigError::NoSigning)?;
        signing.warn_of_others(&["default", "profiles"], &[], &mut warnings);

        let default = match signing.object("default")? {
            None => built_in_default(),
            Some(fields) => profile(&fields, None, &mut warnings)?,
        };
        let mut profiles = BTreeMap::new();
        if let Some(entries) = signing.object("profiles")? {
            for (name, value) in entries.entries() {
                let fields = Fields::of(value, entries.path(name))?;
                let profile = profile(&fields, Some(default.expiry), &mut warnings)?;
                if profile.usages.is_empty() {
                    return Err(SigningConfigError::NoUsages { field: fields.path("usages") });
                }
                profiles.insert(name.to_owned(), profile);
            }
        }
        Ok(Parsed { value: Self { default, profiles }, warnings })
    }

    /// Returns the profile with this name, to sign a leaf certificate.
    ///
    /// # Errors
    /// [`UnknownProfile`] if no profile has this name, or if it is for CA certificates.
    pub fn profile(&self, name: &str) -> Result<&Profile, UnknownProfile> {
        let profile = self.profiles.get(name).ok_or_else(|| UnknownProfile::NotFound {
            name: name.to_owned(),
            known: self.known(),
        })?;
        for_leaf(name, profile)
    }

    /// Returns `signing.default`, which cfssl uses when no profile is named.
    ///
    /// # Errors
    /// [`UnknownProfile`] if it is for CA certificates or lists no usages, as is common for a
    /// default that only sets an expiry.
    pub fn default_profile(&self) -> Result<&Profile, UnknownProfile> {
        if self.default.usages.is_empty() {
            return Err(UnknownProfile::NoDefault { known: self.known() });
        }
        for_leaf("default", &self.default)
    }

    /// Returns the sorted names of the profiles, without the default, which is unnamed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    fn known(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }
}

fn built_in_default() -> Profile {
    use Usage::{ClientAuth, KeyEncipherment, ServerAuth, Signing};
    Profile {
        usages: [Signing, KeyEncipherment, ServerAuth, ClientAuth].into_iter().collect(),
        expiry: GoDuration::from_hours(8760),
        is_ca: false,
    }
}

fn for_leaf<'a>(name: &str, profile: &'a Profile) -> Result<&'a Profile, UnknownProfile> {
    let because = if profile.is_ca {
        "`ca_constraint.is_ca` is true"
    } else if profile.usages.contains(Usage::CertSign) {
        "`usages` contains \"cert sign\""
    } else {
        return Ok(profile);
    };
    Err(UnknownProfile::ForCa { name: name.to_owned(), because })
}

/// Reads a profile; its usages may be empty. An expiry of `0h` means `inherited`, the default's
/// expiry.
fn profile(
    fields: &Fields<'_>,
    inherited: Option<GoDuration>,
    warnings: &mut Vec<Warning>,
) -> Result<Profile, SigningConfigError> {
    fields.warn_of_others(READ, UNREAD, warnings);
    for remote in ["remote", "auth_remote"] {
        if fields.has(remote) {
            return Err(SigningConfigError::Remote { field: fields.path(remote) });
        }
    }
    let is_ca = match fields.object("ca_constraint")? {
        None => false,
        Some(constraint) => {
            constraint.warn_of_others(
                &["is_ca", "max_path_len", "max_path_len_zero"],
                &[],
                warnings,
            );
            constraint.boolean("is_ca")?
        }
    };
    Ok(Profile { usages: usages(fields)?, expiry: expiry(fields, inherited)?, is_ca })
}

fn usages(fields: &Fields<'_>) -> Result<Usages, SigningConfigError> {
    Usages::parse(fields.strings("usages")?)
        .map_err(|source| SigningConfigError::Usage { field: fields.path("usages"), source })
}

fn expiry(
    fields: &Fields<'_>,
    inherited: Option<GoDuration>,
) -> Result<GoDuration, SigningConfigError> {
    let field = fields.path("expiry");
    let text = match fields.string("expiry")? {
        None | Some("") => return Err(SigningConfigError::NoExpiry { field }),
        Some(text) => text,
    };
    let given = duration::parse_or_zero(text).and_then(|given| {
        let zero = || DurationError::NotPositive { text: text.to_owned() };
        given.or(inherited).ok_or_else(zero)
    });
    given.map_err(|source| SigningConfigError::Duration { field, source })
}

#[cfg(test)]
mod tests;
