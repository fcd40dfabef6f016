//! Tests of permissions, and of the error messages about them.

use kcm_tests::control_plane::Client;

use super::*;

fn lease() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "kube-controller-manager", "namespace": "kube-system"},
        "spec": {
            "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 0,
            "acquireTime": "2026-01-02T03:04:05.000006Z", "renewTime": "2026-01-02T03:04:05.000006Z",
        },
    })
}

#[test]
fn the_manager_may_write_leases_in_kube_system_and_patch_or_delete_none() {
    let plane = control_plane();
    let own = plane.client(Some(&plane.authority().controller_manager()));
    assert_eq!(own.get(Client::LEASE).code, 404);
    let created = own.create(LEASES, &lease());
    assert_eq!(created.code, 201, "{created:?}");
    assert_eq!(own.create(LEASES, &lease()).code, 409);
    let stale = created.ok();

    let mut fresh = stale.clone();
    fresh["spec"]["holderIdentity"] = json!("");
    fresh["spec"]["leaseDurationSeconds"] = json!(1);
    let updated = own.update(Client::LEASE, &fresh).ok();
    assert_ne!(updated["metadata"]["resourceVersion"], stale["metadata"]["resourceVersion"]);
    assert_eq!(updated["metadata"]["uid"], stale["metadata"]["uid"]);

    let conflict = own.update(Client::LEASE, &stale);
    assert_eq!((conflict.code, &conflict.body["reason"]), (409, &json!("Conflict")));
    assert!(conflict.message().contains("the object has been modified"), "{conflict:?}");
    let mut unconditional = fresh.clone();
    unconditional["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(own.update(Client::LEASE, &unconditional).code, 422);

    let patch = own.patch(Client::LEASE, &json!({"spec": {"holderIdentity": "patched"}}));
    assert_eq!(patch.code, 403, "{patch:?}");
    assert!(
        patch.message().contains(&format!("User \"{MANAGER}\" cannot patch resource \"leases\""))
    );
    assert_eq!(own.delete(Client::LEASE).code, 403);
    let mut other = lease();
    other["metadata"]["name"] = json!("kube-scheduler");
    assert_eq!(own.create(LEASES, &other).code, 201);
    // Since 1.31, the Role for leader locking permits writes of every Lease in kube-system, and of
    // none elsewhere.
    let other = format!("{LEASES}/kube-scheduler");
    let code = if plane.admin().minor() >= 31 { 200 } else { 403 };
    let scheduler = own.get(&other);
    assert_eq!(scheduler.code, code);
    if scheduler.code == 200 {
        assert_eq!(own.update(&other, &scheduler.ok()).code, 200);
    }
    for refused in [own.patch(&other, &json!({"spec": {}})), own.delete(&other)] {
        assert_eq!(refused.code, 403, "{refused:?}");
        let details = &refused.body["details"];
        assert_eq!(
            (&details["kind"], &details["name"]),
            (&json!("leases"), &json!("kube-scheduler"))
        );
    }
    let elsewhere = LEASES.replace("kube-system", "default");
    assert_eq!(own.get(&format!("{elsewhere}/kube-controller-manager")).code, 404);
    assert_eq!(own.get(&format!("{elsewhere}/other")).code, 403);
    assert_eq!(own.list(LEASES).len(), 2);
    for path in ["/api/v1/pods", "/api/v1/namespaces/default/configmaps", "/api/v1/secrets"] {
        assert_eq!(own.get(path).code, 200, "{path}");
    }
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(own.create(deployments, &deployment("web", 1)).code, 403);
    assert_eq!(own.create(CORE, &json!({"metadata": {"name": "other"}})).code, 403);
    assert_eq!(plane.admin().holder(), None);
}

#[test]
fn a_server_of_1_30_lets_the_manager_write_only_its_own_lease() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::standins().with_api_server("v1.30.9", &folder.path().join("api"));
    let plane = ControlPlane::start(&binaries, address(), 0, &Authority::new());
    let own = plane.client(Some(&plane.authority().controller_manager()));
    assert_eq!(own.create(LEASES, &lease()).code, 201);
    assert_eq!(own.get(Client::LEASE).code, 200);
    assert_eq!(own.get(&format!("{LEASES}/kube-scheduler")).code, 403);
}

#[test]
fn an_update_creates_a_lease_that_is_not_there() {
    let plane = control_plane();
    let own = plane.client(Some(&plane.authority().controller_manager()));
    let made = own.update(Client::LEASE, &lease());
    assert_eq!(made.code, 201, "{made:?}");
    plane.admin().delete(Client::LEASE).ok();
    // The server ignores the resource version here.
    assert_eq!(own.update(Client::LEASE, &made.ok()).code, 201);
    // An unknown path returns a text page instead of a `Status`.
    let missing = plane.admin().get("/apis/apps/v1/namespaces/default/sandcastles");
    assert_eq!((missing.code, missing.body), (404, json!("404 page not found\n")));
}

#[test]
fn a_lease_that_cannot_be_one_is_refused() {
    let plane = control_plane();
    let admin = plane.admin();
    let cases = [
        ("renewTime", json!("2026-01-02T03:04:05Z"), 400),
        ("renewTime", json!("yesterday"), 400),
        ("leaseDurationSeconds", json!("15"), 400),
        ("leaseDurationSeconds", json!(0), 422),
        ("leaseTransitions", json!(-1), 422),
        ("holderIdentity", json!(1), 400),
    ];
    for (field, value, code) in cases {
        let mut lease = lease();
        lease["spec"][field] = value.clone();
        assert_eq!(admin.create(LEASES, &lease).code, code, "{field}: {value}");
    }
    let mut misnamed = lease();
    misnamed["metadata"]["name"] = json!("Upper_Case");
    assert_eq!(admin.create(LEASES, &misnamed).code, 422);
    let mut displaced = lease();
    displaced["metadata"]["namespace"] = json!("default");
    assert_eq!(admin.create(LEASES, &displaced).code, 400);
    assert_eq!(admin.create(&LEASES.replace("kube-system", "nowhere"), &lease()).code, 400);
    assert_eq!(admin.create(LEASES, &deployment("web", 1)).code, 400);
}

#[test]
fn strangers_are_told_apart() {
    let plane = control_plane();
    let nobody = plane.client(None);
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(nobody.get(path).ok(), json!("ok"), "{path}");
    }
    let version = nobody.get("/version").ok();
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1."), "{version}");
    let refused = nobody.get("/api/v1/namespaces/default/pods");
    assert_eq!((refused.code, &refused.body["kind"]), (403, &json!("Status")));
    assert_eq!(
        refused.message(),
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \
         \"\" in the namespace \"default\""
    );
    assert_eq!(nobody.get("/apis").code, 403);

    let other = Authority::new();
    let foreign = plane.client(Some(&other.controller_manager()));
    assert_eq!(foreign.get("/version").code, 401);
    assert_eq!(foreign.get(Client::LEASE).body["reason"], "Unauthorized");
    let expiring = plane.authority().short_lived(MANAGER, Duration::from_secs(2));
    let expiring = plane.client(Some(&expiring));
    until("it has expired", PATIENCE, || expiring.get(Client::LEASE).code == 401);
    let server = plane.authority().server(&["127.0.0.1"]);
    assert_eq!(plane.client(Some(&server)).get(Client::LEASE).code, 401);
    assert_eq!(plane.client(None).with_token("made-up").get(Client::LEASE).code, 401);

    let member = plane.client(Some(&plane.authority().client("anybody", &[MANAGER])));
    assert_eq!(member.get(Client::LEASE).code, 403);
    let masters = plane.authority().client("anybody", &["system:masters"]);
    assert_eq!(plane.client(Some(&masters)).get(Client::LEASE).code, 404);
}

#[test]
fn reviews_say_who_one_is_and_what_one_may() {
    let plane = control_plane();
    let own = plane.client(Some(&plane.authority().controller_manager()));
    let review = |kind: &str, group: &str, spec: Value| {
        let path = format!("/apis/{group}/v1/{}s", kind.to_lowercase());
        let body = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec});
        (path, body)
    };
    let (path, body) = review("SelfSubjectReview", "authentication.k8s.io", json!({}));
    let answer = own.create(&path, &body).ok();
    let info = &answer["status"]["userInfo"];
    assert_eq!(info["username"], MANAGER);
    assert_eq!(info["groups"], json!(["kubernetes", "system:authenticated"]));
    assert_eq!(plane.client(None).create(&path, &body).code, 403);

    let may = |verb: &str, resource: &str, name: &str| {
        let attributes = json!({
            "verb": verb, "resource": resource, "group": "coordination.k8s.io",
            "namespace": "kube-system", "name": name,
        });
        let spec = json!({"resourceAttributes": attributes});
        let (path, body) = review("SelfSubjectAccessReview", "authorization.k8s.io", spec);
        let own_answer = own.create(&path, &body).ok()["status"]["allowed"] == true;
        let spec = json!({"resourceAttributes": attributes, "user": MANAGER});
        let (path, body) = review("SubjectAccessReview", "authorization.k8s.io", spec);
        assert_eq!(own.create(&path, &body).ok()["status"]["allowed"] == true, own_answer);
        own_answer
    };
    let is_wide = plane.admin().minor() >= 31;
    for verb in ["get", "update"] {
        assert!(may(verb, "leases", "kube-controller-manager"), "{verb}");
        for resource in ["leases", "leasecandidates"] {
            assert_eq!(may(verb, resource, "kube-scheduler"), is_wide, "{verb} {resource}");
        }
    }
    assert!(may("create", "leases", ""));
    for verb in ["patch", "delete", "deletecollection"] {
        assert!(!may(verb, "leases", "kube-controller-manager"), "{verb}");
    }
    let (path, body) = review("SubjectAccessReview", "authorization.k8s.io", json!({}));
    assert_eq!(own.create(&path, &body).code, 422);

    let account = json!({"metadata": {"name": "robot"}});
    let accounts = format!("{CORE}/kube-system/serviceaccounts");
    own.create(&accounts, &account).ok();
    let asked = json!({"spec": {"expirationSeconds": 3600}});
    let token = own.create(&format!("{accounts}/robot/token"), &asked).ok();
    let token = token["status"]["token"].as_str().unwrap().to_owned();
    let check = |token: &str| {
        let (path, body) = review("TokenReview", "authentication.k8s.io", json!({"token": token}));
        own.create(&path, &body).ok()["status"].clone()
    };
    assert_eq!(check(&token)["authenticated"], true);
    assert_eq!(check(&token)["user"]["username"], "system:serviceaccount:kube-system:robot");
    assert_ne!(check("made-up")["authenticated"], true);
    let robot = plane.client(None).with_token(&token);
    let refused = robot.get(Client::LEASE);
    assert!(refused.message().contains("system:serviceaccount:kube-system:robot"), "{refused:?}");
}

#[test]
fn requests_are_recorded_with_user_and_since_1_32_with_certificate() {
    let plane = control_plane();
    recorded(&plane, plane.admin().minor() >= 32);
}

#[test]
fn a_server_of_1_31_records_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::standins().with_api_server("v1.31.14", &folder.path().join("api"));
    recorded(&ControlPlane::start(&binaries, address(), 0, &Authority::new()), false);
}

fn recorded(plane: &ControlPlane, names_certificates: bool) {
    let identity = plane.authority().controller_manager();
    let own = plane.client(Some(&identity));
    let lease = format!("{}?timeout=5s", Client::LEASE);
    assert_eq!(own.get(&lease).code, 404);
    assert_eq!(own.delete(Client::LEASE).code, 403);
    let certificate = kcm_pki::Certificate::from_pem(identity.certificate.as_bytes()).unwrap();
    let expected = names_certificates.then(|| certificate.fingerprint().to_hex());
    // An audit log may be late.
    until("both are recorded", PATIENCE, || {
        let requests = plane.requests();
        let ours = requests.iter().filter(|request| request.user.as_deref() == Some(MANAGER));
        let seen: Vec<_> = ours
            .map(|request| {
                assert_eq!(request.path(), Client::LEASE);
                assert_eq!(request.certificate, expected);
                (request.verb.as_str(), request.uri.ends_with("?timeout=5s"), request.code)
            })
            .collect();
        seen == [("get", true, 404), ("delete", false, 403)]
    });
}
