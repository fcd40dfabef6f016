//! Tests of the same requests with a control plane that enforces the rules of the API, directly and
//! through masters.

use std::time::Instant;

use kcm::kube::{Lease, LeaseStore as _, Verb};
use kcm::transport::fake::Fake;
use kcm::transport::{OpenSsh, ShellTransport};
use kcm_tests::lab::{LabCluster, SshCounts, Variant};

use super::*;
use crate::lab::ssh;

/// A Lease with a holder.
fn held() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "kube-controller-manager", "namespace": "kube-system"},
        "spec": {
            "holderIdentity": "k8s-master-01_a", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": "2026-11-23T06:00:00.000001Z", "renewTime": "2026-11-23T06:00:02.000002Z",
        },
    })
}

#[test]
fn the_stock_roles_let_kube_controller_manager_ask_everything_and_nobody_else() {
    let plane = control_plane();
    let ca = plane.authority().clone();
    run(async {
        let own = client(&plane.server(), &ca, &ca.controller_manager(), Via::Direct).await;
        let accepted = check_identity(&own, CLOCK_TOLERANCE).await.unwrap();
        assert_eq!(accepted.user.as_deref(), Some(MANAGER));
        assert!(accepted.version.starts_with("v1."), "{accepted:?}");
        assert_eq!(own.lease().await.unwrap(), None);

        plane.admin().create(LEASE.trim_end_matches("/kube-controller-manager"), &held()).ok();
        let lease = own.lease().await.unwrap().unwrap();
        let freed = lease.freed(time::OffsetDateTime::now_utc());
        let answered = own.replace_lease(&freed).await.unwrap();
        assert_ne!(answered.resource_version(), lease.resource_version());
        let spec = |lease: &Lease| lease.object()["spec"].clone();
        assert_eq!((spec(&answered), answered.holder()), (spec(&freed), None));
        let again = own.replace_lease(&freed).await;
        assert!(matches!(problem(again, &["changed"]), Problem::Conflict { .. }));

        let other = client(&plane.server(), &ca, &ca.client("somebody", &[]), Via::Direct).await;
        let found = problem(check_identity(&other, CLOCK_TOLERANCE).await, &["\"somebody\""]);
        assert!(matches!(found, Problem::WrongUser { .. }), "{found:?}");
        let found = problem(other.lease().await, &["User \"somebody\" cannot get"]);
        assert!(matches!(found, Problem::Forbidden { .. }), "{found:?}");
        let found = problem(other.may(Verb::Update).await, &["update"]);
        assert!(matches!(found, Problem::Forbidden { .. }), "{found:?}");

        let foreign = Authority::new().controller_manager();
        let foreign = client(&plane.server(), &ca, &foreign, Via::Direct).await;
        let found = problem(check_identity(&foreign, CLOCK_TOLERANCE).await, &["credentials"]);
        assert!(matches!(found, Problem::Unauthenticated { .. }), "{found:?}");
    });
}

#[test]
fn a_kubeconfig_is_another_way_to_the_same_answers() {
    let plane = control_plane();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.kubeconfig");
    let text = plane.kubeconfig(&plane.authority().client("kubernetes-admin", &["system:masters"]));
    std::fs::write(&path, &text).unwrap();
    run(async {
        let given = Credentials::Kubeconfig(kcm::kube::KubeconfigContext::current(path.clone()));
        let admin = ApiServer::new(&given, Via::Direct, QUICK).await.unwrap();
        assert_eq!(admin.who_am_i().await.unwrap().as_deref(), Some("kubernetes-admin"));
        admin.may(Verb::Update).await.unwrap();
        assert_eq!(admin.lease().await.unwrap(), None);

        let another =
            Authority::new().kubeconfig(&plane.server(), &plane.authority().controller_manager());
        std::fs::write(&path, another).unwrap();
        let unmanaged_leader = ApiServer::new(&given, Via::Direct, QUICK).await.unwrap();
        let found = problem(unmanaged_leader.version().await, &["CA"]);
        assert!(matches!(found, Problem::AnotherCa { .. }), "{found:?}");

        for (text, words) in [
            (text.replace("server: https:", "proxy-url: http://p:1\n    server: https:"), "proxy"),
            (text.replace("current-context: default", "current-context: other"), "other"),
            ("[".to_owned(), "admin.kubeconfig"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = ApiServer::new(&given, Via::Direct, QUICK).await.unwrap_err();
            println!("{error}");
            assert!(matches!(error.problem, Problem::Unusable { .. }), "{error:?}");
            assert!(error.to_string().contains(words) && error.to_string().lines().count() == 1);
        }
    });
}

#[test]
fn a_master_without_streams_says_so() {
    let ca = Authority::new();
    let transport = std::sync::Arc::new(Fake::new("k8s-master-01"));
    let via = Via::Master { name: "k8s-master-01".to_owned(), transport };
    let error = run(async {
        let own = client("https://127.0.0.1:1", &ca, &ca.controller_manager(), via).await;
        own.version().await.unwrap_err()
    });
    println!("{error}");
    assert!(matches!(error.problem, Problem::Way { .. }), "{error:?}");
}

fn through(master: &std::sync::Arc<ShellTransport<OpenSsh>>, name: &str) -> Via {
    Via::Master { name: name.to_owned(), transport: master.clone() }
}

#[test]
fn each_master_is_a_way_to_the_api_server() {
    let Some(lab) = LabCluster::three() else { return };
    let plane = ControlPlane::start(&Binaries::find(), lab.address(20), 6443, &Authority::new());
    plane.admin().create(LEASE.trim_end_matches("/kube-controller-manager"), &held()).ok();
    let ca = plane.authority();
    for machine in lab.machines() {
        let (master, before) = (ssh::master(machine), machine.ssh_counts());
        ssh::on(&master, async {
            let via = through(&master, machine.name());
            let own = client(&plane.server(), ca, &ca.controller_manager(), via).await;
            let start = Instant::now();
            let accepted = check_identity(&own, CLOCK_TOLERANCE).await.unwrap();
            let checked = start.elapsed();
            let start = Instant::now();
            let lease = own.lease().await.unwrap().unwrap();
            let read = start.elapsed();
            let answered = own.replace_lease(&lease).await.unwrap();
            assert_eq!(answered.holder(), lease.holder());

            let via = through(&master, machine.name());
            let fresh = client(&plane.server(), ca, &ca.controller_manager(), via).await;
            let start = Instant::now();
            fresh.lease().await.unwrap().unwrap();
            println!(
                "{}: {}, checked with a new SSH connection in {checked:?}; the Lease read in {read:?}, \
                 on a new stream in {:?}",
                machine.name(),
                accepted.version,
                start.elapsed()
            );
            let counts = machine.ssh_counts() - before;
            assert_eq!(counts, SshCounts { connections: 1, logins: 1, commands: 0 });

            // The master reports that no process listens on this port.
            let url = format!("https://{}:1", lab.address(20));
            let via = through(&master, machine.name());
            let nobody = client(&url, ca, &ca.controller_manager(), via).await;
            let error = nobody.version().await.unwrap_err();
            assert!(matches!(error.problem, Problem::Refused), "{error:?}");
            assert_eq!(&*error.from, machine.name());
        });
    }
}

#[test]
fn a_master_that_forwards_nothing_says_so_and_its_name() {
    let Some(lab) = LabCluster::up(&[Variant::new().no_forwarding()]) else { return };
    let plane = ControlPlane::start(&Binaries::find(), lab.address(20), 6443, &Authority::new());
    let ca = plane.authority();
    let master = ssh::master(lab.machine(0));
    ssh::on(&master, async {
        let via = through(&master, "k8s-master-01");
        let own = client(&plane.server(), ca, &ca.controller_manager(), via).await;
        let error = own.version().await.unwrap_err();
        println!("{error}");
        assert!(matches!(error.problem, Problem::ForwardingForbidden { .. }), "{error:?}");
        assert!(error.to_string().contains("AllowTcpForwarding"), "{error}");
    });
}
