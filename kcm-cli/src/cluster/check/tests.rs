//! Tests of defaults, overrides and contradictions.

use super::*;
use crate::cluster::{Cluster, HostKeys, NodeMasks, SecretSource, Sudo};
use kcm_systemd::Hardening;

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
    assert_eq!(cluster.node_masks, NodeMasks::One(24));
    assert_eq!(cluster.install.root.as_str(), "/opt/kubernetes");
    assert_eq!(cluster.pki.ca_cert, Path::new("site/pki/ca/cert/ca.pem"));
    assert_eq!(cluster.pki.directory, Path::new("site/pki/kube-controller-manager/cert"));
    assert_eq!(cluster.masters[0].bind_address.to_string(), "192.168.1.204");
    assert_eq!((cluster.install.binary.as_deref(), cluster.install.distribute_ca), (None, false));
    let ssh = &cluster.masters[0].ssh;
    assert_eq!((ssh.sudo, &ssh.sudo_password), (Sudo::Passwordless, &SecretSource::Terminal));
    assert_eq!((ssh.host_keys, ssh.connect_timeout.as_secs()), (HostKeys::Strict, 10));
    let service = &cluster.service;
    assert_eq!((&service.user, &service.group, service.hardening), (&None, &None, Hardening::None));
    assert_eq!((service.directives.len(), &cluster.install.owner), (0, &None));
    assert!(cluster.warnings.is_empty());
}

/// Each case has the Pod ranges, the Service ranges, further lines and the resulting flags.
#[test]
fn ranges_and_node_sizes_come_to_the_flags_that_upstream_takes() {
    let by_family = |ipv4, ipv6| NodeMasks::ByFamily { ipv4, ipv6 };
    let dual = by_family(Some(24), Some(64));
    for (pods, services, more, masks) in [
        ("10.244.0.0/16,fd00:10:244::/56", "10.68.0.0/16,fd00:10:68::/112", "", dual),
        ("[10.244.0.0/16, fd00:10:244::/56]", "[10.68.0.0/16, \"fd00:10:68::/112\"]", "", dual),
        ("[\"fd00:10:244::/56\", 10.244.0.0/16]", "[\"fd00:10:68::/112\", 10.68.0.0/16]", "", dual),
        (
            "[10.244.0.0/16, fd00:10:244::/56]",
            "10.68.0.0/16",
            "nodeCidrMaskSizeIpv4: 26",
            by_family(Some(26), Some(64)),
        ),
        (
            "\n    - 10.244.0.0/16\n    - fd00:10:244::/48",
            "10.68.0.0/16",
            "nodeCidrMaskSizeIpv6: 60",
            by_family(Some(24), Some(60)),
        ),
        ("10.244.0.0/16", "10.68.0.0/16", "nodeCidrMaskSizeIpv4: 25", by_family(Some(25), None)),
        ("fd00:10:244::/56", "fd00:10:68::/112", "", NodeMasks::One(64)),
        ("[10.244.0.0/16]", "[10.68.0.0/16]", "nodeCidrMaskSize: 22", NodeMasks::One(22)),
    ] {
        let text = SMALLEST.replace("172.20.0.0/16", pods).replace(
            "serviceClusterIpRange: 10.68.0.0/16",
            &format!("serviceClusterIpRange: {services}\n  {more}"),
        );
        let cluster = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(cluster.node_masks, masks, "{text}");
        assert_eq!(cluster.warnings, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn nodes_that_get_no_range_need_none_that_fits() {
    let text = SMALLEST.replace("172.20.0.0/16", "172.20.0.0/28");
    assert!(parse(&text).unwrap_err().to_string().contains("leaves no range for a node"));
    for flags in ["{allocate-node-cidrs: false}", "{allocate-node-cidrs: null}"] {
        parse(
            &text.replace("masters:", &format!("controllerManager: {{flags: {flags}}}\nmasters:")),
        )
        .unwrap();
    }
}

#[test]
fn a_masters_own_server_comes_before_that_of_all() {
    let text = format!(
        "{SMALLEST}  - {{name: m2, address: 10.0.0.2, server: \"https://10.0.0.2:6443\"}}\n"
    );
    let cluster = parse(&text).unwrap();
    assert_eq!(cluster.server_of("k8s-master-01").as_str(), "https://192.168.1.210:6443");
    assert_eq!(cluster.server_of("m2").as_str(), "https://10.0.0.2:6443");
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
    assert_eq!(first.sudo_password, SecretSource::File("site/secret".into()));
    assert_eq!((first.sudo, first.host_keys), (Sudo::Password, HostKeys::AcceptNew));
    assert_eq!((first.connect_timeout.as_secs(), first.jump.len()), (60, 1));
    let second = ssh("m2");
    assert_eq!(second.sudo_password, SecretSource::Env("PASSWORD".to_owned()));
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

fn with_systemd(sections: &str) -> Cluster {
    parse(&SMALLEST.replace("masters:\n", &format!("{sections}\nmasters:\n"))).unwrap()
}

#[test]
fn directives_are_what_stands_there_in_its_order() {
    let cluster = with_systemd(
        "systemd:
  directives:
    X-Site: {Version: '1.10', Rack: 007}
    Service:
      Environment: [B=2, A=1, '']
      UMask: 0027
      PrivateTmp: yes
      Nice: -5
      TimeoutStopSec: 1min 30s
      LimitNOFILE: 65536
      PrivateDevices: false
      CapabilityBoundingSet: \"\"
    Unit: {After: network-online.target}",
    );
    let directives = cluster.service.directives.iter();
    let lines: Vec<_> =
        directives.map(|(section, directive)| format!("{section}: {directive}")).collect();
    let expected = [
        "X-Site: Version=1.10",
        "X-Site: Rack=007",
        "Service: Environment=B=2",
        "Service: Environment=A=1",
        "Service: Environment=",
        "Service: UMask=0027",
        "Service: PrivateTmp=yes",
        "Service: Nice=-5",
        "Service: TimeoutStopSec=1min 30s",
        "Service: LimitNOFILE=65536",
        "Service: PrivateDevices=false",
        "Service: CapabilityBoundingSet=",
        "Unit: After=network-online.target",
    ];
    assert_eq!(lines, expected);
    assert_eq!(cluster.warnings, [""; 0]);
}

#[test]
fn what_systemd_would_ignore_or_the_service_could_not_read_is_a_warning() {
    for (sections, warnings) in [
        ("systemd: {user: kube, hardening: strict}", vec![]),
        ("systemd: {user: kube}\ninstall: {owner: kube:adm}", vec![]),
        ("install: {owner: kube}", vec![]),
        (
            "systemd: {user: kube}\ninstall: {owner: root}",
            vec![
                "install.owner is root, but the service runs as kube (systemd.user) and cannot read root's private files; set both to the same user",
            ],
        ),
        (
            "systemd: {hardening: strict}",
            vec![
                "systemd.hardening is strict, but the service runs as root without capabilities and cannot read private files of other users; set systemd.user",
            ],
        ),
        (
            "systemd: {user: kube, hardening: strict}\ninstall: {root: /home/kube/k8s}\ncontrollerManager: {flags: {root-ca-file: /tmp/ca.pem}}",
            vec![
                "--root-ca-file: /tmp/ca.pem is hidden from the service by PrivateTmp= (systemd.hardening strict); change the path, or set systemd.directives.Service.PrivateTmp",
                "install.root: /home/kube/k8s is hidden from the service by ProtectHome= (systemd.hardening strict); change the path, or set systemd.directives.Service.ProtectHome",
            ],
        ),
        (
            "systemd: {user: kube, hardening: strict, directives: {Service: {ProtectHome: read-only}}}\ninstall: {root: /home/kube/k8s}",
            vec![],
        ),
        (
            "systemd: {directives: {Service: {LimitNOFILES: 1, X-Rack: 7, NewInNextYear: 1, ExecStartPre: '-bin/x'}}}",
            vec![
                "systemd.directives.Service.LimitNOFILES: in systemd 252, the directive is unknown in this section and ignored; did you mean `LimitNOFILE`?",
                "systemd.directives.Service.NewInNextYear: in systemd 252, the directive is unknown in this section and ignored; correct the key, move the directive to another section, or prefix the key with `X-` if other programs read the directive",
                "systemd.directives.Service.ExecStartPre: in systemd 252, the command is not valid and, because of its `-` prefix, ignored without an error: `bin/x`; correct the command",
            ],
        ),
    ] {
        assert_eq!(with_systemd(sections).warnings, warnings, "{sections}");
    }
}
