//! The systemd service and the owner of files: the public types, and their scalars.

use std::fmt;

use kcm_systemd::{AccountName, Directive, Hardening, SectionName};

use super::scalar::scalar;
use super::value::invalid;

/// The settings of the systemd service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// User that the service runs as; `None` is root.
    pub user: Option<AccountName>,
    /// Group that the service runs as; `None` is the user's primary group.
    pub group: Option<AccountName>,
    /// Sandboxing preset.
    pub hardening: Hardening,
    /// Additional directives of the unit, in order, after kcm's directives.
    pub directives: Vec<(SectionName, Directive)>,
}

/// The owner of the files that kcm writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The user.
    pub user: AccountName,
    /// The group; `None` is the user's primary group.
    pub group: Option<AccountName>,
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}

scalar!(Ownership, "a file owner", "kube:kube", |text| {
    let account = |name: &str| {
        AccountName::parse(name).map_err(|error| invalid::<Self>(text, error.to_string()))
    };
    match text.split_once(':') {
        Some(("", _) | (_, "")) => {
            Err(invalid::<Self>(text, "write USER, or USER:GROUP with both names"))
        }
        Some((user, group)) => Ok(Self { user: account(user)?, group: Some(account(group)?) }),
        None => Ok(Self { user: account(text)?, group: None }),
    }
});

/// The name of a hardening preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HardeningName(pub(super) Hardening);

scalar!(
    HardeningName,
    "a hardening preset",
    "strict",
    [("none", Self(Hardening::None)), ("strict", Self(Hardening::Strict))],
    "write none or strict"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_written_as_it_is_read() {
        for text in ["kube", "kube:kube", "root:kubernetes", "_kcm:_kcm-1"] {
            assert_eq!(text.parse::<Ownership>().unwrap().to_string(), text);
        }
        for text in ["", ":", "kube:", ":kube", "kube:kube:kube", "kube.kube", "0:0", "kube: kube"]
        {
            assert!(text.parse::<Ownership>().is_err(), "{text}");
        }
    }
}
