//! Checks a kubeconfig on this machine with the files that it names. Changes nothing.

mod files;
mod trust;

use std::path::Path;
use std::time::Duration;

use kcm_kubeconfig::{AccessError, Current, Kubeconfig, LookupError, ServerUrl, Warning};
use kcm_pki::Certificate;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::error::Error;
use crate::finding::{Finding, FindingCode, Severity};
use crate::ops::certs::CheckedCertificate;
use crate::pki::OperatorError;
use crate::util::files::read_small;
use crate::util::schema::Rfc3339;
use crate::util::words::command;
use files::Material;

/// The result of a check of a kubeconfig.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KubeconfigCheck {
    /// Time of the check.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub at: OffsetDateTime,
    /// The file, as it was named.
    pub file: String,
    /// The client certificate of the current context, then the CA certificates of its cluster.
    pub certificates: Vec<CheckedCertificate>,
    /// The problems, in the order of the check.
    pub findings: Vec<Finding>,
}

impl KubeconfigCheck {
    /// Returns the highest severity; `None` without findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    fn error(&mut self, code: FindingCode, problem: String, help: impl Into<String>) {
        let finding = Finding::general(code, problem, help);
        self.findings.push(Finding { severity: Severity::Error, ..finding });
    }

    fn warning(&mut self, code: FindingCode, problem: String, help: impl Into<String>) {
        self.findings.push(Finding::general(code, problem, help));
    }
}

/// The kubeconfig to check, and the expectations.
#[derive(Clone, Copy, Debug)]
pub struct KubeconfigCheckRequest<'a> {
    /// The kubeconfig.
    pub file: &'a Path,
    /// File with the CA certificates that must have issued the client certificate. By default, those
    /// of the kubeconfig.
    pub ca: Option<&'a Path>,
    /// The expected URL of the API server.
    pub server: Option<&'a ServerUrl>,
    /// Period before the expiry in which a certificate is due. By default, as for `certs check`.
    pub within: Option<Duration>,
    /// Current time.
    pub now: OffsetDateTime,
}

/// Checks the current context of a kubeconfig: references, server, certificate, key, CA, dates, and
/// modes of files with keys.
///
/// # Errors
/// If the kubeconfig or the file `ca` cannot be read. All other problems are findings.
pub fn check_kubeconfig(request: KubeconfigCheckRequest<'_>) -> Result<KubeconfigCheck, Error> {
    const FILE: &str = "the kubeconfig";
    let file = request.file.display().to_string();
    let (at, certificates, findings) = (request.now, Vec::new(), Vec::new());
    let mut check = KubeconfigCheck { at, file, certificates, findings };
    let expected = request.ca.map(trust::read_ca).transpose()?;
    let content = read_small(request.file)
        .map_err(|error| OperatorError::unreadable(FILE, request.file, &error))?;
    let parsed = match std::str::from_utf8(&content).map(Kubeconfig::from_yaml) {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(error)) => {
            let problem = format!("{}: {error}", check.file);
            check.error(FindingCode::FileUnusable, problem, AccessError::from(error).help());
            return Ok(check);
        }
        Err(_) => {
            let problem = format!("{}: the file is not UTF-8", check.file);
            check.error(FindingCode::FileUnusable, problem, "save the file as UTF-8");
            return Ok(check);
        }
    };
    let ignored =
        parsed.warnings.iter().filter(|it| !matches!(it, Warning::CommentsDropped { .. }));
    for warning in ignored {
        let problem = format!("{}: {warning}", check.file);
        check.warning(FindingCode::KubeconfigIgnored, problem, "correct the file");
    }
    match parsed.kubeconfig.current() {
        Ok(current) => check_current(&mut check, request, current, expected.as_deref()),
        Err(error) => check.context(error),
    }
    Ok(check)
}

fn check_current(
    check: &mut KubeconfigCheck,
    request: KubeconfigCheckRequest<'_>,
    current: Current<'_>,
    expected: Option<&[Certificate]>,
) {
    check_server(check, request.server, current);
    let material = Material::read(check, request.file, current);
    trust::check_dates(check, request, &material);
    trust::check_issuer(check, request, &material, expected);
    check_credentials(check, current, &material);
    check_modes(check, request.file, current, &material);
}

fn check_server(check: &mut KubeconfigCheck, wanted: Option<&ServerUrl>, current: Current<'_>) {
    let (name, server) = (&current.cluster.name, &current.cluster.entry.server);
    if server.is_empty() {
        return check.context(LookupError::NoServer { cluster: name.clone() });
    }
    if let Err(error) = server.parse::<ServerUrl>() {
        let problem = format!("{}: server of cluster `{name}`: {error}", check.file);
        let help = "set a URL such as https://192.168.1.210:6443";
        check.error(FindingCode::ServerInvalid, problem, help);
    } else if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != server) {
        let problem = format!("{}: the server is {server}, not {wanted}", check.file);
        let help = "build the kubeconfig again with the other URL, or correct --server";
        check.error(FindingCode::ServerDiffers, problem, help);
    }
}

fn check_credentials(check: &mut KubeconfigCheck, current: Current<'_>, material: &Material) {
    let (file, name, user) = (check.file.clone(), &current.user.name, &current.user.entry);
    let others = user.stale_credentials();
    let others: Vec<_> = others.iter().map(|credential| format!("`{credential}`")).collect();
    match (material.certificate.is_named, material.key.is_named) {
        (true, true) => {}
        (false, false) if others.is_empty() => {
            let problem = format!("{file}: user `{name}` has no credentials");
            let help = "build the kubeconfig again with a client certificate and its key";
            return check.error(FindingCode::CredentialMissing, problem, help);
        }
        (false, false) => return,
        (has_certificate, _) => {
            let (has, lacks) = if has_certificate {
                ("a client certificate", "no private key")
            } else {
                ("a private key", "no client certificate")
            };
            let problem = format!("{file}: user `{name}` has {has} and {lacks}");
            let help = "build the kubeconfig again with a client certificate and its key";
            check.error(FindingCode::CredentialMissing, problem, help);
        }
    }
    if let (Some([leaf, ..]), Some(key)) = (material.client(), &material.key.value)
        && !key.matches(leaf)
    {
        let problem = format!(
            "{file}: the private key of user `{name}` does not match the client certificate ({})",
            leaf.subject()
        );
        let help = "build the kubeconfig again with a certificate and its own key";
        check.error(FindingCode::KeyMismatch, problem, help);
    }
    if !others.is_empty() {
        let problem = format!(
            "{file}: user `{name}` has {} beside the client certificate",
            others.join(", ")
        );
        let help =
            "remove the credentials that are not used, for example with `kubectl config unset`";
        check.warning(FindingCode::CredentialStale, problem, help);
    }
}

/// Reports files with secrets that other users can access.
fn check_modes(
    check: &mut KubeconfigCheck,
    file: &Path,
    current: Current<'_>,
    material: &Material,
) {
    let user = &current.user.entry;
    let has_secret = user.embedded_key().is_some()
        || !user.token.expose_secret().is_empty()
        || !user.password.expose_secret().is_empty();
    let own = has_secret.then(|| file.to_owned());
    for path in own.into_iter().chain(material.key.path.clone()) {
        let Some(mode) = files::wide_mode(&path) else { continue };
        let shown = path.display().to_string();
        let problem =
            format!("{shown} contains a secret and has mode {mode}, which is wider than 0600");
        let help = format!("run `{}`", command(["chmod", "600", &shown]));
        check.warning(FindingCode::SecretReadable, problem, help);
    }
}

impl KubeconfigCheck {
    fn context(&mut self, error: LookupError) {
        let problem = format!("{}: {error}", self.file);
        self.error(FindingCode::ContextInvalid, problem, AccessError::from(error).help());
    }
}
