//! Builds the kubeconfig of a control plane component with paths or embedded credentials, and
//! prints it without secrets.
//!
//! `kcm-kubeconfig` writes the same bytes as `kubectl config`. The caller reads and writes the
//! files.
//!
//! Run it with `cargo run --example build_kubeconfig`.
#![expect(clippy::disallowed_methods, reason = "the output is the caller's, not the crate's")]

use std::error::Error;
use std::io::{self, Write};

use kcm_kubeconfig::{CertificateSource, ComponentKubeconfig, KeySource, Secret, public_view};

/// A placeholder certificate and key without access to anything; `kcm-pki` issues real ones.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
const KEY: &[u8] = b"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n";

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();

    // A component that reloads its files uses a renewed certificate without a restart.
    let combined = "/opt/kubernetes/pki/kube-controller-manager-current.pem".to_owned();
    let with_paths = component(
        CertificateSource::File("/opt/kubernetes/pki/ca/cert/ca.pem".to_owned()),
        CertificateSource::File(combined.clone()),
        KeySource::File(combined),
    )?;
    writeln!(out, "# with paths\n{}", with_paths.build()?.to_yaml().as_str())?;

    let embedded = component(
        CertificateSource::Embedded(CERTIFICATE.to_vec()),
        CertificateSource::Embedded(CERTIFICATE.to_vec()),
        KeySource::Embedded(Secret::new(KEY.to_vec())),
    )?;
    let text = embedded.build()?.to_yaml();
    // For logs and diffs: equal secrets have equal digests, which reveal changes but not the
    // secrets.
    writeln!(out, "# embedded, redacted\n{}", public_view(&text, sha256_hex))?;
    Ok(())
}

fn component(
    certificate_authority: CertificateSource,
    client_certificate: CertificateSource,
    client_key: KeySource,
) -> Result<ComponentKubeconfig, Box<dyn Error>> {
    Ok(ComponentKubeconfig {
        cluster: "kubernetes".to_owned(),
        server: "https://192.168.1.210:6443".parse()?,
        certificate_authority,
        user: "kube-controller-manager".to_owned(),
        client_certificate,
        client_key,
        context: "default".to_owned(),
    })
}

/// Returns the SHA-256 digest in hexadecimal. The crate has no hash function; any implementation
/// works.
fn sha256_hex(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
