//! Scalars that accept a fixed set of words.

use super::scalar::scalar;
use super::value::invalid;

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

scalar!(
    CredentialsForm,
    "a storage form of credentials",
    "files",
    [("embedded", Self::Embedded), ("embedded-only", Self::EmbeddedOnly), ("files", Self::Files)],
    "write embedded, embedded-only or files"
);

/// The comparison of unit and kubeconfig on a master with the desired files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// Byte by byte.
    #[default]
    Bytes,
    /// By their effect on systemd and on a client; a semantically equal file stays unchanged.
    Semantic,
}

scalar!(Comparison, "a comparison method", "semantic", |text| {
    match text {
        "bytes" => Ok(Self::Bytes),
        "semantic" => Ok(Self::Semantic),
        "meaning" => {
            Err(invalid::<Self>(text, "this value is now called semantic; write semantic"))
        }
        _ => Err(invalid::<Self>(text, "write bytes or semantic")),
    }
});

scalar!(
    ApiVia,
    "a route to the API server",
    "master",
    [("master", Self::Master), ("direct", Self::Direct)],
    "write master or direct"
);
