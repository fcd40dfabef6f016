//! Tests of `install.paths` and `install.compare` on folders: files at other paths and in other
//! spellings.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use kcm_tests::Workspace;
use serde_json::Value;

const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const KUBECONFIG: &str = "/etc/kubernetes/kube-controller-manager.kubeconfig";

/// A workspace with the paths of kubeasz, and the identity in the kubeconfig only.
fn elsewhere(compare: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.edit(
        "masters:\n",
        &format!(
            "kubeconfig: {{credentials: embedded-only}}\ninstall:\n  root: /opt/kube\n  compare: {compare}\n  paths:\n    kubeconfig: {KUBECONFIG}\n    \
             caCert: /etc/kubernetes/ssl/ca.pem\n    caKey: /etc/kubernetes/ssl/ca-key.pem\nmasters:\n"
        ),
    );
    workspace.apply();
    workspace
}

/// Returns the steps of each master's plan.
fn steps(plan: &Value) -> Vec<&Vec<Value>> {
    let masters = plan["masters"].as_array().unwrap().iter();
    masters.map(|master| master["steps"].as_array().unwrap()).collect()
}

fn rewrite(workspace: &Workspace, master: &str, path: &str, change: impl Fn(&str) -> String) {
    let at = workspace.on_master(master, path);
    let before = fs::read_to_string(&at).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "{path}");
    fs::write(&at, after).unwrap();
}

#[test]
fn files_are_where_single_paths_have_them_and_nowhere_else() {
    let workspace = elsewhere("bytes");
    let unit = fs::read_to_string(workspace.on_master("k8s-master-02", UNIT)).unwrap();
    for part in [
        "ExecStart=/opt/kube/bin/kube-controller-manager \\\n",
        &format!("--kubeconfig={KUBECONFIG} "),
        &format!("--authentication-kubeconfig={KUBECONFIG} "),
        "--cluster-signing-key-file=/etc/kubernetes/ssl/ca-key.pem ",
        "--root-ca-file=/etc/kubernetes/ssl/ca.pem ",
    ] {
        assert!(unit.contains(part), "{part}: {unit}");
    }
    let at = workspace.on_master("k8s-master-02", KUBECONFIG);
    assert_eq!(fs::metadata(at).unwrap().permissions().mode() & 0o777, 0o600);
    let root = fs::read_dir(workspace.on_master("k8s-master-02", "/opt")).ok();
    assert!(
        root.is_none_or(|mut root| root.next().is_none()),
        "the identity is in the kubeconfig alone"
    );
    assert!(steps(&workspace.plan()).iter().all(|steps| steps.is_empty()));
    let ran = workspace.kcm(&["certs", "check", "--root", "out"]);
    assert!(
        ran.stdout.contains(KUBECONFIG) && !ran.stdout.contains("client not observed"),
        "{ran:?}"
    );
    // kcm must not remove the parent folder of a configured path.
    let ran = workspace.kcm(&["remove", "--yes", "--all", "--root", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!workspace.on_master("k8s-master-02", KUBECONFIG).exists());
    assert!(workspace.on_master("k8s-master-02", "/etc/kubernetes").exists());
}

#[test]
fn the_identity_that_is_in_kubeconfigs_alone_stays_where_the_operator_has_none() {
    let workspace = elsewhere("bytes");
    fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
    fs::remove_file(workspace.file("pki/ca/cert/ca-key.pem")).unwrap();
    let plan = workspace.plan();
    assert_eq!(plan["identity"]["held"], "byMasters", "{plan}");
    assert!(steps(&plan).iter().all(|steps| steps.is_empty()), "{plan}");
}

#[test]
fn what_is_written_otherwise_and_comes_to_the_same_stays_where_the_meaning_counts() {
    for (compare, has_operator_key) in [("bytes", true), ("semantic", true), ("semantic", false)] {
        let workspace = elsewhere(compare);
        rewrite(&workspace, "k8s-master-01", UNIT, |unit| {
            let unit = unit.replace("Description=Kubernetes", "Description=Our Kubernetes");
            let unit = unit.replace("  --v=2\n", "  # as little as possible\n  -v 2\n");
            unit.replace("  --leader-elect=true \\\n", "")
                .replace(" \\\n  --allocate", " --leader_elect \\\n  --allocate")
        });
        rewrite(&workspace, "k8s-master-02", KUBECONFIG, |text| {
            text.replace("name: kube-controller-manager", "name: system:kube-controller-manager")
                .replace("user: kube-controller-manager", "user: system:kube-controller-manager")
                .replace("default", "kubernetes")
        });
        if !has_operator_key {
            fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
        }
        let plan = workspace.plan();
        let numbers: Vec<_> = steps(&plan).iter().map(|steps| steps.len()).collect();
        let expected = if compare == "semantic" { [0, 0, 0] } else { [1, 1, 0] };
        assert_eq!(numbers, expected, "{compare}: {plan}");
        if compare == "bytes" {
            continue;
        }
        let status = workspace.kcm(&["status", "--root", "out"]);
        assert!(
            status.stdout.contains("in sync") && !status.stdout.contains("drift"),
            "{status:?}"
        );

        // A unit with another effect is written, and the difference is shown.
        rewrite(&workspace, "k8s-master-01", UNIT, |unit| unit.replace("-v 2", "-v 3"));
        let plan = workspace.plan();
        let diff = steps(&plan)[0][0]["diff"].as_str().unwrap().to_owned();
        assert!(diff.contains("-  -v 3\n") && diff.contains("+  --v=2\n"), "{diff}");
        let status = workspace.kcm(&["status", "--root", "out"]);
        assert!(status.stdout.contains("drift"), "{status:?}");
        assert_eq!(workspace.apply().code, 0);
        assert!(steps(&workspace.plan()).iter().all(|steps| steps.is_empty()));
    }
}

#[test]
fn a_drop_in_is_part_of_what_a_unit_comes_to() {
    let workspace = elsewhere("semantic");
    let drop_in = format!("{UNIT}.d/10-verbosity.conf");
    let write = |master: &str, path: &str, text: &str| {
        let at = workspace.on_master(master, path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    };
    rewrite(&workspace, "k8s-master-01", UNIT, |unit| unit.replace("--v=2", "$VERBOSITY"));
    write(
        "k8s-master-01",
        &drop_in,
        "[Service]\nEnvironmentFile=/etc/kubernetes/kcm.env\nEnvironmentFile=\nEnvironmentFile=/etc/kubernetes/kcm.env\n",
    );
    write("k8s-master-01", "/etc/kubernetes/kcm.env", "VERBOSITY=\"--v=2\"\n");
    let plan = workspace.plan();
    // The environment file only supplies flags that the cluster file has, too.
    assert_eq!(steps(&plan)[0].len(), 0, "{plan}");
    workspace.edit(
        "masters:\n",
        "systemd: {directives: {Service: {EnvironmentFile: /etc/kubernetes/kcm.env}}}\nmasters:\n",
    );
    let plan = workspace.plan();
    let numbers: Vec<_> = steps(&plan).iter().map(|steps| steps.len()).collect();
    assert_eq!(numbers, [0, 1, 1], "{plan}");
    write("k8s-master-01", "/etc/kubernetes/kcm.env", "VERBOSITY=\"--v=4\"\n");
    assert_eq!(steps(&workspace.plan())[0].len(), 1);
    // An unreadable file is not equal.
    fs::remove_file(workspace.on_master("k8s-master-01", "/etc/kubernetes/kcm.env")).unwrap();
    assert_eq!(steps(&workspace.plan())[0].len(), 1);
}

#[test]
fn a_drop_in_that_overrides_an_equal_unit_is_an_error() {
    let workspace = elsewhere("semantic");
    let drop_in = "/etc/systemd/system/kube-controller-manager.service.d/10-program.conf";
    let name = format!("out/k8s-master-02{drop_in}");
    workspace.write(&name, "[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n");
    for command in ["plan", "status"] {
        let ran = workspace.kcm(&[command, "--root", "out"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let output = ran.stdout + &ran.stderr;
        assert!(output.contains("error[drop-in]: k8s-master-02"), "{output}");
    }
    workspace.write(&name, "[Service]\nLimitNOFILE=65536\n");
    let ran = workspace.kcm(&["plan", "--root", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("semantically equal"), "{ran:?}");
}
