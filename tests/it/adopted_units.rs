//! `kcm adopt` on units that people and packages write, in folders: where systemd finds them, what it makes of them, and that
//! the plan sees the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use kcm_tests::{Ran, Site, peers};

const MASTERS: [&str; 2] = ["k8s-master-01", "k8s-master-02"];
const NAME: &str = "kube-controller-manager.service";
/// A hand-made installation's flags, one a line.
const FLAGS: [&str; 15] = [
    "--bind-address=127.0.0.1",
    "--allocate-node-cidrs=true",
    "--cluster-cidr=172.20.0.0/16",
    "--cluster-name=kubernetes",
    "--cluster-signing-cert-file=/etc/kubernetes/ssl/ca.pem",
    "--cluster-signing-key-file=/etc/kubernetes/ssl/ca-key.pem",
    "--kubeconfig=/etc/kubernetes/kcm.kubeconfig",
    "--authentication-kubeconfig=/etc/kubernetes/kcm.kubeconfig",
    "--leader-elect=true",
    "--node-cidr-mask-size=24",
    "--root-ca-file=/etc/kubernetes/ssl/ca.pem",
    "--service-account-private-key-file=/etc/kubernetes/ssl/sa.key",
    "--service-cluster-ip-range=10.68.0.0/16",
    "--use-service-account-credentials=true",
    "--v=2",
];
const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\n";

/// A file of a master, or a link.
enum Thing {
    File(String),
    Link(&'static str),
}

fn file(text: impl Into<String>) -> Thing {
    Thing::File(text.into())
}

/// A unit with a command and further lines of `[Service]`.
fn unit(command: &str, further: &str) -> String {
    format!(
        "[Unit]\nDescription=Kubernetes Controller Manager\n[Service]\nExecStart={command}\nRestart=on-failure\n{further}{INSTALL}"
    )
}

fn whole() -> String {
    unit(&format!("/opt/kube/bin/kube-controller-manager \\\n  {}", FLAGS.join(" \\\n  ")), "")
}

/// Two masters with kubeconfig and CA below /etc/kubernetes, and no unit.
fn ground() -> Site {
    let site = Site::new();
    site.bring_everything();
    site.apply();
    for master in MASTERS {
        let at = |path: &str| site.on_master(master, path);
        fs::create_dir_all(at("/etc/kubernetes/ssl")).unwrap();
        let kept = [
            ("kubeconfig/kube-controller-manager.kubeconfig", "/etc/kubernetes/kcm.kubeconfig"),
            ("pki/ca/cert/ca.pem", "/etc/kubernetes/ssl/ca.pem"),
            ("pki/ca/cert/ca-key.pem", "/etc/kubernetes/ssl/ca-key.pem"),
            ("pki/ca/cert/ca-key.pem", "/etc/kubernetes/ssl/sa.key"),
        ];
        for (from, to) in kept {
            fs::copy(at(&format!("/opt/kubernetes/{from}")), at(to)).unwrap();
        }
        fs::remove_dir_all(at("/opt")).unwrap();
        fs::remove_dir_all(at("/etc/systemd")).unwrap();
    }
    fs::create_dir(site.file("new")).unwrap();
    site
}

fn lay_out(site: &Site, things: &[(&str, Thing)]) {
    for master in MASTERS {
        for (path, thing) in things {
            let at = site.on_master(master, path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match thing {
                Thing::File(text) => fs::write(at, text).unwrap(),
                Thing::Link(target) => symlink(target, at).unwrap(),
            }
        }
    }
}

fn adopt(site: &Site, further: &[&str]) -> Ran {
    let masters = ["--master=k8s-master-01=192.168.1.204", "--master=k8s-master-02=192.168.1.205"];
    let fixed = ["adopt", "--root", "out", "-f", "new/kcm.yaml"];
    site.kcm(&[&fixed, &masters[..], further].concat())
}

fn plan(site: &Site) -> Ran {
    site.kcm(&["plan", "--check", "--root", "out", "-f", "new/kcm.yaml"])
}

const ETC: &str = "/etc/systemd/system/kube-controller-manager.service";
const USR: &str = "/usr/lib/systemd/system/kube-controller-manager.service";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

/// Installations by their kind, with further arguments of `adopt`.
fn layouts() -> Vec<(&'static str, Vec<(&'static str, Thing)>, &'static [&'static str])> {
    let flags = FLAGS.join(" ");
    let program = "/usr/bin/kube-controller-manager";
    let drop_in = format!("[Service]\nExecStart=\nExecStart={program} {flags}\n");
    let bare = unit(program, "");
    vec![
        ("kubeasz", vec![(ETC, file(whole())), (WANTS, Thing::Link(ETC))], &[]),
        (
            "kubespray: an environment file with one variable",
            vec![
                (ETC, file(unit("/usr/local/bin/kube-controller-manager $KUBE_ARGS", "EnvironmentFile=-/etc/kubernetes/kcm.env\n"))),
                ("/etc/kubernetes/kcm.env", file(format!("KUBE_ARGS=\"{flags}\"\n"))),
                (WANTS, Thing::Link(ETC)),
            ],
            &[],
        ),
        (
            "RPM: variables of several files in /etc/sysconfig",
            vec![
                (USR, file(unit(&format!("{program} $KUBE_LOG_LEVEL $KUBE_MASTER $KUBE_CONTROLLER_MANAGER_ARGS"),
                    "EnvironmentFile=-/etc/sysconfig/kube-common\nEnvironmentFile=/etc/sysconfig/kcm\nLimitNOFILE=65536\n"))),
                ("/etc/sysconfig/kube-common", file("KUBE_LOG_LEVEL=\"--v=0\"\nKUBE_MASTER=\n")),
                ("/etc/sysconfig/kcm", file(format!("KUBE_CONTROLLER_MANAGER_ARGS='{flags}'\n"))),
                (WANTS, Thing::Link(USR)),
            ],
            &[],
        ),
        (
            "Debian: /etc/default, and a link of the package's to /lib",
            vec![
                (USR, file(unit(&format!("{program} $DAEMON_ARGS"), "EnvironmentFile=-/etc/default/%p\n"))),
                ("/etc/default/kube-controller-manager", file(format!("# flags\nDAEMON_ARGS=\"{flags}\"\n"))),
                ("/lib", Thing::Link("usr/lib")),
                (WANTS, Thing::Link("/lib/systemd/system/kube-controller-manager.service")),
            ],
            &[],
        ),
        (
            "the hard way: one line",
            vec![(ETC, file(unit(&format!("/usr/local/bin/kube-controller-manager {flags}"), "RestartSec=5\n"))), (WANTS, Thing::Link("../kube-controller-manager.service"))],
            &[],
        ),
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
            "a package's unit with flags from systemctl edit",
            vec![(USR, file(bare.clone())), ("/etc/systemd/system/kube-controller-manager.service.d/override.conf", file(drop_in.clone())), (WANTS, Thing::Link(USR))],
            &[],
        ),
        (
            "drop-ins of prefixes and of all services, one masked",
            vec![
                (USR, file(bare)),
                ("/usr/lib/systemd/system/kube-controller-manager.service.d/10-flags.conf", file(drop_in.replace("--v=2", "--v=9"))),
                ("/run/systemd/system/kube-.service.d/10-flags.conf", file(drop_in)),
                ("/etc/systemd/system/service.d/50-limits.conf", file("[Service]\nLimitNOFILE=65536\n")),
                ("/usr/lib/systemd/system/kube-controller-.service.d/60-no.conf", file("[Service]\nExecStart=\n")),
                ("/etc/systemd/system/kube-controller-manager.service.d/60-no.conf", Thing::Link("/dev/null")),
                (WANTS, Thing::Link(USR)),
            ],
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
            "an alias, and a renamed program",
            vec![
                ("/etc/systemd/system/k8s-kcm.service", file(whole().replace("/kube-controller-manager ", "/kube-controller-manager-v1.31.2 ").replace("[Install]\n", "[Install]\nAlias=kube-controller-manager.service\n"))),
                (ETC, Thing::Link("/etc/systemd/system/k8s-kcm.service")),
                ("/etc/systemd/system/kube-controller-manager.service.d/20-nice.conf", file("[Service]\nNice=-5\n")),
                ("/etc/systemd/system/multi-user.target.wants/k8s-kcm.service", Thing::Link("/etc/systemd/system/k8s-kcm.service")),
            ],
            &[],
        ),
        (
            "another name of the unit, and a link of the program",
            vec![
                ("/usr/local/lib/systemd/system/kcm.service", file(whole().replace("/opt/kube/bin/kube-controller-manager", "/usr/local/bin/kcm"))),
                ("/usr/local/bin/kcm", Thing::Link("../lib/kubernetes/kube-controller-manager-1.31")),
                ("/etc/systemd/system/multi-user.target.wants/kcm.service", Thing::Link("/usr/local/lib/systemd/system/kcm.service")),
            ],
            &["--unit", "kcm.service"],
        ),
        (
            "folds, comments and CRLF",
            vec![(ETC, file(whole().replace(" \\\n  --v=2", " \\\n  # the level\n  --v=2").replace('\n', "\r\n"))), (WANTS, Thing::Link(ETC))],
            &[],
        ),
        (
            "environment files by a pattern, the last one winning",
            vec![
                (ETC, file(unit("/opt/kube/bin/kube-controller-manager $ARGS", "EnvironmentFile=/etc/kcm.d/*.env\n"))),
                ("/etc/kcm.d/10.env", file("ARGS=--v=9\n")),
                ("/etc/kcm.d/20.env", file(format!("ARGS={flags}\n"))),
                (WANTS, Thing::Link(ETC)),
            ],
            &[],
        ),
    ]
}

#[test]
fn what_systemd_runs_is_adopted_whole_wherever_it_stands() {
    for (kind, things, further) in layouts() {
        let site = ground();
        lay_out(&site, &things);
        let ran = adopt(&site, further);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
        let text = site.read("new/kcm.yaml");
        // What decides something is said, and nothing that is lost at another place.
        for said in ["NoNewPrivileges", "ReadWritePaths", "TimeoutStopSec", "GOMAXPROCS", "Nice"] {
            let is_there =
                things.iter().any(|(_, it)| matches!(it, Thing::File(text) if text.contains(said)));
            assert_eq!(text.contains(said), is_there, "{kind}: {said}: {text}");
        }
        assert!(
            !text.contains("/etc/sysconfig") && !text.contains("/etc/default"),
            "{kind}: {text}"
        );
        let ran = plan(&site);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
    }
}

#[test]
fn drop_ins_are_those_that_systemd_reads_in_its_order() {
    if !peers::has("systemd-analyze") {
        return;
    }
    let layouts = layouts().into_iter().filter(|(_, things, further)| {
        further.is_empty() && things.iter().any(|(path, _)| path.ends_with(".conf"))
    });
    let mut drop_ins = 0;
    for (kind, mut things, _) in layouts {
        // systemd tells of a key that it does not know, with the file; the order is that in which it reads.
        for (_, thing) in &mut things {
            if let Thing::File(text) = thing {
                *text = text.replacen("[Service]\n", "[Service]\nUnknownHere=1\n", 1);
            }
        }
        let more = |path, at: &'static str| {
            (path, file(format!("[Service]\nUnknownHere=1\nLimitCORE={at}\n")))
        };
        things.extend([
            more("/etc/systemd/system.control/kube-controller-manager.service.d/90.conf", "1"),
            more("/run/systemd/transient/kube-controller-manager.service.d/90.conf", "2"),
            more("/etc/systemd/system/kube-.service.d/95.conf", "3"),
            more("/usr/local/lib/systemd/system/kube-controller-.service.d/95.conf", "4"),
            more("/run/systemd/system.attached/service.d/05.conf", "5"),
            more("/usr/lib/systemd/system/kube-controller-manager.service.d/07.conf", "6"),
            more("/etc/systemd/system/kube-controller-manager.service.d/.hidden.conf", "7"),
            more("/etc/systemd/system/kube-controller-manager.service.d/97.conf.bak", "8"),
            more("/etc/systemd/system/kube-controller-manager.d/98.conf", "9"),
        ]);
        let site = ground();
        lay_out(&site, &things);
        let root = site.on_master(MASTERS[0], "/");
        for target in ["sysinit", "basic", "shutdown", "multi-user"] {
            let at = root.join(format!("usr/lib/systemd/system/{target}.target"));
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "[Unit]\n").unwrap();
        }
        let theirs = read_by_systemd(&root);
        let ran = adopt(&site, &["-o", "json"]);
        let document: serde_json::Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{kind}: {ran:?}"));
        let findings = document["findings"].as_array().unwrap().iter();
        let ours = findings
            .filter(|it| it["code"] == "drop-in")
            .map(|it| it["problem"].as_str().unwrap().split(' ').next().unwrap().to_owned());
        let ours: Vec<_> = ours.collect();
        assert_eq!(ours, theirs[1..], "{kind}");
        drop_ins += ours.len();
        let text = site.read("new/kcm.yaml");
        let unit = theirs[0].trim_start_matches(root.to_str().unwrap());
        assert!(unit == ETC || text.contains(&format!("unit: {unit}")), "{kind}: {unit}: {text}");
    }
    assert!(drop_ins > 15, "{drop_ins}");
}

/// The files of the unit that systemd names, each once, in its order.
fn read_by_systemd(root: &Path) -> Vec<String> {
    let mut command = Command::new("systemd-analyze");
    command.arg(format!("--root={}", root.display())).args(["--man=no", "verify", NAME]);
    let said = String::from_utf8_lossy(&peers::output(&mut command).stderr).into_owned();
    let mut files: Vec<String> = Vec::new();
    for line in said.lines().filter(|line| line.contains("UnknownHere")) {
        let (path, _) = line.split_once(':').unwrap();
        let path = path.strip_prefix(root.to_str().unwrap().trim_end_matches('/')).unwrap_or(path);
        if !files.iter().any(|it| it == path) {
            files.push(path.to_owned());
        }
    }
    assert!(!files.is_empty(), "{said}");
    files
}

#[test]
fn a_unit_that_runs_something_else_is_refused_with_its_name() {
    let flags = FLAGS.join(" ");
    let program = "/opt/kube/bin/kube-controller-manager";
    for (command, runs, advice) in [
        (
            format!(
                "/usr/bin/docker run --rm --net=host registry/kcm:v1 kube-controller-manager {flags}"
            ),
            "/usr/bin/docker",
            "in no container",
        ),
        (
            format!("/usr/bin/podman run --name kcm kcm {flags}"),
            "/usr/bin/podman",
            "in no container",
        ),
        (
            format!("-/usr/local/bin/nerdctl run kcm {flags}"),
            "/usr/local/bin/nerdctl",
            "in no container",
        ),
        (
            format!("/bin/sh -c \"exec {program} {flags} >> /var/log/kcm.log 2>&1\""),
            "/bin/sh",
            "StandardOutput=append:",
        ),
        (format!("/usr/bin/bash -lc '{program} {flags}'"), "/usr/bin/bash", "without a shell"),
        (format!("/usr/bin/env GOMAXPROCS=2 {program} {flags}"), "/usr/bin/env", "Environment="),
        (format!("/usr/bin/nice -n 5 {program} {flags}"), "/usr/bin/nice", "Nice="),
        (
            format!("/usr/local/bin/hyperkube controller-manager {flags}"),
            "/usr/local/bin/hyperkube",
            "the binary kube-controller-manager",
        ),
        (
            "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml".to_owned(),
            "/usr/bin/kubelet",
            "static Pod",
        ),
        (
            format!("/opt/kcm/start.sh {flags}"),
            "/opt/kcm/start.sh",
            "must be called kube-controller-manager",
        ),
    ] {
        let site = ground();
        lay_out(&site, &[(ETC, file(unit(&command, "")))]);
        let ran = adopt(&site, &[]);
        assert_eq!(ran.code, 1, "{command}: {ran:?}");
        for part in [&format!("{ETC}: ExecStart= runs {runs}, not kube-controller-manager"), advice]
        {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        assert_eq!(fs::read_dir(site.file("new")).unwrap().count(), 0);
    }
}

#[test]
fn a_unit_that_systemd_does_not_start_is_refused_with_the_reason() {
    let twice = whole().replace("Restart=on-failure\n", "ExecStart=/usr/bin/true\nType=oneshot\n");
    for (things, part) in [
        (
            vec![(ETC, Thing::Link("/dev/null")), (USR, file(whole()))],
            "the unit is masked; run `systemctl unmask",
        ),
        (vec![(ETC, file("")), (USR, file(whole()))], "the unit is masked"),
        (
            vec![(ETC, Thing::Link("/opt/none.service"))],
            "a symbolic link to /opt/none.service, counts and cannot be read",
        ),
        (vec![(ETC, Thing::Link(ETC))], "systemd finds no kube-controller-manager.service there"),
        (vec![(ETC, file(twice))], "2 commands in ExecStart="),
        (
            vec![
                (USR, file(whole())),
                (
                    "/etc/systemd/system/kube-controller-manager.service.d/1.conf",
                    file("[Service]\nExecStart=\n"),
                ),
            ],
            "0 commands in ExecStart=",
        ),
        (
            vec![(ETC, file(whole().replace("--v=2", "--v=\"2")))],
            "a quote is opened and not closed",
        ),
    ] {
        let site = ground();
        lay_out(&site, &things);
        let ran = adopt(&site, &[]);
        assert!(ran.code == 1 && ran.stderr.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn the_cause_is_named_where_the_kubeconfig_does_not_reach_the_program() {
    let flags = FLAGS.join(" ");
    let on = |options: &str| unit("/opt/kube/bin/kube-controller-manager $OPTS", options);
    let env = "EnvironmentFile=/etc/kcm.env\n";
    let with = |content: String| vec![(ETC, file(on(env))), ("/etc/kcm.env", file(content))];
    let braces = unit("/opt/kube/bin/kube-controller-manager ${OPTS}", env);
    let cut = |from: &str, to: &str| vec![(ETC, file(whole().replace(from, to)))];
    let note = |note: &str| cut("172.20.0.0/16 \\", &format!("172.20.0.0/16 \\{note}"));
    let lost =
        "line 8: these stand in the file and do not reach the program: --cluster-name=kubernetes";
    for (things, parts) in [
        (
            note("   # pods"),
            vec!["line 7: the text behind the backslash ends the command here", lost, "`# pods`"],
        ),
        (note(" // pods"), vec!["the text behind the backslash", lost]),
        (note("\t; pods"), vec!["the text behind the backslash", lost]),
        (note("  "), vec!["the blank after the backslash ends the directive here", lost]),
        (
            cut("172.20.0.0/16 \\\n", "172.20.0.0/16 \\\n\n"),
            vec!["this empty line ends the continued directive", "these stand in the file"],
        ),
        (cut("172.20.0.0/16 \\\n", "172.20.0.0/16\n"), vec!["it stands in", lost]),
        (
            with(format!("export OPTS=\"{flags}\"\n")),
            vec!["/etc/kcm.env: line 1: systemd ignores the line", "`export OPTS`", "`$OPTS`"],
        ),
        (
            with(format!("# flags\n\nset OPTS='{flags}'\n")),
            vec!["/etc/kcm.env: line 3: systemd ignores the line"],
        ),
        (
            with(format!("OPTIONS=\"{flags}\"\n")),
            vec!["line 4: the variable is not set anywhere", "`$OPTS`"],
        ),
        (with(flags.clone()), vec!["/etc/kcm.env: line 1: systemd ignores the line"]),
        (
            vec![(ETC, file(on(env)))],
            vec![
                "/etc/kcm.env of EnvironmentFile= is missing",
                "systemd does not start the unit without it",
            ],
        ),
        (
            vec![(ETC, file(on("EnvironmentFile=-/etc/kcm.env\n")))],
            vec!["/etc/kcm.env of EnvironmentFile= is missing"],
        ),
        (
            vec![(ETC, file(on("Environment=OPTS=\"--v=2\"\nUnsetEnvironment=OPTS\n")))],
            vec!["the variable is not set anywhere"],
        ),
        (
            vec![
                (ETC, file(braces.clone())),
                ("/etc/kcm.env", file(format!("OPTS=\"{flags}\"\n"))),
            ],
            vec!["one argument because of the braces", "write `$NAME` without braces"],
        ),
    ] {
        let site = ground();
        lay_out(&site, &things);
        let ran = adopt(&site, &[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        for part in [&["--kubeconfig does not reach the program"], &parts[..]].concat() {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        let ran = adopt(&site, &["-o", "json"]);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(!document["findings"].as_array().unwrap().is_empty(), "{document}");
    }
}

#[test]
fn an_environment_file_of_flags_alone_is_not_asked_of_a_new_master() {
    let flags = FLAGS.join(" ");
    for (command, env) in [
        ("$OPTS", format!("OPTS=\"{flags}\"\n")),
        ("$A $B", format!("A=--v=2\nB='{flags}'\n")),
        ("--v=${LEVEL} $OPTS", format!("LEVEL=2\nOPTS={flags}\n")),
        ("$OPTS", format!("OPTS=\"{flags}")),
        ("$OPTS", format!("# none but this\r\nOPTS=\"{flags}\"\r\n")),
    ] {
        let site = ground();
        let command = format!("/opt/kube/bin/kube-controller-manager {command}");
        let unit = unit(&command, "EnvironmentFile=/etc/kcm.env\n");
        lay_out(
            &site,
            &[(ETC, file(unit)), ("/etc/kcm.env", file(env)), (WANTS, Thing::Link(ETC))],
        );
        let ran = adopt(&site, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let text = site.read("new/kcm.yaml");
        assert!(!text.contains("EnvironmentFile"), "{text}");
        assert_eq!(plan(&site).code, 0);
    }
}

#[test]
fn an_environment_file_for_the_process_stays_in_the_cluster_file() {
    let flags = FLAGS.join(" ");
    for (command, env, further) in [
        ("$OPTS", "GOMAXPROCS=2\n", ""),
        ("$OPTS", "HTTPS_PROXY=http://proxy:3128\n", ""),
        ("$OPTS", "OTHER=1\n", ""),
        ("$OPTS", "", "ExecStartPre=-/usr/bin/echo ${OPTS}\n"),
        ("$OPTS --v=${GOGC}", "GOGC=2\n", ""),
    ] {
        let site = ground();
        let command = format!("/opt/kube/bin/kube-controller-manager {command}");
        let unit = unit(&command, &format!("EnvironmentFile=/etc/kcm.env\n{further}"));
        let env = format!("OPTS=\"{flags}\"\n{env}");
        lay_out(
            &site,
            &[(ETC, file(unit)), ("/etc/kcm.env", file(env)), (WANTS, Thing::Link(ETC))],
        );
        let ran = adopt(&site, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let text = site.read("new/kcm.yaml");
        assert!(text.contains("EnvironmentFile: /etc/kcm.env"), "{text}");
        assert!(!text.contains("proxy:3128"), "no value is taken: {text}");
    }
}
