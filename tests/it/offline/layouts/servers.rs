//! Tests of the API server in each master's kubeconfig.

use super::hand::Hand;

#[test]
fn each_master_keeps_the_server_that_it_has() {
    for (servers, printed) in [
        (["https://10.0.0.11:6443", "https://10.0.0.12:6443"], 3),
        (["https://127.0.0.1:6443", "https://127.0.0.1:6443"], 1),
        (["https://[fd00:1::11]:6443", "https://[fd00:1::12]:6443"], 3),
        (["https://m1.example:6443", "https://m2.example:8443"], 3),
        (["https://10.0.0.10:6443", "https://127.0.0.1:6443"], 3),
    ] {
        let mut hand = Hand::new();
        for (master, server) in hand.masters.iter_mut().zip(servers) {
            master.server = server.to_owned();
        }
        let text = hand.adopted_wholly(servers[0]);
        assert_eq!(text.matches("server: ").count(), printed, "{text}");
        for server in servers {
            assert!(text.contains(server), "{text}");
        }
    }
}

#[test]
fn a_master_that_differs_from_most_has_a_server_of_its_own() {
    let mut hand = Hand::new();
    let third = hand.masters[0].clone();
    hand.masters.push(third);
    hand.masters[1].server = "https://10.0.0.12:6443".to_owned();
    let text = hand.adopted_wholly("one of three");
    assert!(
        text.contains("m2, address: 10.0.0.12, server: \"https://10.0.0.12:6443\"}")
            || text.contains("m2, address: 10.0.0.12, server: https://10.0.0.12:6443}"),
        "{text}"
    );
    assert_eq!(text.matches("server: ").count(), 2, "{text}");
}

#[test]
fn a_server_of_its_own_is_written_into_its_kubeconfig_alone() {
    let workspace = kcm_tests::Workspace::new();
    workspace.edit(
        "address: 192.168.1.205}",
        "address: 192.168.1.205, server: \"https://192.168.1.205:6443\"}",
    );
    workspace.apply();
    let kubeconfig = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
    for (master, server) in
        [("01", "192.168.1.210"), ("02", "192.168.1.205"), ("03", "192.168.1.210")]
    {
        let at = workspace.on_master(&format!("k8s-master-{master}"), kubeconfig);
        let text = std::fs::read_to_string(at).unwrap();
        assert!(text.contains(&format!("server: https://{server}:6443\n")), "{text}");
    }
}
