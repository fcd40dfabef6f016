//! Tests of the units that `kcm adopt` refuses, and of the reported causes.

use std::fs;

use super::{ETC, FLAGS, Thing, USR, adopt, file, ground, lay_out, unit, whole};

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
            "a container",
        ),
        (format!("/usr/bin/podman run --name kcm kcm {flags}"), "/usr/bin/podman", "a container"),
        (
            format!("-/usr/local/bin/nerdctl run kcm {flags}"),
            "/usr/local/bin/nerdctl",
            "a container",
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
            "the release binary of kube-controller-manager",
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
        let workspace = ground();
        lay_out(&workspace, &[(ETC, file(unit(&command, "")))]);
        let ran = adopt(&workspace, &[]);
        assert_eq!(ran.code, 1, "{command}: {ran:?}");
        for part in [&format!("{ETC}: ExecStart= runs {runs}, not kube-controller-manager"), advice]
        {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        assert_eq!(fs::read_dir(workspace.file("new")).unwrap().count(), 0);
    }
}

#[test]
fn a_unit_that_systemd_does_not_start_is_refused_with_the_reason() {
    let twice = whole().replace("Restart=on-failure\n", "ExecStart=/usr/bin/true\nType=oneshot\n");
    for (things, part) in [
        (
            vec![(ETC, Thing::Link("/dev/null")), (USR, file(whole()))],
            "the unit is masked\n  help: run `systemctl unmask",
        ),
        (vec![(ETC, file("")), (USR, file(whole()))], "the unit is masked"),
        (
            vec![(ETC, Thing::Link("/opt/none.service"))],
            "a symbolic link to /opt/none.service, which kcm cannot read",
        ),
        (vec![(ETC, Thing::Link(ETC))], "systemd finds no unit kube-controller-manager.service"),
        (vec![(ETC, file(twice))], "ExecStart= has 2 commands"),
        (
            vec![
                (USR, file(whole())),
                (
                    "/etc/systemd/system/kube-controller-manager.service.d/1.conf",
                    file("[Service]\nExecStart=\n"),
                ),
            ],
            "ExecStart= has 0 commands",
        ),
        (vec![(ETC, file(whole().replace("--v=2", "--v=\"2")))], "a quote is not closed"),
    ] {
        let workspace = ground();
        lay_out(&workspace, &things);
        let ran = adopt(&workspace, &[]);
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
    let lost = "line 8: flags in the file do not reach the program: --cluster-name=kubernetes";
    for (things, parts) in [
        (
            note("   # pods"),
            vec![
                "line 7: the text after the backslash prevents line continuation",
                lost,
                "`# pods`",
            ],
        ),
        (note(" // pods"), vec!["the text after the backslash", lost]),
        (note("\t; pods"), vec!["the text after the backslash", lost]),
        (note("  "), vec!["the white space after the backslash prevents line continuation", lost]),
        (
            cut("172.20.0.0/16 \\\n", "172.20.0.0/16 \\\n\n"),
            vec!["the empty line ends the continued directive", "flags in the file do not reach"],
        ),
        (cut("172.20.0.0/16 \\\n", "172.20.0.0/16\n"), vec!["the flag is in", lost]),
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
            vec!["line 4: the variable is not set, so systemd", "`$OPTS`"],
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
            vec!["the variable is not set, so systemd"],
        ),
        (
            vec![
                (ETC, file(braces.clone())),
                ("/etc/kcm.env", file(format!("OPTS=\"{flags}\"\n"))),
            ],
            vec!["the braces make the value a single argument", "write `$NAME` without braces"],
        ),
    ] {
        let workspace = ground();
        lay_out(&workspace, &things);
        let ran = adopt(&workspace, &[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        for part in [&["--kubeconfig does not reach the program"], &parts[..]].concat() {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        let ran = adopt(&workspace, &["-o", "json"]);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(!document["findings"].as_array().unwrap().is_empty(), "{document}");
    }
}
