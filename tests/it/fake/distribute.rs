//! Tests of the program and the CA on the masters: uploaded if the cluster file says so, otherwise
//! required.

use std::fs;

use kcm::files::RemotePath;
use kcm::transport::Activity;
use kcm::{Error, PreflightError};
use kcm_pki::KeyAlgorithm;
use kcm_tests::{Workspace, ca, program};

use crate::fake::masters::{BINARY, CA, CA_KEY, FakeCluster};

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace
}

fn invocations(masters: &FakeCluster) -> Vec<String> {
    let unit = "kube-controller-manager.service".parse().unwrap();
    let activity = masters.fakes.iter().map(|fake| fake.inspect(|state| state.activity(&unit)));
    activity
        .map(|activity| match activity {
            Activity::Active { invocation, .. } => invocation,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn everything_that_the_service_reads_is_brought_once() {
    let masters = FakeCluster::of(workspace());
    assert!(masters.apply().await.unwrap().is_done());
    for fake in &masters.fakes {
        for (path, here, mode) in [
            (BINARY, "kube-controller-manager", 0o755),
            (CA, "pki/ca/cert/ca.pem", 0o644),
            (CA_KEY, "pki/ca/cert/ca-key.pem", 0o600),
        ] {
            let path = RemotePath::new(path).unwrap();
            let expected = fs::read(masters.workspace.file(here)).unwrap();
            fake.inspect(|state| {
                assert_eq!(state.file(path.as_str()), Some(&*expected), "{path}");
                let stat = state.files().stat(&path).unwrap().unwrap();
                assert_eq!((stat.mode.bits(), stat.owner), (mode, kcm::files::Owner::ROOT));
            });
        }
    }
    let (effects, runs) = (masters.effects(), invocations(&masters));
    assert!(masters.apply().await.unwrap().is_unchanged());
    assert_eq!((masters.effects(), invocations(&masters)), (effects, runs));
}

#[tokio::test(start_paused = true)]
async fn a_new_program_is_one_file_and_a_restart() {
    let masters = FakeCluster::of(workspace());
    masters.apply().await.unwrap();
    masters.workspace.write("kube-controller-manager", program(4000));
    assert_eq!(masters.steps().await, vec![vec!["write binary", "restart"]; 3]);
    let plan = serde_json::to_value(masters.plan().await.unwrap().plan).unwrap();
    let step = &plan["masters"][0]["steps"][0];
    assert_eq!((&step["size"], &step["mode"]), (&4000.into(), &"0755".into()));
    let diff = step["diff"].as_str().unwrap().lines();
    let diff: Vec<_> = diff.filter(|line| line.starts_with(['+', '-'])).collect();
    let after = format!("+4 KiB (4000 bytes), {}", step["after"].as_str().unwrap());
    let before = format!("-3 KiB (3000 bytes), {}", step["before"]["digest"].as_str().unwrap());
    assert_eq!(diff, [&before, &after, "+for amd64"]);
    masters.apply().await.unwrap();
    assert!(masters.plan().await.unwrap().plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_replaced_by_hand_means_a_restart_and_then_nothing() {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.apply().await.unwrap();
    assert_eq!(masters.steps().await, vec![Vec::<String>::new(); 3]);
    let (ca, key) = (
        masters.workspace.read("pki/ca/cert/ca.pem"),
        masters.workspace.read("pki/ca/cert/ca-key.pem"),
    );
    let files: [(&str, &[u8], u32); 3] = [
        (BINARY, &program(600), 0o755),
        (CA, ca.as_bytes(), 0o644),
        (CA_KEY, key.as_bytes(), 0o600),
    ];
    for (path, content, mode) in files {
        masters.fakes[1].inspect(|state| state.put_file(path, content, mode));
        assert_eq!(masters.steps().await, [vec![], vec!["restart"], vec![]], "{path}");
        let before = invocations(&masters);
        masters.apply().await.unwrap();
        let after = invocations(&masters);
        assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
        assert_ne!(before[1], after[1]);
        assert!(masters.plan().await.unwrap().plan.is_empty(), "{path}");
    }
    // kcm repairs a program that it uploads.
    masters.workspace.bring_everything();
    masters.apply().await.unwrap();
    masters.fakes[2].inspect(|state| state.put_file(BINARY, &program(600), 0o700));
    assert_eq!(masters.steps().await, [vec![], vec![], vec!["write binary", "restart"]]);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_listed_at_once_before_anything_changes() {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.fakes[0].inspect(|state| state.put_file(BINARY, b"", 0o644));
    let bare = kcm::transport::fake::Fake::new("k8s-master-03");
    bare.inspect(|state| state.put_folder(CA));
    let masters = FakeCluster { fakes: [&masters.fakes[..2], &[bare]].concat(), ..masters };
    let before = masters.workspace.tree().content();
    let error = masters.apply().await.unwrap_err();
    assert!(matches!(error, Error::Preflight(PreflightError::Findings { .. })));
    assert_eq!(
        error.to_string(),
        "error[file-missing]: k8s-master-01: /opt/kubernetes/bin/kube-controller-manager has mode 0644 and is not executable
  help: install kube-controller-manager at this path, or set `install.binary` so that kcm uploads the program
error[file-missing]: k8s-master-03: /opt/kubernetes/pki/ca/cert/ca.pem is a folder
  help: move this path away and create the file
error[file-missing]: k8s-master-03: /opt/kubernetes/pki/ca/cert/ca-key.pem is missing
  help: create the file, or set `install.distributeCa: true` and run `kcm apply`
error[file-missing]: k8s-master-03: /opt/kubernetes/bin/kube-controller-manager is missing
  help: install kube-controller-manager at this path, or set `install.binary` so that kcm uploads the program
4 preflight checks failed; no master has changed"
    );
    assert_eq!((masters.effects(), masters.workspace.tree().content()), (vec![0; 3], before));
}

#[tokio::test(start_paused = true)]
async fn what_no_flag_names_is_not_asked_for() {
    let masters = FakeCluster::of(Workspace::new());
    for fake in &masters.fakes {
        fake.inspect(|state| state.put_file(BINARY, &program(500), 0o755));
    }
    assert!(masters.plan().await.unwrap_err().to_string().contains("ca-key.pem is missing"));
    masters.workspace.edit(
        "masters:\n",
        "controllerManager: {flags: {cluster-signing-cert-file: null, cluster-signing-key-file: null, root-ca-file: /etc/ca.pem, service-account-private-key-file: /etc/sa.key}}\nmasters:\n",
    );
    // Files that other flags name are required, too.
    let error = masters.plan().await.unwrap_err().to_string();
    assert!(
        error.contains("/etc/sa.key is missing\n  help: create the file, or remove the flag"),
        "{error}"
    );
    for fake in &masters.fakes {
        fake.inspect(|state| {
            state.put_file("/etc/ca.pem", b"the CA", 0o644);
            state.put_file("/etc/sa.key", b"a key", 0o600);
        });
    }
    assert!(masters.apply().await.unwrap().is_done());
    // A file that the service does not read causes no restart.
    masters.fakes[0].inspect(|state| state.put_file(CA, b"another", 0o644));
    assert!(masters.plan().await.unwrap().plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_folder_needs_nothing_because_nothing_runs_in_it() {
    let workspace = Workspace::new();
    workspace.apply();
    assert!(!workspace.on_master("k8s-master-01", BINARY).exists());
    workspace.bring_everything();
    workspace.apply();
    assert!(workspace.on_master("k8s-master-01", BINARY).exists());
    assert!(workspace.apply().stdout.starts_with("Nothing to do"));
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_is_there_is_never_replaced() {
    let (other, other_key) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    for (path, content, key) in [(CA, &other, "pki.caCert"), (CA_KEY, &other_key, "pki.caKey")] {
        let masters = FakeCluster::furnished(workspace());
        masters.fakes[1].inspect(|state| state.put_file(path, content.as_bytes(), 0o600));
        let before = masters.workspace.tree().content();
        let error = masters.apply().await.unwrap_err();
        let Error::Preflight(PreflightError::Findings { findings }) = &error else {
            panic!("{error}")
        };
        assert_eq!(findings[0].code, kcm::FindingCode::CaMismatch);
        let printed = error.to_string();
        let named =
            format!("k8s-master-02: {path} differs from the file of {key}: expected sha256:");
        assert!(printed.contains(&named), "{printed}");
        assert!(printed.contains("run `kcm rotate ca`"), "{printed}");
        assert_eq!((masters.effects(), masters.workspace.tree().content()), (vec![0; 3], before));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_ca_certificate_in_other_bytes_stays() {
    let masters = FakeCluster::furnished(workspace());
    let text = format!("the CA\n\n{}", masters.workspace.read("pki/ca/cert/ca.pem"));
    masters.fakes[0].inspect(|state| state.put_file(CA, text.as_bytes(), 0o644));
    masters.apply().await.unwrap();
    masters.fakes[0].inspect(|state| assert_eq!(state.file(CA), Some(text.as_bytes())));
    assert!(masters.plan().await.unwrap().plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_ca_key_is_needed_here_only_where_it_is_missing_there() {
    let masters = FakeCluster::of(workspace());
    masters.apply().await.unwrap();
    fs::rename(masters.workspace.file("pki/ca/cert/ca-key.pem"), masters.workspace.file("safe"))
        .unwrap();
    assert!(masters.apply().await.unwrap().is_unchanged());
    let bare = FakeCluster { fakes: vec![kcm::transport::fake::Fake::new("bare"); 3], ..masters };
    let error = bare.plan().await.unwrap_err().to_string();
    assert!(
        error.contains("(pki.caKey)") && error.contains("no such file or directory"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_the_cas_is_not_brought() {
    let masters = FakeCluster::of(workspace());
    masters.apply().await.unwrap();
    let (_, other) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    masters.workspace.write("pki/ca/cert/ca-key.pem", other);
    let error = masters.plan().await.unwrap_err();
    assert_eq!(error.help().unwrap(), "replace the file with the CA key", "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_byte_of_a_key_is_in_a_plan_or_an_outcome() {
    let masters = FakeCluster::of(workspace());
    let prepared = masters.plan().await.unwrap();
    let outcome = masters.apply().await.unwrap();
    let key = masters.workspace.read("pki/ca/cert/ca-key.pem");
    let secret = key.lines().nth(1).unwrap();
    let shown = [
        serde_json::to_string(&prepared.plan).unwrap(),
        serde_json::to_string(&prepared.observed).unwrap(),
        serde_json::to_string(&prepared.desired).unwrap(),
        serde_json::to_string(&outcome).unwrap(),
        format!("{prepared:?} {outcome:?}"),
    ];
    assert!(shown.iter().all(|text| !text.contains(secret)));
}
