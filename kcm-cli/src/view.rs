//! Artifacts for people: what is public as it is, fingerprints in place of everything else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_pki::{Certificate, Fingerprint};

use crate::operator::IdentityRequest;
use crate::words::size;

/// Stands for a certificate that is not made yet, where a rendering needs one.
pub(crate) const STAND_IN_CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// Stands for a key that is not made yet or not here.
pub(crate) const STAND_IN_KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

const KEY_FIELD: &str = "client-key-data: ";

/// A certificate in a few lines.
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

/// The certificates of a bundle, a line each.
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

/// A certificate that is yet to be issued.
pub(crate) fn request(request: &IdentityRequest) -> String {
    format!(
        "a new certificate\nsubject: {}\nkey: {}\nusages: {}\nlifetime: {} hours\n",
        request.subject,
        request.key_algorithm,
        request.usages,
        request.lifetime.as_secs() / 3600,
    )
}

/// A private key.
pub(crate) fn key(digest: Fingerprint) -> String {
    format!("private key, file {digest}\n")
}

/// kube-controller-manager itself.
pub(crate) fn binary(bytes: u64, digest: Fingerprint) -> String {
    format!("{} ({bytes} bytes), {digest}\n", size(bytes))
}

/// A certificate and its key in one file.
pub(crate) fn combined(certificates: &str, digest: Fingerprint) -> String {
    format!("{}with its private key, file {digest}\n", certificate(certificates))
}

/// A kubeconfig's public lines for people: certificates as fingerprints.
pub(crate) fn kubeconfig(public: &str) -> String {
    public.lines().fold(String::new(), |mut view, line| {
        let (field, value) = line.split_once("-data: ").unwrap_or((line, ""));
        match field.trim_start() {
            "certificate-authority" | "client-certificate" => {
                view.push_str(field);
                view.push_str("-data: ");
                view.push_str(&embedded_certificate(value));
            }
            "client-key" if value == stand_in_key() => {
                view.push_str(field);
                view.push_str("-data: a new private key");
            }
            _ => view.push_str(line),
        }
        view.push('\n');
        view
    })
}

/// A kubeconfig's public lines without the key: what can be compared where the key is not here.
pub(crate) fn without_key(view: &str) -> impl Iterator<Item = &str> {
    view.lines().filter(|line| !line.trim_start().starts_with(KEY_FIELD))
}

/// The file that a kubeconfig names for the certificate, as it is written there, by its public lines.
pub(crate) fn client_certificate(public: &str) -> Option<&str> {
    public.lines().find_map(|line| line.trim_start().strip_prefix("client-certificate: "))
}

/// The server that a kubeconfig names, by its public lines.
pub(crate) fn server(public: &str) -> Option<&str> {
    let lines = public.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.into_iter().find_map(|line| line.strip_prefix("server: "))
}

fn stand_in_key() -> String {
    format!("sha256:{}", Fingerprint::of(STANDARD.encode(STAND_IN_KEY).as_bytes()).to_hex())
}

fn embedded_certificate(data: &str) -> String {
    let Some(pem) = STANDARD.decode(data).ok().and_then(|pem| String::from_utf8(pem).ok()) else {
        return format!("not base64, {}", Fingerprint::of(data.as_bytes()));
    };
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
