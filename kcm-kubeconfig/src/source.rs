use crate::Secret;

/// Where a kubeconfig has certificates from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The PEM itself, byte for byte: `--embed-certs=true`.
    Embedded(Vec<u8>),
    /// The path of a PEM file on the machine that will use the kubeconfig. A relative one is relative to the
    /// kubeconfig's folder; see [`path_in_kubeconfig`](crate::path_in_kubeconfig).
    File(String),
}

/// Where a kubeconfig has a private key from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The PEM itself, byte for byte.
    Embedded(Secret<Vec<u8>>),
    /// The path of a PEM file, which may be the one of the certificate: clients take from each what they look for.
    File(String),
}
