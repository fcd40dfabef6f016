//! Layouts of Kubernetes installations, by their kind.

use super::{ETC, FLAGS, Thing, USR, WANTS, file, unit, whole};

/// A kind, the files and links of a master, and further arguments of `adopt`.
type Layout = (&'static str, Vec<(&'static str, Thing)>, &'static [&'static str]);

const PROGRAM: &str = "/usr/bin/kube-controller-manager";

pub(super) fn layouts() -> Vec<Layout> {
    [by_hand(), with_environment_files(), with_drop_ins(), with_links()]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns units that operators write themselves.
fn by_hand() -> Vec<Layout> {
    let flags = FLAGS.join(" ");
    vec![
        ("kubeasz", vec![(ETC, file(whole())), (WANTS, Thing::Link(ETC))], &[]),
        (
            "the hard way: one line",
            vec![(ETC, file(unit(&format!("/usr/local/bin/kube-controller-manager {flags}"), "RestartSec=5\n"))), (WANTS, Thing::Link("../kube-controller-manager.service"))],
            &[],
        ),
        (
            "a hardened role",
            vec![
                (ETC, file(whole().replace("Restart=on-failure\n", "Restart=on-failure\nNoNewPrivileges=true\nProtectSystem=full\nSystemCallFilter=@system-service\nReadWritePaths=-/usr/libexec/kubernetes\nExecStartPre=/usr/bin/timeout 30 sh -c \"until ss -ltn; do sleep 1; done\"\nTimeoutStopSec=30\nEnvironment=GOMAXPROCS=2 \"A=b c\"\n"))),
                (WANTS, Thing::Link(ETC)),
            ],
            &[],
        ),
        (
            "folds, comments and CRLF",
            vec![(ETC, file(whole().replace(" \\\n  --v=2", " \\\n  # the level\n  --v=2").replace('\n', "\r\n"))), (WANTS, Thing::Link(ETC))],
            &[],
        ),
    ]
}

/// Returns units whose flags come from environment files.
fn with_environment_files() -> Vec<Layout> {
    let flags = FLAGS.join(" ");
    vec![
        (
            "kubespray: an environment file with one variable",
            vec![
                (
                    ETC,
                    file(unit(
                        "/usr/local/bin/kube-controller-manager $KUBE_ARGS",
                        "EnvironmentFile=-/etc/kubernetes/kcm.env\n",
                    )),
                ),
                ("/etc/kubernetes/kcm.env", file(format!("KUBE_ARGS=\"{flags}\"\n"))),
                (WANTS, Thing::Link(ETC)),
            ],
            &[],
        ),
        (
            "RPM: variables of several files in /etc/sysconfig",
            vec![
                (
                    USR,
                    file(unit(
                        &format!(
                            "{PROGRAM} $KUBE_LOG_LEVEL $KUBE_MASTER $KUBE_CONTROLLER_MANAGER_ARGS"
                        ),
                        "EnvironmentFile=-/etc/sysconfig/kube-common\nEnvironmentFile=/etc/sysconfig/kcm\nLimitNOFILE=65536\n",
                    )),
                ),
                ("/etc/sysconfig/kube-common", file("KUBE_LOG_LEVEL=\"--v=0\"\nKUBE_MASTER=\n")),
                ("/etc/sysconfig/kcm", file(format!("KUBE_CONTROLLER_MANAGER_ARGS='{flags}'\n"))),
                (WANTS, Thing::Link(USR)),
            ],
            &[],
        ),
        (
            "Debian: /etc/default, and a link of the package's to /lib",
            vec![
                (
                    USR,
                    file(unit(
                        &format!("{PROGRAM} $DAEMON_ARGS"),
                        "EnvironmentFile=-/etc/default/%p\n",
                    )),
                ),
                (
                    "/etc/default/kube-controller-manager",
                    file(format!("# flags\nDAEMON_ARGS=\"{flags}\"\n")),
                ),
                ("/lib", Thing::Link("usr/lib")),
                (WANTS, Thing::Link("/lib/systemd/system/kube-controller-manager.service")),
            ],
            &[],
        ),
        (
            "environment files by a pattern, the last one winning",
            vec![
                (
                    ETC,
                    file(unit(
                        "/opt/kube/bin/kube-controller-manager $ARGS",
                        "EnvironmentFile=/etc/kcm.d/*.env\n",
                    )),
                ),
                ("/etc/kcm.d/10.env", file("ARGS=--v=9\n")),
                ("/etc/kcm.d/20.env", file(format!("ARGS={flags}\n"))),
                (WANTS, Thing::Link(ETC)),
            ],
            &[],
        ),
    ]
}

/// Returns units of packages whose flags come from drop-ins.
fn with_drop_ins() -> Vec<Layout> {
    let flags = FLAGS.join(" ");
    let bare = unit(PROGRAM, "");
    let drop_in = format!("[Service]\nExecStart=\nExecStart={PROGRAM} {flags}\n");
    vec![
        (
            "a package's unit with flags from systemctl edit",
            vec![
                (USR, file(bare.clone())),
                (
                    "/etc/systemd/system/kube-controller-manager.service.d/override.conf",
                    file(drop_in.clone()),
                ),
                (WANTS, Thing::Link(USR)),
            ],
            &[],
        ),
        (
            "drop-ins of prefixes and of all services, one masked",
            vec![
                (USR, file(bare)),
                (
                    "/usr/lib/systemd/system/kube-controller-manager.service.d/10-flags.conf",
                    file(drop_in.replace("--v=2", "--v=9")),
                ),
                ("/run/systemd/system/kube-.service.d/10-flags.conf", file(drop_in)),
                (
                    "/etc/systemd/system/service.d/50-limits.conf",
                    file("[Service]\nLimitNOFILE=65536\n"),
                ),
                (
                    "/usr/lib/systemd/system/kube-controller-.service.d/60-no.conf",
                    file("[Service]\nExecStart=\n"),
                ),
                (
                    "/etc/systemd/system/kube-controller-manager.service.d/60-no.conf",
                    Thing::Link("/dev/null"),
                ),
                (WANTS, Thing::Link(USR)),
            ],
            &[],
        ),
    ]
}

/// Returns units and programs behind symbolic links or with other names.
fn with_links() -> Vec<Layout> {
    vec![
        (
            "NixOS: a link into a store",
            vec![
                ("/nix/store/a1-unit-kcm/kube-controller-manager.service", file(whole())),
                (ETC, Thing::Link("/nix/store/a1-unit-kcm/kube-controller-manager.service")),
                (WANTS, Thing::Link("../kube-controller-manager.service")),
            ],
            &[],
        ),
        (
            "systemctl link: another name, over a second link",
            vec![
                ("/opt/units/kcm-prod.service", Thing::Link("kcm-v2.service")),
                ("/opt/units/kcm-v2.service", file(whole())),
                (ETC, Thing::Link("../../../opt/units/kcm-prod.service")),
                (WANTS, Thing::Link("/opt/units/kcm-prod.service")),
            ],
            &[],
        ),
        (
            "an alias, and a renamed program",
            vec![
                (
                    "/etc/systemd/system/k8s-kcm.service",
                    file(
                        whole()
                            .replace(
                                "/kube-controller-manager ",
                                "/kube-controller-manager-v1.31.2 ",
                            )
                            .replace(
                                "[Install]\n",
                                "[Install]\nAlias=kube-controller-manager.service\n",
                            ),
                    ),
                ),
                (ETC, Thing::Link("/etc/systemd/system/k8s-kcm.service")),
                (
                    "/etc/systemd/system/kube-controller-manager.service.d/20-nice.conf",
                    file("[Service]\nNice=-5\n"),
                ),
                (
                    "/etc/systemd/system/multi-user.target.wants/k8s-kcm.service",
                    Thing::Link("/etc/systemd/system/k8s-kcm.service"),
                ),
            ],
            &[],
        ),
        (
            "another name of the unit, and a link of the program",
            vec![
                (
                    "/usr/local/lib/systemd/system/kcm.service",
                    file(
                        whole()
                            .replace("/opt/kube/bin/kube-controller-manager", "/usr/local/bin/kcm"),
                    ),
                ),
                (
                    "/usr/local/bin/kcm",
                    Thing::Link("../lib/kubernetes/kube-controller-manager-1.31"),
                ),
                (
                    "/etc/systemd/system/multi-user.target.wants/kcm.service",
                    Thing::Link("/usr/local/lib/systemd/system/kcm.service"),
                ),
            ],
            &["--unit", "kcm.service"],
        ),
    ]
}
