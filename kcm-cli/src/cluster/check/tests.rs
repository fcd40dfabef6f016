//! Defaults, overrides and contradictions.

use super::*;
use crate::cluster::Cluster;

const SMALLEST: &str = "
apiVersion: kcm/v1
cluster:
  server: https://192.168.1.210:6443
  clusterCidr: 172.20.0.0/16
  serviceClusterIpRange: 10.68.0.0/16
pki:
  caCert: pki/ca/cert/ca.pem
  caKey: pki/ca/cert/ca-key.pem
masters:
  - {name: k8s-master-01, address: 192.168.1.204}
";

fn parse(text: &str) -> Result<Cluster, ClusterFileError> {
    Cluster::parse(text, Path::new("site/kcm.yaml"))
}

#[test]
fn the_smallest_file_has_the_tutorials_defaults() {
    let cluster = parse(SMALLEST).unwrap();
    assert_eq!(cluster.name.as_str(), "kubernetes");
    assert_eq!(cluster.node_cidr_mask_size, 24);
    assert_eq!(cluster.install_root.as_str(), "/opt/kubernetes");
    assert_eq!(cluster.pki.ca_cert, Path::new("site/pki/ca/cert/ca.pem"));
    assert_eq!(cluster.pki.directory, Path::new("site/pki/kube-controller-manager/cert"));
    assert_eq!(cluster.masters[0].bind_address.to_string(), "192.168.1.204");
    assert!(cluster.warnings.is_empty());
}

#[test]
fn a_masters_own_settings_come_after_those_of_all() {
    let text = SMALLEST.replace(
            "masters:\n",
            "controllerManager: {bindAddress: loopback, flags: {v: 4, profiling: false}}\nssh: {user: kube, port: 2222}\nmasters:\n  - {name: m2, address: host-2, flags: {v: null}, ssh: {user: root}}\n",
        );
    let cluster = parse(&text).unwrap();
    let master = cluster.master("m2").unwrap();
    let flags: Vec<_> = master.flags.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
    let set = |value: &str| FlagChange::Set(value.to_owned());
    let expected = vec![("v", set("4")), ("profiling", set("false")), ("v", FlagChange::Remove)];
    assert_eq!(flags, expected);
    assert_eq!(master.bind_address.to_string(), "127.0.0.1");
    let ssh = &master.ssh;
    assert_eq!((ssh.user.as_ref().unwrap().as_str(), ssh.port), ("root", Some(2222)));
}
