//! Tests of restarts of the server with other certificates and other peers.

use kcm_tests::control_plane::Client;

use super::*;

#[test]
fn a_restart_changes_the_cas_and_the_serving_certificate() {
    let plane = control_plane();
    let (old, new) = (plane.authority().clone(), Authority::new());
    let code = |authority: &Authority| {
        plane.client(Some(&authority.controller_manager())).get(Client::LEASE).code
    };
    let is_trusted = |authority: &Authority| {
        let client = Client::new(plane.address(), &authority.certificate, None);
        client.try_get("/version").is_ok()
    };
    assert_eq!((code(&old), code(&new)), (404, 401));
    plane.restart_with(|settings| {
        settings.client_ca = format!("{}{}", old.certificate, new.certificate);
        settings.downtime = Duration::ZERO;
    });
    assert_eq!((code(&old), code(&new)), (404, 404));
    assert!(is_trusted(&old) && !is_trusted(&new));
    plane.restart_with(|settings| {
        settings.client_ca = new.certificate.clone();
        settings.admin = new.client("kubernetes-admin", &["system:masters"]);
        settings.serving = plane.serving_identity(&new);
        settings.server_ca = new.certificate.clone();
    });
    assert_eq!((code(&old), code(&new)), (401, 404));
    assert!(!is_trusted(&old) && is_trusted(&new));
    let map = format!("{CORE}/kube-system/configmaps/extension-apiserver-authentication");
    let map = plane.admin().get(&map).ok();
    // Servers add CA certificates to the ConfigMap, and remove none.
    let published = map["data"]["client-ca-file"].as_str().unwrap();
    assert_eq!(published.matches("BEGIN CERTIFICATE").count(), 2, "{published}");
    assert!(published.ends_with(&new.certificate), "{published}");
}

#[test]
fn the_servers_are_published_as_endpoints() {
    let plane = control_plane();
    // A real server refuses the loopback addresses of this test.
    if plane.binaries().are_real() {
        return;
    }
    let admin = plane.admin();
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                  ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
    let own = plane.address();
    let port = |port: u16| json!([{"name": "https", "port": port, "protocol": "TCP"}]);
    let endpoints = || admin.get(&format!("{CORE}/default/endpoints/kubernetes")).ok();
    assert_eq!(
        endpoints()["subsets"],
        json!([{"addresses": [{"ip": own.ip()}], "ports": port(own.port())}])
    );
    let first = admin.list(slices);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["metadata"]["name"], "kubernetes");
    assert_eq!((&first[0]["addressType"], &first[0]["ports"]), (&json!("IPv4"), &port(own.port())));
    let ready = |address: IpAddr| json!({"addresses": [address], "conditions": {"ready": true}});
    assert_eq!(first[0]["endpoints"], json!([ready(own.ip())]));

    let peer = std::net::SocketAddr::new(address(), own.port());
    let other = std::net::SocketAddr::new(address(), own.port() ^ 1);
    plane.restart_with(|settings| {
        settings.peers = vec![peer, other];
        settings.downtime = Duration::ZERO;
    });
    let mut found: Vec<(IpAddr, u64)> = Vec::new();
    for slice in admin.list(slices) {
        let port = slice["ports"][0]["port"].as_u64().unwrap();
        for endpoint in slice["endpoints"].as_array().unwrap() {
            found.push((endpoint["addresses"][0].as_str().unwrap().parse().unwrap(), port));
        }
    }
    found.sort_unstable();
    let mut expected = [own, peer, other].map(|it| (it.ip(), u64::from(it.port())));
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(endpoints()["subsets"].as_array().unwrap().len(), 2);
    plane.restart_with(|settings| settings.peers.clear());
    assert_eq!(admin.list(slices)[0]["endpoints"], first[0]["endpoints"]);
    assert_eq!(admin.list(slices).len(), 1);
}
