//! Renders artifacts for display: public content as is, secrets as fingerprints.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_kubeconfig::Access;
use kcm_pki::{Certificate, Fingerprint};

use crate::pki::IdentityRequest;
use crate::util::words::size;

/// Placeholder for a certificate that is not issued yet.
pub(crate) const STAND_IN_CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// Placeholder for a key that is not generated yet or not on this machine.
pub(crate) const STAND_IN_KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

const KEY_FIELD: &str = "client-key-data: ";

/// Renders a certificate chain: the first certificate in detail, the others a line each.
pub(crate) fn certificate(pem: &str) -> String {
    let all = Certificate::all_from_pem(pem.as_bytes()).unwrap_or_default();
    let Some((certificate, others)) = all.split_first() else {
        return format!("not a certificate, {}\n", Fingerprint::of(pem.as_bytes()));
    };
    let first = format!(
        "subject: {}\nissuer: {}\nserial: {}\nvalid: {} to {}\nkey: {}\nusages: {}\nfingerprint: {}\n",
        certificate.subject(),
        certificate.issuer(),
        certificate.serial(),
        certificate.not_before().date(),
        certificate.not_after().date(),
        certificate.key_algorithm().map_or_else(|| "other".to_owned(), |key| key.to_string()),
        certificate.usages(),
        certificate.fingerprint(),
    );
    let line = |it: &Certificate| format!("followed by: {}, {}\n", it.subject(), it.fingerprint());
    first + &others.iter().map(line).collect::<String>()
}

/// Renders the certificates of a bundle, a line each.
pub(crate) fn certificates(pem: &str) -> String {
    match Certificate::all_from_pem(pem.as_bytes()) {
        Ok(all) => {
            let line =
                |it: &Certificate| format!("certificate {}, {}\n", it.subject(), it.fingerprint());
            all.iter().map(line).collect()
        }
        Err(_) => format!("no certificates, {}\n", Fingerprint::of(pem.as_bytes())),
    }
}

/// Renders a certificate that will be issued.
pub(crate) fn request(request: &IdentityRequest) -> String {
    format!(
        "a new certificate\nsubject: {}\nkey: {}\nusages: {}\nlifetime: {} hours\n",
        request.subject,
        request.key_algorithm,
        request.usages,
        request.lifetime.as_secs() / 3600,
    )
}

/// Renders a private key as the digest of its file.
pub(crate) fn key(digest: Fingerprint) -> String {
    format!("private key, file {digest}\n")
}

/// Renders the kube-controller-manager binary.
pub(crate) fn binary(bytes: u64, digest: Fingerprint) -> String {
    format!("{} ({bytes} bytes), {digest}\n", size(bytes))
}

/// Renders a file with a certificate and its key.
pub(crate) fn combined(certificates: &str, digest: Fingerprint) -> String {
    format!("{}with its private key, file {digest}\n", certificate(certificates))
}

/// Renders the public view of a kubeconfig, with certificates as fingerprints.
pub(crate) fn kubeconfig(public: &str) -> String {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let view = public.split_inclusive(|c| !is_base64(c)).fold(String::new(), |mut view, piece| {
        let word = piece.trim_end_matches(|c| !is_base64(c));
        let pem = STANDARD.decode(word).ok().and_then(|pem| String::from_utf8(pem).ok());
        match pem.filter(|pem| pem.contains("BEGIN CERTIFICATE")) {
            Some(pem) => {
                view.push_str(&embedded_certificate(&pem));
                view.push_str(piece.strip_prefix(word).unwrap_or_default());
            }
            None => view.push_str(piece),
        }
        view
    });
    view.replace(&stand_in_key(), "a new private key")
}

/// Returns the lines of a kubeconfig's public view except the key, for comparison if the key is not
/// on this machine.
pub(crate) fn without_key(view: &str) -> impl Iterator<Item = &str> {
    view.lines().filter(|line| !line.trim_start().starts_with(KEY_FIELD))
}

/// Returns the client certificate embedded in a kubeconfig, from its public view.
pub(crate) fn embedded(view: &str) -> Option<Vec<u8>> {
    Access::of_public_view(view).ok()?.certificate().map(<[u8]>::to_vec)
}

/// Returns the fingerprint of the first certificate in a PEM file. Intermediates may follow it.
pub(crate) fn leaf(pem: &[u8]) -> Option<Fingerprint> {
    Certificate::first_from_pem(pem).ok().map(|certificate| certificate.fingerprint())
}

/// Returns the path of the client certificate, as written in a kubeconfig, from its public view.
pub(crate) fn client_certificate(public: &str) -> Option<String> {
    Access::of_public_view(public).ok()?.certificate_file().map(str::to_owned)
}

/// Returns the server URL of a kubeconfig, from its public view.
pub(crate) fn server(public: &str) -> Option<String> {
    Access::of_public_view(public).ok().map(|access| access.server().to_owned())
}

fn stand_in_key() -> String {
    format!("sha256:{}", Fingerprint::of(STANDARD.encode(STAND_IN_KEY).as_bytes()).to_hex())
}

fn embedded_certificate(pem: &str) -> String {
    if pem == STAND_IN_CERTIFICATE {
        return "a new certificate".to_owned();
    }
    match Certificate::all_from_pem(pem.as_bytes()) {
        Ok(all) => {
            let each = all.iter().map(|it| it.fingerprint().to_string());
            format!("certificate {}", each.collect::<Vec<_>>().join(" "))
        }
        Err(_) => format!("not a certificate, {}", Fingerprint::of(pem.as_bytes())),
    }
}

/// Longest text, in bytes, of which a difference is computed.
const LONGEST: usize = 64 << 10;

/// Truncates a text to the whole lines in its first [`LONGEST`] bytes, and appends the number of
/// omitted lines.
///
/// This bounds the time to compute a difference.
pub(crate) fn bounded(text: &str) -> Cow<'_, str> {
    let Some(first) = text.as_bytes().get(..LONGEST).filter(|_| text.len() > LONGEST) else {
        return text.into();
    };
    let end = first.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (shown, rest) = text.split_at(end);
    format!("{shown}… {} more lines\n", rest.lines().count()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_after_a_line() {
        assert_eq!(bounded("a\nb"), "a\nb");
        let long = bounded(&"äöü\n".repeat(50_000)).into_owned();
        assert!(
            long.len() < LONGEST + 64 && long.ends_with("ü\n… 40638 more lines\n"),
            "{}",
            long.len()
        );
        assert_eq!(bounded(&"x".repeat(100_000)), "… 1 more lines\n");
    }
}
