//! Tests of the leader's controllers, and of the state after their end.

use kcm_tests::control_plane::Client;
use kcm_tests::peers;

use super::*;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/smoke/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/smoke/replicasets";
const PODS: &str = "/api/v1/namespaces/smoke/pods";

fn smoke(admin: &Client) {
    admin.create(CORE, &json!({"metadata": {"name": "smoke"}})).ok();
}

fn has_account(admin: &Client) -> bool {
    admin.get(&format!("{CORE}/smoke/serviceaccounts/default")).code == 200
}

#[test]
fn a_deployment_gets_its_pods_and_a_namespace_ends_with_all_it_holds() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let _process = candidate.start();
    let admin = plane.admin();
    smoke(&admin);
    until("the namespace has its account", PATIENCE, || has_account(&admin));
    let quota = json!({"metadata": {"name": "limit"}, "spec": {"hard": {"pods": "10"}}});
    admin.create(&format!("{CORE}/smoke/resourcequotas"), &quota).ok();
    let used = || {
        admin.get(&format!("{CORE}/smoke/resourcequotas/limit")).ok()["status"]["used"]["pods"]
            .clone()
    };
    until("the quota is counted", PATIENCE, || used() == "0");

    let made = admin.create(DEPLOYMENTS, &deployment("web", 3)).ok();
    let took = until("three pods", PATIENCE, || admin.list(PODS).len() == 3);
    println!("three pods after {took:?}");
    let sets = admin.list(REPLICA_SETS);
    assert_eq!(sets.len(), 1);
    let owner = &sets[0]["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["uid"]), (&json!("Deployment"), &made["metadata"]["uid"]));
    for pod in admin.list(PODS) {
        assert_eq!(pod["status"]["phase"], "Pending");
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], sets[0]["metadata"]["uid"]);
        assert_eq!(pod["metadata"]["labels"]["app"], "web");
    }
    until("the quota is counted", PATIENCE, || used() == "3");
    let web = format!("{DEPLOYMENTS}/web");
    let status = || admin.get(&web).ok()["status"].clone();
    until("the status says so", PATIENCE, || status()["replicas"] == 3);
    until("and of which generation", PATIENCE, || status()["observedGeneration"] == 1);

    admin.patch(&web, &json!({"spec": {"replicas": 1}})).ok();
    until("one pod is left", PATIENCE, || admin.list(PODS).len() == 1);
    let pod = format!("{PODS}/{}", admin.list(PODS)[0]["metadata"]["name"].as_str().unwrap());
    admin.delete(&pod);
    until("another in its place", PATIENCE, || {
        admin.get(&pod).code == 404 && admin.list(PODS).len() == 1
    });
    admin.delete(&web).ok();
    until("all is gone with it", PATIENCE, || {
        admin.list(REPLICA_SETS).is_empty() && admin.list(PODS).is_empty()
    });
    admin.create(DEPLOYMENTS, &deployment("web", 2)).ok();
    until("two pods", PATIENCE, || admin.list(PODS).len() == 2);
    admin.delete(&format!("{CORE}/smoke"));
    until("the namespace is gone", Duration::from_secs(60), || {
        admin.get(&format!("{CORE}/smoke")).code == 404
    });
    assert_eq!(admin.list("/apis/apps/v1/deployments").len(), 0);
    until("its pods, too", PATIENCE, || admin.list("/api/v1/pods").is_empty());
}

#[test]
fn controllers_that_are_off_do_nothing() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let _process = candidate
        .start_with(&["--controllers=*,-replicaset-controller,-serviceaccount,-resourcequota"]);
    let admin = plane.admin();
    smoke(&admin);
    let quota = json!({"metadata": {"name": "limit"}, "spec": {"hard": {"pods": "10"}}});
    let quota = admin.create(&format!("{CORE}/smoke/resourcequotas"), &quota).ok();
    admin.create(DEPLOYMENTS, &deployment("web", 3)).ok();
    until("a ReplicaSet", PATIENCE, || admin.list(REPLICA_SETS).len() == 1);
    sleep(Duration::from_secs(1));
    assert!(!has_account(&admin) && admin.list(PODS).is_empty());
    let same = admin.get(&format!("{CORE}/smoke/resourcequotas/limit")).ok();
    assert_eq!(same["status"]["used"], quota["status"]["used"]);
}

#[test]
fn without_service_account_credentials_controllers_may_do_nothing() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let mut process = candidate.start_with(&["--use-service-account-credentials=false"]);
    let admin = plane.admin();
    leader(&plane);
    smoke(&admin);
    admin.create(DEPLOYMENTS, &deployment("web", 1)).ok();
    until("it was refused", PATIENCE, || {
        let is_refused = |uri: &str| uri.starts_with(REPLICA_SETS);
        plane.requests().iter().any(|r| r.code == 403 && is_refused(&r.uri))
    });
    assert!(admin.list(REPLICA_SETS).is_empty());
    assert_eq!(process.code(), None);
}

#[test]
fn kubectl_reads_what_the_server_writes() {
    if !peers::has("kubectl") {
        return;
    }
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let _process = candidate.start();
    let masters = plane.authority().client("admin", &["system:masters"]);
    fs::write(candidate.file("admin"), plane.kubeconfig(&masters)).unwrap();
    let kubectl = |arguments: &[&str]| {
        let mut kubectl = Command::new("kubectl");
        kubectl.env("KUBECONFIG", candidate.file("admin")).env("HOME", candidate.folder.path());
        peers::run(kubectl.args(arguments))
    };
    smoke(&plane.admin());
    assert!(kubectl(&["get", "namespaces"]).contains("smoke"));
    until("the namespace has its account", PATIENCE, || has_account(&plane.admin()));
    fs::write(candidate.file("web.json"), deployment("web", 2).to_string()).unwrap();
    let file = candidate.file("web.json").display().to_string();
    kubectl(&["-n", "smoke", "create", "-f", &file, "--validate=false"]);
    kubectl(&[
        "-n",
        "smoke",
        "wait",
        "--for=jsonpath={.status.replicas}=2",
        "deployment/web",
        "--timeout=20s",
    ]);
    kubectl(&["-n", "smoke", "scale", "deployment/web", "--replicas=1"]);
    until("one pod is left", PATIENCE, || {
        kubectl(&["-n", "smoke", "get", "pods", "-o", "name"]).lines().count() == 1
    });
    assert!(kubectl(&["-n", "smoke", "get", "pods", "-o", "yaml"]).contains("phase: Pending"));
    let lease =
        kubectl(&["-n", "kube-system", "get", "lease", "kube-controller-manager", "-o", "yaml"]);
    assert!(lease.contains("holderIdentity: "), "{lease}");
    kubectl(&["delete", "namespace", "smoke", "--timeout=60s"]);
}
