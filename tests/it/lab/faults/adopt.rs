//! Tests of `kcm adopt` on real systems that were set up manually: by the tutorial's commands, by
//! kubeasz's, and by misleading units. The process that systemd started shows the effective flags.

use std::fs;
use std::path::Path;

use kcm_tests::lab::Machine;
use kcm_tests::peers;

use super::*;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

fn has_tools() -> bool {
    ["cfssl", "cfssljson", "kubectl", "ssh", "scp"].into_iter().all(peers::has)
}

impl Ground {
    /// Runs a script for all machines in the operator's folder.
    fn by_hand(&self, script: &str, arguments: &[&str]) {
        let mut command = Command::new(Path::new(SCRIPTS).join(script));
        command.current_dir(self.workspace.path()).env("HOME", self.workspace.path());
        command.arg(self.lab.operator().join("ssh_config")).arg(self.plane.server());
        command.args(arguments);
        command.args(self.lab.machines().iter().map(|machine| machine.address().to_string()));
        peers::run(&mut command);
        for machine in self.lab.machines() {
            until("it serves", Duration::from_secs(20), || machine.serves());
        }
    }

    /// Runs `kcm adopt` for machines in the folder of `workspace`.
    fn adopt(
        &self,
        workspace: &Workspace,
        machines: &[&Machine],
        further: &[&str],
    ) -> CommandOutput {
        let config = self.lab.operator().join("ssh_config").display().to_string();
        let masters = machines.iter().map(|it| format!("--master={}={}", it.name(), it.address()));
        let masters: Vec<_> = masters.collect();
        let mut arguments = vec!["adopt", "--ssh-config", &config];
        arguments.extend(masters.iter().map(String::as_str));
        arguments.extend(further);
        let ran = workspace.kcm(&arguments);
        println!("$ kcm {}\n{}{}= {}", arguments.join(" "), ran.stderr, ran.stdout, ran.code);
        ran
    }
}

/// Asserts that the plan of a folder is empty, and that an apply changes and restarts nothing.
fn stays(workspace: &Workspace, machines: &[&Machine]) {
    let state = || -> Vec<String> {
        let look = "systemctl show -p InvocationID,NRestarts kube-controller-manager; find /opt/kube* /etc/kubernetes \
                    /etc/systemd/system -type f -exec stat -c '%n %Z' {} + 2>/dev/null | sort; :";
        machines.iter().map(|machine| machine.output(&["sh", "-c", look])).collect()
    };
    let before = state();
    let ran = workspace.kcm(&["plan", "--check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = workspace.kcm(&["apply"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("Nothing to do"), "{ran:?}");
    assert_eq!(state(), before);
}

/// Returns the files below a folder that contain private keys.
fn keys(folder: &Path) -> String {
    let mut grep = Command::new("grep");
    grep.args(["-rl", "-e", "PRIVATE KEY"]).arg(folder);
    String::from_utf8(peers::output(&mut grep).stdout).unwrap()
}

/// Starts three masters and sets them up with the tutorial's commands.
fn by_the_tutorial() -> Option<Ground> {
    if !has_tools() {
        return None;
    }
    let ground = Ground::new(&plain(3))?;
    for machine in ground.lab.machines() {
        machine.output(&["chown", "-R", "kube:kube", "/opt/kubernetes"]);
    }
    ground.by_hand("tutorial.sh", &[]);
    Some(ground)
}

#[test]
fn masters_that_the_tutorial_set_up_are_adopted_and_stay_as_they_are() {
    let Some(ground) = by_the_tutorial() else { return };
    let machines: Vec<_> = ground.lab.machines().iter().collect();

    // This operator has names, addresses and a login only.
    let workspace = Workspace::empty();
    let ran = ground.adopt(&workspace, &machines, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(
        &ran.stdout,
        &["has nothing to do", "cis-1.3.2", "ca-key-signs-tokens", "[ca-key-missing]"],
    );
    assert!(!ran.stdout.contains("masters-differ"), "{ran:?}");
    assert!(!ran.stdout.contains("subject-mismatch"), "{ran:?}");
    let text = workspace.read("kcm.yaml");
    // The tutorial's settings are kcm's defaults.
    assert!(
        !text.contains("flags") && !text.contains("paths") && !text.contains("compare"),
        "{text}"
    );
    assert!(text.contains("  owner: kube\n"), "{text}");
    assert_eq!(keys(workspace.path()), "", "no key is fetched");
    stays(&workspace, &machines);
    let status = workspace.kcm(&["status"]);
    assert_eq!(status.stdout.matches("in sync").count(), 3, "{status:?}");

    // kcm does not replace the file unasked.
    let ran = ground.adopt(&workspace, &machines, &[]);
    assert!(ran.code == 1 && ran.stderr.contains("--overwrite"), "{ran:?}");

    // The tutorial's operator has the pair and the CA key.
    fs::remove_file(ground.workspace.file("kcm.yaml")).unwrap();
    let ran = ground.adopt(&ground.workspace, &machines, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    stays(&ground.workspace, &machines);

    // Only the master that differs is reported.
    let unit = machines[1].file(UNIT_FILE);
    let changed =
        fs::read_to_string(&unit).unwrap().replace("--v=2", "--v=4").replace("172.20", "172.21");
    fs::write(&unit, changed).unwrap();
    machines[1].output(&["systemctl", "daemon-reload"]);
    machines[1].output(&["systemctl", "restart", UNIT]);
    let ran = ground.adopt(&workspace, &machines, &["--overwrite"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(
        &ran.stdout,
        &[
            "--cluster-cidr is not the same",
            "k8s-master-02 has 172.21.0.0/16",
            "-  --cluster-cidr=172.21.0.0/16",
            "1 master to change",
        ],
    );
    let text = workspace.read("kcm.yaml");
    let line = text.lines().find(|line| line.contains("k8s-master-02")).unwrap();
    assert!(line.contains("flags: {v: \"4\"}"), "{text}");
}

#[test]
fn masters_that_kubeasz_set_up_are_adopted_and_stay_as_they_are() {
    if !has_tools() {
        return;
    }
    let Some(ground) = Ground::new(&plain(2)) else { return };
    for machine in ground.lab.machines() {
        ground.bring_program(machine, "/opt/kube/bin/kube-controller-manager");
        fs::remove_dir_all(machine.file("/opt/kubernetes")).unwrap();
    }
    ground.by_hand("kubeasz.sh", &["0600"]);
    let machines: Vec<_> = ground.lab.machines().iter().collect();
    let workspace = Workspace::empty();
    let ran = ground.adopt(&workspace, &machines, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(
        &ran.stdout,
        &["ST=HangZhou, L=XS", "the CSR file that `pki.csr` names", "[subject-mismatch]"],
    );
    let text = workspace.read("kcm.yaml");
    assert_says(
        &text,
        &[
            "root: /opt/kube\n",
            "compare: semantic",
            "kubeconfig: /etc/kubernetes/kube-controller-manager.kubeconfig\n",
            "caKey: /etc/kubernetes/ssl/ca-key.pem\n",
            "credentials: embedded-only\n",
        ],
    );
    assert!(!text.contains("flags") && !text.contains("directives"), "{text}");
    assert_eq!(keys(workspace.path()), "", "no key is fetched");
    stays(&workspace, &machines);

    // A renewal writes kcm's own form; after it there is again nothing to do.
    for name in ["ca.pem", "ca-key.pem"] {
        let path = format!("pki/ca/cert/{name}");
        fs::copy(ground.workspace.file(&path), workspace.file(&path)).unwrap();
    }
    let ran = workspace.kcm(&["certs", "renew", "--force"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let kubeconfig = machines[0].file("/etc/kubernetes/kube-controller-manager.kubeconfig");
    let kubeconfig = fs::read_to_string(kubeconfig).unwrap();
    assert!(!kubeconfig.contains("system:kube-controller-manager"), "{kubeconfig}");
    stays(&workspace, &machines);

    // kcm reports the file that kubeasz's copy leaves readable.
    let open = "/etc/kubernetes/kube-controller-manager.kubeconfig";
    machines[1].output(&["chmod", "0644", open]);
    machines[1].output(&["systemctl", "restart", UNIT]);
    let ran = ground.adopt(&workspace, &machines, &["--overwrite"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(&ran.stdout, &["[secret-readable]", "1 master to change", "0644"]);
}

/// Returns the effective flags of the running process. Each flag is one word.
fn running(machine: &Machine) -> Vec<String> {
    let look = "tr '\\0' '\\n' <\"/proc/$(systemctl show -p MainPID --value kube-controller-manager)/cmdline\"";
    let mut words: Vec<_> =
        machine.output(&["sh", "-c", look]).lines().map(str::to_owned).collect();
    words.remove(0);
    // The last occurrence of a repeated flag is effective.
    let name = |word: &String| word.split('=').next().unwrap().to_owned();
    let last = |at: usize| words.iter().skip(at + 1).all(|later| name(later) != name(&words[at]));
    let mut counting: Vec<_> =
        (0..words.len()).filter(|at| last(*at)).map(|at| words[at].clone()).collect();
    counting.sort();
    counting
}

/// Edits a machine's unit.
fn change(machine: &Machine, edit: impl Fn(&str) -> String) {
    let path = machine.file(UNIT_FILE);
    let before = fs::read_to_string(&path).unwrap();
    let after = edit(&before);
    assert_ne!(before, after);
    fs::write(path, after).unwrap();
}

/// Makes a unit lose flags after an empty line, and its `Restart=` to a backslash.
fn lose(machine: &Machine) {
    change(machine, |unit| {
        let lost = "  --v=2 \\\n\n  --profiling=false \\\n  --terminated-pod-gc-threshold=100\n";
        let twice = "  # who leads\n  --leader-elect=true \\\n  --leader-elect=true \\\n";
        unit.replace("  --v=2\n", lost)
            .replace("  --leader-elect=true \\\n", twice)
            .replace("Restart=always\n", "Restart=always \\\n")
    });
}

/// Adds drop-ins that replace the command, with variables and a specifier.
fn drop_into(machine: &Machine) {
    let command = "[Service]\nEnvironment=\"MORE=--v=3 --profiling=false\" MASK=25\nExecStart=\n\
        ExecStart=/opt/kubernetes/bin/kube-controller-manager \
        --kubeconfig=/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig --bind-address=127.0.0.1 \
        --secure-port=0 $MORE --node-cidr-mask-size=${MASK} --cluster-cidr=172.20.0.0/16 \
        --use-service-account-credentials=true --cluster-name=%p --master=http://a$$1\n";
    let more = "[Service]\nRestartSec=6\nLimitNOFILE=4096\n";
    let folder = machine.file(&format!("{UNIT_FILE}.d"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("10-command.conf"), command).unwrap();
    fs::write(folder.join("20-more.conf"), more).unwrap();
}

/// Moves flags of a unit to an environment file.
fn look_elsewhere(machine: &Machine) {
    let file = "# flags\nV=3\nARGS=\"--profiling=false \\\n  --feature-gates=AllAlpha=false,'AllBe'ta=false \
        --cluster-name=a\\b\"\nOTHER=hidden\n";
    fs::create_dir_all(machine.file("/etc/kubernetes")).unwrap();
    fs::write(machine.file("/etc/kubernetes/kcm.env"), file).unwrap();
    let files = "Environment=V=9\nEnvironmentFile=-/etc/kubernetes/none.env\nEnvironmentFile=/etc/kubernetes/kcm.env\n";
    change(machine, |unit| {
        unit.replace("[Service]\n", &format!("[Service]\n{files}"))
            .replace("  --v=2\n", "  --v=${V} $ARGS $UNSET\n")
    });
}

/// Returns the flags that kcm would write to an empty master, without a parser of units.
fn written(workspace: &Workspace) -> Vec<String> {
    let ran = workspace.kcm(&["plan", "-o", "json", "--root", "nowhere"]);
    let plan: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let steps = plan["masters"][0]["steps"].as_array().unwrap();
    let unit = steps.iter().find(|step| step["role"] == "unit").unwrap();
    let words = unit["diff"].as_str().unwrap().lines().filter_map(|line| line.strip_prefix("+  "));
    let mut words: Vec<_> = words
        .map(|word| word.trim_end_matches(" \\").trim_matches('"').replace("$$", "$"))
        .collect();
    words.sort();
    words
}

#[test]
fn units_that_do_not_do_what_they_seem_to_are_adopted_as_systemd_runs_them() {
    let Some(ground) = by_the_tutorial() else { return };
    let [empty_line, drop_in, environment] = ground.lab.machines() else { panic!("three") };
    lose(empty_line);
    drop_into(drop_in);
    look_elsewhere(environment);
    for machine in ground.lab.machines() {
        machine.output(&["systemctl", "daemon-reload"]);
        machine.output(&["systemctl", "restart", UNIT]);
    }
    for (machine, losses, is_told) in [
        (
            empty_line,
            &[
                "line 25: the empty line ends the continued directive",
                "systemd ignores Restart=`always",
                "line 26: flags in the file do not reach the program: --profiling=false --terminated-pod-gc-threshold=100",
                "--leader-elect is given more than once",
            ][..],
            &["Restart: \"no\"", "RestartSec: \"100ms\""][..],
        ),
        (
            drop_in,
            &[
                "10-command.conf is part of the unit",
                "10-command.conf: line 4: systemd replaces the variable",
            ],
            &["LimitNOFILE: \"4096\"", "RestartSec: \"6\"", "profiling: \"false\""],
        ),
        (
            environment,
            &["systemd replaces the variable at the start of the process: `$ARGS`"],
            &["EnvironmentFile", "profiling"],
        ),
    ] {
        let workspace = Workspace::empty();
        let ran = ground.adopt(&workspace, &[machine], &[]);
        assert_eq!(ran.code, 0, "{}: {ran:?}", machine.name());
        assert_says(&ran.stdout, losses);
        let text = workspace.read("kcm.yaml");
        assert_says(&text, is_told);
        assert!(!text.contains("hidden") && !ran.stdout.contains("hidden"), "{text}");
        stays(&workspace, &[machine]);
        for name in ["ca.pem", "ca-key.pem"] {
            let path = format!("pki/ca/cert/{name}");
            fs::copy(ground.workspace.file(&path), workspace.file(&path)).unwrap();
        }
        assert_eq!(written(&workspace), running(machine), "{}", machine.name());
        if machine.name() == drop_in.name() {
            // A drop-in that is part of the adopted unit does not block other changes.
            let kubeconfig = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
            machine.output(&["chmod", "0640", kubeconfig]);
            let ran = workspace.kcm(&["plan"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_says(&ran.stderr, &["10-command.conf sets ExecStart", "keep the drop-in"]);
            assert!(!ran.stdout.contains(UNIT_FILE) && ran.stdout.contains("  start "), "{ran:?}");
        }
    }
}
