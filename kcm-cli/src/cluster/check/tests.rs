//! Defaults, overrides and contradictions.

use super::*;
use crate::cluster::{Cluster, HostKeys, Sudo, SudoPassword};

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
    assert_eq!(cluster.install.root.as_str(), "/opt/kubernetes");
    assert_eq!(cluster.pki.ca_cert, Path::new("site/pki/ca/cert/ca.pem"));
    assert_eq!(cluster.pki.directory, Path::new("site/pki/kube-controller-manager/cert"));
    assert_eq!(cluster.masters[0].bind_address.to_string(), "192.168.1.204");
    assert_eq!((cluster.install.binary.as_deref(), cluster.install.distribute_ca), (None, false));
    let ssh = &cluster.masters[0].ssh;
    assert_eq!((ssh.sudo, &ssh.sudo_password), (Sudo::Passwordless, &SudoPassword::Terminal));
    assert_eq!((ssh.host_keys, ssh.connect_timeout.as_secs()), (HostKeys::Strict, 10));
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

#[test]
fn a_masters_own_way_of_sudo_comes_before_that_of_all() {
    let text = SMALLEST.replace(
        "masters:\n",
        "ssh: {sudo: password, sudoPassword: {file: secret}, hostKeys: accept-new, connectTimeout: 1m, jump: [{host: gate}]}\nmasters:\n  - {name: m2, address: 10.0.0.2, ssh: {sudoPassword: {env: PASSWORD}, hostKeys: strict, jump: []}}\n  - {name: m3, address: 10.0.0.3, ssh: {sudo: none, connectTimeout: 2s}}\n",
    );
    let cluster = parse(&text).unwrap();
    let ssh = |name: &str| &cluster.master(name).unwrap().ssh;
    let first = ssh("k8s-master-01");
    assert_eq!(first.sudo_password, SudoPassword::File("site/secret".into()));
    assert_eq!((first.sudo, first.host_keys), (Sudo::Password, HostKeys::AcceptNew));
    assert_eq!((first.connect_timeout.as_secs(), first.jump.len()), (60, 1));
    let second = ssh("m2");
    assert_eq!(second.sudo_password, SudoPassword::Env("PASSWORD".to_owned()));
    assert_eq!((second.sudo, second.host_keys), (Sudo::Password, HostKeys::Strict));
    assert_eq!((second.connect_timeout.as_secs(), second.jump.len()), (60, 0));
    assert_eq!((ssh("m3").sudo, ssh("m3").connect_timeout.as_secs()), (Sudo::None, 2));
}

#[test]
fn what_is_brought_to_the_masters_starts_at_the_files_folder() {
    let text = SMALLEST
        .replace("masters:\n", "install: {binary: bin/kcm, distributeCa: true}\nmasters:\n");
    let install = parse(&text).unwrap().install;
    assert_eq!((install.binary, install.distribute_ca), (Some("site/bin/kcm".into()), true));
}
