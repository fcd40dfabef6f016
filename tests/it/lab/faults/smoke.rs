//! Tests of `kcm smoke` on real masters: working functions pass, and each failure is reported with
//! its cause.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kcm_tests::control_plane::Identity;
use kcm_tests::lab::Machine;
use kcm_tests::standin::etcd;
use serde_json::{Value, json};

use super::{Ground, UNIT, UNIT_FILE, assert_says, plain, until};

const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";

impl Ground {
    pub(super) fn bring_admin(&self) {
        let admin = self.plane.authority().client("kubernetes-admin", &["system:masters"]);
        self.workspace.write("admin.kubeconfig", self.plane.kubeconfig(&admin));
    }

    fn smoke(&self, arguments: &[&str], code: i32) -> Value {
        let first = ["smoke", "--kubeconfig", "admin.kubeconfig", "-o", "json"];
        let ran = self.kcm(&[&first, arguments].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    fn smoke_namespaces(&self) -> Vec<Value> {
        let all = self.plane.admin().list("/api/v1/namespaces");
        let is_ours =
            |it: &Value| it["metadata"]["name"].as_str().unwrap().starts_with("kcm-smoke");
        all.into_iter().filter(is_ours).collect()
    }

    /// Releases the Lease, so that the next candidate can acquire it at once.
    fn free_lead(&self) {
        let admin = self.plane.admin();
        let mut lease = admin.lease().unwrap();
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        admin.update(kcm_tests::control_plane::Client::LEASE, &lease).ok();
    }

    /// Changes the unit of the only running service, restarts it, and waits until it leads.
    fn lead_with(&self, machine: &Machine, from: &str, to: &str) {
        let text = fs::read_to_string(machine.file(UNIT_FILE)).unwrap();
        assert!(text.contains(from), "{text}");
        machine.output(&["systemctl", "stop", UNIT]);
        fs::write(machine.file(UNIT_FILE), text.replace(from, to)).unwrap();
        machine.output(&["systemctl", "daemon-reload"]);
        self.free_lead();
        machine.output(&["systemctl", "start", UNIT]);
        until("it leads", Duration::from_secs(10), || self.plane.admin().holder().is_some());
    }
}

fn check<'c>(report: &'c Value, name: &str) -> &'c Value {
    let mut all = report["checks"].as_array().unwrap().iter();
    all.find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn results(report: &Value) -> Vec<(&str, &str)> {
    let all = report["checks"].as_array().unwrap().iter();
    all.map(|it| (it["name"].as_str().unwrap(), it["result"].as_str().unwrap())).collect()
}

fn etcd_options(ground: &Ground, client: &Identity) {
    ground.workspace.write("etcd-ca.pem", &ground.plane.authority().certificate);
    ground.workspace.write("etcd.pem", &client.certificate);
    ground.workspace.write("etcd-key.pem", &client.key);
}

#[test]
fn what_works_is_proven_and_removed_and_what_does_not_is_named_with_its_cause() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.bring_admin();
    let authority = ground.plane.authority();
    let data = ground.plane.file("data");
    let now = time::OffsetDateTime::now_utc();
    let both = authority.valid_between(
        "etcd",
        &["127.0.0.1"],
        now - time::Duration::HOUR,
        now + time::Duration::DAY,
    );
    let server_alone = authority.server(&["127.0.0.1"]);
    let etcds = [&both, &server_alone].map(|it| etcd::start(it, &authority.certificate, &data));
    let urls = etcds.each_ref().map(|etcd| format!("https://{}", etcd.address()));
    let files =
        ["--etcd-cacert", "etcd-ca.pem", "--etcd-cert", "etcd.pem", "--etcd-key", "etcd-key.pem"];
    let with = |url: &str| {
        let url = url.to_owned();
        files.into_iter().map(str::to_owned).chain(["--etcd".to_owned(), url]).collect::<Vec<_>>()
    };
    let smoke_with = |url: &str, code| {
        let arguments = with(url);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        ground.smoke(&arguments, code)
    };
    until("somebody leads", Duration::from_secs(20), || ground.plane.admin().holder().is_some());

    etcd_options(&ground, &authority.client("root", &[]));
    let good = smoke_with(&urls[0], 0);
    assert!(results(&good).iter().all(|(_, result)| *result == "passed"), "{good:#}");
    assert_eq!(results(&good).len(), 11, "{good:#}");
    assert_says(check(&good, "replicaSet")["seen"].as_str().unwrap(), &["3 Pods", "Pending"]);
    assert_says(check(&good, "etcd")["seen"].as_str().unwrap(), &["4 keys"]);
    assert_eq!(ground.smoke_namespaces(), [Value::Null; 0]);
    let holder = ground.plane.admin().holder().unwrap();
    assert_says(check(&good, "leader")["seen"].as_str().unwrap(), &[&holder, "2 times"]);

    let gateway = smoke_with(&urls[1], 1);
    let printed = check(&gateway, "etcd")["seen"].as_str().unwrap();
    assert_says(printed, &["server certificate of etcd for client authentication", "broken pipe"]);

    // From here on, only the first master runs.
    let [first, second] = ground.lab.machines() else { panic!() };
    second.output(&["systemctl", "stop", UNIT]);
    ground.lead_with(first, "", "");
    etcd_options(&ground, &server_alone);
    let standby = smoke_with(&urls[0], 1);
    assert_says(
        check(&standby, "etcd")["seen"].as_str().unwrap(),
        &["--etcd-cert is not valid for client"],
    );
    let failed = check(&standby, "standby");
    assert_eq!(failed["master"], second.name());
    assert_says(failed["seen"].as_str().unwrap(), &["does not run"]);

    idle_controllers(&ground, first);
    interrupted(&ground, first);
    who_leads(&ground, first, second);
}

/// One controller is disabled, the others lack permissions, and a finalizer keeps the namespace.
fn idle_controllers(ground: &Ground, first: &Machine) {
    let admin = ground.plane.admin();
    let good = "--use-service-account-credentials=true";
    let bad = "--use-service-account-credentials=false --controllers=*,-deployment";
    ground.lead_with(first, good, bad);
    let alone = ["--master", first.name(), "--timeout", "6s"];
    let idle = ground.start(&[&["smoke", "--kubeconfig", "admin.kubeconfig"], &alone[..]].concat());
    let patience = Duration::from_secs(20);
    until("there is a namespace", patience, || !ground.smoke_namespaces().is_empty());
    let name = ground.smoke_namespaces()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/namespaces/{name}");
    admin.patch(&path, &json!({"metadata": {"finalizers": ["example.com/keep"]}})).ok();
    let (code, printed) = super::ended(idle);
    assert_eq!(code, 4, "{printed}");
    let line =
        |check: &str| printed.lines().find(|line| line.starts_with(check) && line.contains(" s  "));
    let forbidden = "runs without --use-service-account-credentials";
    let off = "deployment-controller is disabled on k8s-master-01 by --controllers=*,-deployment";
    assert_says(line("deployment").unwrap(), &["has no ReplicaSet", forbidden, off]);
    let quota = line("resource quota").unwrap();
    assert!(quota.contains(forbidden) && !quota.contains("disabled"), "{quota}");
    assert_says(line("replica set").unwrap(), &["skipped"]);
    let remove = format!("kubectl --kubeconfig admin.kubeconfig delete namespace {name}");
    assert_says(&printed, &["finalizers example.com/keep", &remove]);

    admin.patch(&path, &json!({"metadata": {"finalizers": null}})).ok();
    ground.lead_with(first, bad, good);
    until("what was left goes", patience, || ground.smoke_namespaces().is_empty());
}

/// Checks that an interrupted smoke test leaves nothing behind.
fn interrupted(ground: &Ground, first: &Machine) {
    let arguments = ["smoke", "--kubeconfig", "admin.kubeconfig", "--master", first.name()];
    let interrupted = ground.start(&arguments);
    let patience = Duration::from_secs(20);
    until("there is a namespace", patience, || !ground.smoke_namespaces().is_empty());
    interrupted.send_terminate();
    let (code, printed) = super::ended(interrupted);
    assert_eq!(code, 130, "{printed}");
    assert_says(&printed, &["Interrupted", "All test objects are removed"]);
    assert_eq!(ground.smoke_namespaces(), [Value::Null; 0]);
}

/// Checks the reports on a master that cannot lead, and on an unknown leader.
fn who_leads(ground: &Ground, first: &Machine, second: &Machine) {
    let admin = ground.plane.admin();
    let wrong = ground.plane.authority().client("system:kube-scheduler", &[]);
    let right = fs::read_to_string(first.file(KUBECONFIG)).unwrap();
    first.output(&["systemctl", "stop", UNIT]);
    fs::write(first.file(KUBECONFIG), ground.plane.kubeconfig(&wrong)).unwrap();
    ground.free_lead();
    first.output(&["systemctl", "start", UNIT]);
    let user = ground.smoke(&["--timeout", "4s"], 1);
    let printed = check(&user, "leader")["seen"].as_str().unwrap();
    assert_says(
        printed,
        &["has no holder", "authenticates as \"system:kube-scheduler\"", "forbids"],
    );
    assert_says(printed, &[&format!("does not run on {}", second.name())]);
    assert_eq!(check(&user, "deployment")["result"], "skipped");
    assert!(user.get("namespace").is_none());
    fs::write(first.file(KUBECONFIG), right).unwrap();
    first.output(&["systemctl", "stop", UNIT]);

    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !over.load(std::sync::atomic::Ordering::Relaxed) && begun.elapsed().as_secs() < 30
            {
                let mut lease = admin.lease().unwrap();
                let now = time::OffsetDateTime::now_utc();
                let now = now.format(&time::format_description::well_known::Rfc3339).unwrap();
                let micro = format!("{}.{:06}Z", &now[..19], begun.elapsed().subsec_micros());
                lease["spec"]["holderIdentity"] = json!("elsewhere_1");
                lease["spec"]["renewTime"] = json!(micro);
                lease["spec"]["leaseDurationSeconds"] = json!(15);
                admin.update(kcm_tests::control_plane::Client::LEASE, &lease);
                sleep(Duration::from_millis(300));
            }
        });
        let unmanaged_leader = ground.smoke(&["--timeout", "4s"], 1);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let printed = check(&unmanaged_leader, "leader")["seen"].as_str().unwrap();
        assert_says(printed, &["the leader elsewhere_1 is not one of the masters"]);
        assert!(unmanaged_leader.get("namespace").is_none());
    });
}

#[test]
fn what_cannot_begin_is_usage_and_makes_nothing() {
    let workspace = kcm_tests::Workspace::new();
    let absent = workspace.kcm(&["smoke", "--kubeconfig", "none.kubeconfig"]);
    assert_eq!(absent.code, 2, "{absent:?}");
    assert_says(&absent.stderr, &["none.kubeconfig", "cannot use"]);
    workspace.write("bad.kubeconfig", "apiVersion: v1\nkind: Config\n");
    let folders = workspace.kcm(&["smoke", "--kubeconfig", "bad.kubeconfig", "--root", "out"]);
    assert_eq!(folders.code, 2, "{folders:?}");
    assert_says(&folders.stderr, &["unexpected argument '--root'"]);
    let bad = workspace.kcm(&["smoke", "--kubeconfig", "bad.kubeconfig"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    let half = workspace.kcm(&[
        "smoke",
        "--kubeconfig",
        "bad.kubeconfig",
        "--etcd",
        "https://127.0.0.1:1",
    ]);
    assert_eq!(half.code, 2, "{half:?}");
    let none = workspace.kcm(&["smoke"]);
    assert_eq!(none.code, 2, "{none:?}");
}
