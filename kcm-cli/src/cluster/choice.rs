//! Scalars that choose one of a few ways.

use std::str::FromStr;

use super::scalar::Scalar;
use super::value::{InvalidValue, invalid};

/// From where the API server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiVia {
    /// Through each master: it proves the path from where it counts.
    #[default]
    Master,
    /// From this machine.
    Direct,
}

/// Where a kubeconfig has certificate and key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialsForm {
    /// In itself. kube-controller-manager reads them when it starts, and never again.
    #[default]
    Embedded,
    /// In itself, and nowhere else: no files with certificate and key are beside it.
    EmbeddedOnly,
    /// In one file beside the certificate, which it names for both. kube-controller-manager reads that again for
    /// every connection and closes its connections within five minutes of a change.
    Files,
}

impl Scalar for CredentialsForm {
    const EXPECTED: &'static str = "a place for certificate and key";
    const EXAMPLE: &'static str = "files";
}

impl FromStr for CredentialsForm {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "embedded-only" => Ok(Self::EmbeddedOnly),
            "files" => Ok(Self::Files),
            _ => Err(invalid::<Self>(text, "write embedded, embedded-only or files")),
        }
    }
}

/// How unit and kubeconfig on a master are compared with what kcm would write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// Byte for byte.
    #[default]
    Bytes,
    /// By what systemd and a client make of them: what comes to the same stays as it is.
    Meaning,
}

impl Scalar for Comparison {
    const EXPECTED: &'static str = "a way to compare";
    const EXAMPLE: &'static str = "meaning";
}

impl FromStr for Comparison {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "bytes" => Ok(Self::Bytes),
            "meaning" => Ok(Self::Meaning),
            _ => Err(invalid::<Self>(text, "write bytes or meaning")),
        }
    }
}

impl Scalar for ApiVia {
    const EXPECTED: &'static str = "a way to the API server";
    const EXAMPLE: &'static str = "master";
}

impl FromStr for ApiVia {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "master" => Ok(Self::Master),
            "direct" => Ok(Self::Direct),
            _ => Err(invalid::<Self>(text, "write master or direct")),
        }
    }
}
