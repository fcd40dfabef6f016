use crate::Secret;

/// The source of certificates in a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Embedded PEM, verbatim: `--embed-certs=true`.
    Embedded(Vec<u8>),
    /// Path of a PEM file on the machine that uses the kubeconfig. A relative path is relative to
    /// the kubeconfig's folder; see [`path_in_kubeconfig`](crate::path_in_kubeconfig).
    File(String),
}

/// The source of a private key in a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Embedded PEM, verbatim.
    Embedded(Secret<Vec<u8>>),
    /// Path of a PEM file. The file may be that of the certificate, since clients read only the
    /// matching blocks.
    File(String),
}
