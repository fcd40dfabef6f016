//! Renders the systemd unit of kube-controller-manager, and lints its flags for a version.
//!
//! `kcm-systemd` validates every part before rendering. Rendering cannot fail, and the process
//! receives exactly the given arguments. The lint reports flags that kube-controller-manager of a
//! given version would reject.
//!
//! Run it with `cargo run --example render_unit`.
#![expect(clippy::disallowed_methods, reason = "the output is the caller's, not the crate's")]

use std::error::Error;
use std::io::{self, Write};

use kcm_systemd::{
    AccountName, ControllerManagerUnit, ExecutablePath, Flags, Hardening, KubernetesVersion,
    LintVersions, Severity, UnitFile, lint_flags,
};

const EXECUTABLE: &str = "/opt/kubernetes/bin/kube-controller-manager";

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let mut flags = Flags::from_pairs([
        ("allocate-node-cidrs", "true"),
        ("cluster-cidr", "172.20.0.0/16"),
        ("cluster-name", "my \"first\" cluster, 100% ours"),
        ("kubeconfig", "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig"),
        ("use-service-account-credentials", "true"),
        // Kubernetes 1.24 has removed this flag.
        ("port", "0"),
    ])?;

    let version = KubernetesVersion::parse("v1.36.2")?;
    let lints = lint_flags(&flags, &LintVersions::These(vec![version]));
    // `Severity::Benchmark` marks recommendations of the CIS Kubernetes Benchmark.
    for lint in lints.iter().filter(|lint| lint.severity >= Severity::Warning) {
        let severity = if lint.severity == Severity::Error { "error" } else { "warning" };
        writeln!(out, "{severity}[{}]: {lint}", lint.code.as_str())?;
        writeln!(out, "  help: {}", lint.help)?;
    }

    flags.remove("port");
    let unit = ControllerManagerUnit {
        user: Some(AccountName::parse("kube-controller-manager")?),
        hardening: Hardening::Strict,
        ..ControllerManagerUnit::new(ExecutablePath::try_from(EXECUTABLE)?, flags)
    };
    let text = unit.render();
    write!(out, "{text}")?;

    // systemd silently drops directives that it does not know; the parser reports them.
    let read = UnitFile::parse(&text);
    if read.findings.is_empty() { Ok(()) } else { Err("systemd would drop directives".into()) }
}
