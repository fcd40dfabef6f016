//! Tests of the help of each finding, on folders: the commands on the master, and the commands and
//! settings of kcm.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use kcm_tests::{Workspace, peers};
use serde_json::Value;

use super::{
    CA, CA_KEY, CERTIFICATE, Holder, KEY, KUBECONFIG, TAMPERED, UNIT, chmod, found, run, workspace,
};

const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

/// A state of the second master, the code of its finding, and the settings and commands in its
/// help.
struct Case {
    name: &'static str,
    spoil: fn(&Workspace),
    code: &'static str,
    names: &'static [&'static str],
}

fn on_master(workspace: &Workspace, path: &str) -> std::path::PathBuf {
    workspace.on_master(TAMPERED, path)
}

fn remove(workspace: &Workspace, path: &str) {
    fs::remove_file(on_master(workspace, path)).unwrap();
}

/// Issues a certificate of the operator to all masters that is nearly expired.
fn with_short_lived_certificate(workspace: &Workspace) {
    workspace.edit("pki:\n", "pki:\n  lifetime: 2h\n  renewBefore: 30m\n");
    assert_eq!(run(workspace, &["certs", "renew", "--force"]).code, 0);
    workspace.edit("  lifetime: 2h\n  renewBefore: 30m\n", "  renewBefore: 24h\n");
}

const CASES: &[Case] = &[
    Case {
        name: "an unknown kubeconfig",
        spoil: |workspace| fs::write(on_master(workspace, KUBECONFIG), "{}\n").unwrap(),
        code: "drift",
        names: &["kcm plan", "kcm apply"],
    },
    Case {
        name: "another flag in the unit",
        spoil: |workspace| {
            let at = on_master(workspace, UNIT);
            let text = fs::read_to_string(&at).unwrap();
            fs::write(at, text.replace("--v=2", "--v=4")).unwrap();
        },
        code: "drift",
        names: &["kcm plan", "kcm apply"],
    },
    Case {
        name: "no unit",
        spoil: |workspace| remove(workspace, UNIT),
        code: "not-deployed",
        names: &["kcm apply"],
    },
    Case {
        name: "an empty unit",
        spoil: |workspace| fs::write(on_master(workspace, UNIT), "").unwrap(),
        code: "unit-masked",
        names: &["kcm apply"],
    },
    Case {
        name: "a masked unit",
        spoil: |workspace| {
            remove(workspace, UNIT);
            symlink("/dev/null", on_master(workspace, UNIT)).unwrap();
        },
        code: "unit-masked",
        names: &["systemctl unmask kube-controller-manager.service", "kcm apply"],
    },
    Case {
        name: "a unit that is not enabled",
        spoil: |workspace| remove(workspace, ENABLED),
        code: "not-enabled",
        names: &["kcm apply"],
    },
    Case {
        name: "a key that everybody can read",
        spoil: |workspace| chmod(&on_master(workspace, KEY), 0o644),
        code: "secret-readable",
        names: &["kcm apply"],
    },
    Case {
        name: "a certificate that everybody can write",
        spoil: |workspace| chmod(&on_master(workspace, CERTIFICATE), 0o666),
        code: "file-writable",
        names: &["kcm apply"],
    },
    Case {
        name: "a certificate that ends soon",
        spoil: with_short_lived_certificate,
        code: "certificate-due",
        names: &["kcm certs renew"],
    },
];

/// Cases in which an operator installed the CA files on the masters.
const CASES_OF_CA: &[Case] = &[
    Case {
        name: "a CA key that everybody can read",
        spoil: |workspace| chmod(&on_master(workspace, CA_KEY), 0o644),
        code: "secret-readable",
        names: &["chmod o-rwx /opt/kubernetes/pki/ca/cert/ca-key.pem"],
    },
    Case {
        name: "a CA certificate that everybody can write",
        spoil: |workspace| chmod(&on_master(workspace, CA), 0o646),
        code: "file-writable",
        names: &["chmod o-w /opt/kubernetes/pki/ca/cert/ca.pem"],
    },
    Case {
        name: "no CA certificate",
        spoil: |workspace| remove(workspace, CA),
        code: "file-missing",
        names: &["install.distributeCa: true", "kcm apply"],
    },
    Case {
        name: "no CA key",
        spoil: |workspace| remove(workspace, CA_KEY),
        code: "file-missing",
        names: &["install.distributeCa: true", "kcm apply"],
    },
];

/// Follows one code span of a help.
fn follow(workspace: &Workspace, span: &str) {
    if let Some(arguments) = span.strip_prefix("kcm ") {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let ran = run(workspace, &arguments);
        assert_eq!(ran.code, 0, "{span}: {ran:?}");
    } else if let Some((key, value)) = span.split_once(": ") {
        let (section, key) = key.split_once('.').unwrap();
        workspace.edit("masters:\n", &format!("{section}: {{{key}: {value}}}\nmasters:\n"));
    } else {
        let root = workspace.file("out").join(TAMPERED);
        let root = root.display();
        let there = match span.strip_prefix("systemctl ") {
            Some(rest) => format!("systemctl --root={root} {rest}"),
            None => span.replace(" /", &format!(" {root}/")),
        };
        peers::run(Command::new("sh").arg("-c").arg(there));
    }
}

fn hold(clean: &Workspace, case: &Case) {
    let Case { name, spoil, code, names } = case;
    let workspace = Workspace::empty();
    peers::run(Command::new("cp").arg("-a").arg(clean.path().join(".")).arg(workspace.path()));
    spoil(&workspace);
    let status: Value =
        serde_json::from_str(&run(&workspace, &["status", "-o", "json"]).stdout).unwrap();
    let findings = status["findings"].as_array().unwrap();
    let finding = findings.iter().find(|it| it["code"] == *code);
    let finding = finding.unwrap_or_else(|| panic!("{name}: no {code} in {findings:?}"));
    let help = finding["help"].as_str().unwrap();
    let spans: Vec<_> = help.split('`').skip(1).step_by(2).collect();
    assert_eq!(spans, *names, "{name}: {help}");
    for span in spans {
        follow(&workspace, span);
    }
    let (codes, exit) = found(&workspace);
    assert!(codes.is_empty() && exit == 0, "{name}: {help}: {codes:?}");
}

#[test]
fn a_finding_is_gone_once_its_help_is_followed() {
    if !peers::has("systemctl") {
        return;
    }
    for (holder, cases) in [(Holder::Operator, CASES), (Holder::MastersWithTheirCa, CASES_OF_CA)] {
        let clean = workspace("embedded", holder);
        for case in cases {
            hold(&clean, case);
        }
    }
}
