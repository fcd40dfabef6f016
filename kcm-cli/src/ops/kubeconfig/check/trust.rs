//! Checks the dates and the issuer of the certificates of a kubeconfig.

use std::path::Path;

use kcm_pki::{Certificate, ChainError, verify_client_chain};

use super::files::Material;
use super::{KubeconfigCheck, KubeconfigCheckRequest};
use crate::error::Error;
use crate::finding::FindingCode;
use crate::ops::certs::{CertificateUse, CheckedCertificate, Validity};
use crate::pki::identity::cas;
use crate::pki::{OperatorError, with_help};
use crate::util::files::read_small;
use crate::util::words::in_full;

/// Reads the CA certificates that must have issued the client certificate.
pub(super) fn read_ca(path: &Path) -> Result<Vec<Certificate>, Error> {
    const CA: &str = "--ca";
    let pem = read_small(path).map_err(|error| OperatorError::unreadable(CA, path, &error))?;
    let help = "write the path of a PEM file with CA certificates";
    Certificate::all_from_pem(&pem)
        .map_err(|error| OperatorError::content(CA, path, with_help(&error, help)).into())
}

/// Reports certificates that are due, expired or not yet valid.
pub(super) fn check_dates(
    check: &mut KubeconfigCheck,
    request: KubeconfigCheckRequest<'_>,
    material: &Material,
) {
    let client = material.client().and_then(<[_]>::first);
    let client = client.map(|it| (CertificateUse::Kubeconfig, &material.certificate.path, it));
    let ca = material.ca.value.iter().flatten();
    let ca = ca.map(|it| (CertificateUse::Ca, &material.ca.path, it));
    for (role, path, certificate) in client.into_iter().chain(ca) {
        let place = path.as_ref().map_or_else(|| check.file.clone(), |it| it.display().to_string());
        let checked =
            CheckedCertificate::new((role, place), certificate, request.within, request.now);
        check_date(check, &checked, certificate);
        check.certificates.push(checked);
    }
}

fn check_date(
    check: &mut KubeconfigCheck,
    checked: &CheckedCertificate,
    certificate: &Certificate,
) {
    let CheckedCertificate { role, place, subject, not_after, days_left, validity, .. } = checked;
    let (kind, renew) = match role {
        CertificateUse::Ca => ("CA", "replace the CA certificate"),
        _ => ("client", "issue a new client certificate and build the kubeconfig again"),
    };
    let what = format!("{place}: the {kind} certificate {subject}");
    match validity {
        Validity::Good => {}
        Validity::Due => {
            let ends = not_after.date();
            let problem = format!("{what} expires on {ends}, in {days_left} days");
            check.warning(FindingCode::CertificateDue, problem, renew);
        }
        Validity::Expired => {
            let problem = format!("{what} expired on {}", not_after.date());
            check.error(FindingCode::CertificateExpired, problem, renew);
        }
        Validity::NotYetValid => {
            let begins = certificate.not_before().date();
            let problem = format!("{what} is not valid before {begins}");
            let help = "compare the clocks of this machine and of the machine that issued it";
            check.error(FindingCode::CertificateExpired, problem, help);
        }
    }
}

/// Reports a client certificate that was not issued by the expected CA, or is not usable as one.
pub(super) fn check_issuer(
    check: &mut KubeconfigCheck,
    request: KubeconfigCheckRequest<'_>,
    material: &Material,
    expected: Option<&[Certificate]>,
) {
    let (source, trusted) = match (expected, material.ca.value.as_deref()) {
        (Some(expected), _) => ("the CA of --ca", expected),
        (None, Some(own)) => ("the CA of the kubeconfig", own),
        (None, None) => return,
    };
    let Some((leaf, intermediates)) = material.client().and_then(<[_]>::split_first) else {
        return;
    };
    let verified = verify_client_chain(leaf, &cas(intermediates), &cas(trusted), request.now);
    let problem = match verified {
        // Dates are findings of their own.
        Ok(()) | Err(ChainError::LeafNotValid { .. } | ChainError::CaNotValid { .. }) => return,
        Err(error) => in_full(&error),
    };
    let problem =
        format!("{}: {source} does not accept the client certificate: {problem}", check.file);
    let help = "build the kubeconfig with a certificate of this CA; if clients have a separate CA, name its certificate with --ca";
    check.error(FindingCode::CertificateUntrusted, problem, help);
}
