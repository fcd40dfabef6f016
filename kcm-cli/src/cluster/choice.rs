//! Scalars that accept a fixed set of words.

use std::str::FromStr;

use super::scalar::Scalar;
use super::value::{InvalidValue, invalid};

/// The route of requests to the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiVia {
    /// Through each master, which tests the path that kube-controller-manager uses.
    #[default]
    Master,
    /// Directly from this machine.
    Direct,
}

/// The storage of certificate and key for the kubeconfig.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialsForm {
    /// In the kubeconfig. kube-controller-manager reads them only at its start.
    #[default]
    Embedded,
    /// In the kubeconfig only, without separate files for certificate and key.
    EmbeddedOnly,
    /// In one file beside the certificate, which the kubeconfig names for both.
    /// kube-controller-manager reads it again for every connection, and closes its connections
    /// within five minutes of a change.
    Files,
}

impl Scalar for CredentialsForm {
    const EXPECTED: &'static str = "a storage form of credentials";
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

/// The comparison of unit and kubeconfig on a master with the desired files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// Byte by byte.
    #[default]
    Bytes,
    /// By their effect on systemd and on a client; a semantically equal file stays unchanged.
    Semantic,
}

impl Scalar for Comparison {
    const EXPECTED: &'static str = "a comparison method";
    const EXAMPLE: &'static str = "semantic";
}

impl FromStr for Comparison {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "bytes" => Ok(Self::Bytes),
            "semantic" => Ok(Self::Semantic),
            "meaning" => {
                Err(invalid::<Self>(text, "this value is now called semantic; write semantic"))
            }
            _ => Err(invalid::<Self>(text, "write bytes or semantic")),
        }
    }
}

impl Scalar for ApiVia {
    const EXPECTED: &'static str = "a route to the API server";
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
