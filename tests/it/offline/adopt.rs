//! Tests of `kcm adopt` on folders: its output, the files that it writes, and its refusals.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{CommandOutput, Workspace};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::RngSeed;

pub(crate) const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
pub(crate) const MASTERS: [&str; 3] = [
    "--master=k8s-master-01=192.168.1.204",
    "--master=k8s-master-02=192.168.1.205",
    "--master=k8s-master-03=192.168.1.206",
];

/// Masters with a complete deployment, and an empty folder `new` for the adopted cluster file.
pub(crate) fn masters() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    fs::create_dir(workspace.file("new")).unwrap();
    workspace
}

fn adopt(workspace: &Workspace, further: &[&str]) -> CommandOutput {
    let arguments = [&["adopt", "--root", "out", "-f", "new/kcm.yaml"], &MASTERS[..], further];
    workspace.kcm(&arguments.concat())
}

fn edit(workspace: &Workspace, master: &str, from: &str, to: &str) {
    edit_file(workspace, master, UNIT, from, to);
}

/// Replaces a part of a file on a master. The part must exist.
pub(crate) fn edit_file(workspace: &Workspace, master: &str, path: &str, from: &str, to: &str) {
    let at = workspace.on_master(master, path);
    let before = fs::read_to_string(&at).unwrap();
    assert!(before.contains(from), "{before}");
    fs::write(&at, before.replace(from, to)).unwrap();
}

/// Asserts that `text` contains all `parts`, without the indentation of diffs.
fn assert_says(text: &str, parts: &[&str]) {
    let text = &text.replace("\n      ", "\n");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn what_kcm_put_there_is_adopted_without_a_word_that_is_not_needed() {
    let workspace = masters();
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(
        &ran.stdout,
        &["wrote new/kcm.yaml", "wrote new/pki/ca/cert/ca.pem", "has nothing to do"],
    );
    let text = workspace.read("new/kcm.yaml");
    for absent in
        ["flags", "install", "systemd", "kubeconfig:", "ssh:", "nodeCidr", "name: kubernetes\n"]
    {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let ran = workspace.kcm(&["plan", "--check", "--root", "out", "-f", "new/kcm.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(workspace.read("new/pki/ca/cert/ca.pem"), workspace.read("pki/ca/cert/ca.pem"));
    assert_eq!(
        fs::read_dir(workspace.file("new/pki/ca/cert")).unwrap().count(),
        1,
        "no key is fetched"
    );
}

#[test]
fn a_printed_cluster_file_has_standard_output_for_itself_and_nothing_is_written() {
    let workspace = masters();
    let before = workspace.tree();
    let arguments = [&["adopt", "--root", "out", "-f", "-"], &MASTERS[..]].concat();
    let ran = workspace.kcm(&arguments);
    assert_eq!((ran.code, workspace.tree() == before), (0, true), "{ran:?}");
    assert!(
        ran.stdout.starts_with("# kcm's cluster file") && ran.stdout.ends_with("}\n"),
        "{ran:?}"
    );
    assert_says(&ran.stderr, &["cis-1.3.2", "has nothing to do"]);
    let ran = workspace.kcm(&[&arguments[..], &["-o", "json"]].concat());
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(document["text"].as_str().unwrap().contains("apiVersion: kcm/v1"));
    assert!(document["findings"].as_array().unwrap().iter().any(|it| it["code"] == "flag-lint"));
    assert!(document["plan"]["masters"].as_array().unwrap().len() == 3, "{document}");
}

#[test]
fn masters_that_differ_are_named_with_what_each_has() {
    let workspace = masters();
    edit(&workspace, "k8s-master-02", "--cluster-name=kubernetes", "--cluster-name=other");
    edit(&workspace, "k8s-master-03", "--v=2", "--profiling=false");
    edit(&workspace, "k8s-master-03", "RestartSec=5", "RestartSec=9");
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(
        &ran.stdout,
        &[
            "--cluster-name is not the same on all masters: k8s-master-01 has kubernetes; k8s-master-02 has other",
            "RestartSec= in [Service] of the unit is not the same",
            "k8s-master-03: flags that not all masters share: --profiling, --v",
            "-  --cluster-name=other \\\n+  --cluster-name=kubernetes",
            "-RestartSec=9\n+RestartSec=5",
            "2 masters to change",
            "`kcm apply` would remove settings that the findings above name; first add them to new/kcm.yaml",
        ],
    );
    assert!(!ran.stdout.contains("to make these changes"), "{ran:?}");
    let text = workspace.read("new/kcm.yaml");
    assert_says(&text, &["flags: {profiling: \"false\", v: null}"]);
}

#[test]
fn a_unit_that_cannot_be_enabled_is_shown_with_what_it_lacks() {
    let workspace = masters();
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        edit(&workspace, master, "[Install]\nWantedBy=multi-user.target\n", "");
    }
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(&ran.stdout, &["+[Install]\n+WantedBy=multi-user.target"]);
    for times in ["3 masters", "Nothing to do"] {
        let ran = workspace.kcm(&["apply", "--root", "out", "-f", "new/kcm.yaml"]);
        assert!(ran.code == 0 && ran.stdout.contains(times), "{ran:?}");
    }
}

#[test]
fn a_kubeconfig_that_names_its_certificate_is_told_and_the_identity_is_known_all_the_same() {
    let workspace = masters();
    let folder = "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager";
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        let at = workspace.on_master(master, KUBECONFIG);
        let lines = fs::read_to_string(&at).unwrap();
        let lines = lines.lines().map(|line| match line.trim().split_once(": ") {
            Some(("client-certificate-data", _)) => {
                format!("    client-certificate: {folder}.pem\n")
            }
            Some(("client-key-data", _)) => format!("    client-key: {folder}-key.pem\n"),
            _ => format!("{line}\n"),
        });
        fs::write(&at, lines.collect::<String>()).unwrap();
    }
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(
        &ran.stdout,
        &[
            "[not-reproduced]",
            "is not on this machine, and these files need the key",
            "-    client-key: /opt",
        ],
    );
    assert!(workspace.read("new/kcm.yaml").contains("keyAlgorithm: ecdsa-p256"));
}

#[tokio::test]
async fn an_embedder_adopts_through_transports_of_its_own_and_sees_the_plan() {
    let workspace = masters();
    let masters = [("k8s-master-01", "192.168.1.204"), ("k8s-master-02", "192.168.1.205")];
    let masters = masters.map(|(name, address)| (name.to_owned(), address.to_owned()));
    let request = kcm::AdoptRequest::new(masters.to_vec(), kcm::AdoptSsh::default());
    let origin = workspace.file("kcm.yaml");
    let fleet = kcm::Fleet::folders(&request.masters(&origin).unwrap(), &workspace.file("out"));
    let now = time::OffsetDateTime::now_utc();
    let adopted = kcm::adopt(&request, &fleet, &origin, now).await.unwrap();
    assert_eq!(adopted.ca_certificate, workspace.read("pki/ca/cert/ca.pem"));
    let interrupt = kcm::Interrupt::default();
    let run = kcm::Run::new(&adopted.cluster, &fleet, now, &kcm::Silent, &interrupt);
    assert!(kcm::adoption_plan(run).await.unwrap().plan.is_empty());
    assert!(kcm::plan(run).await.unwrap().plan.is_empty());
}

#[test]
fn arguments_that_the_program_refuses_are_told_and_not_written() {
    let workspace = masters();
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        edit(&workspace, master, "--v=2\n", "--v=2 # more words\n");
        edit(&workspace, master, "RestartSec=5", "RestartSec=5 \\");
    }
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(
        &ran.stdout,
        &[
            "comments within a line are not supported",
            "receives the argument `#` and refuses to start",
            "receives the argument `words` and refuses",
            "-  --v=2 # more words\n+  --v=2\n",
        ],
    );
}

#[test]
fn what_cannot_be_adopted_is_refused_with_what_to_do_and_nothing_is_written() {
    let workspace = masters();
    let ran = adopt(&workspace, &["--unit", "kcm.service"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(&ran.stderr, &["k8s-master-01: systemd finds no unit kcm.service", "--unit"]);
    let ran = adopt(&workspace, &["--user", "a b"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = workspace.kcm(&["adopt", "--root", "out", "--master", "x"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    edit(&workspace, "k8s-master-02", "ExecStart=/opt", "ExecStart=opt");
    let ran = adopt(&workspace, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(
        &ran.stderr,
        &["k8s-master-02: /etc/systemd/system/kube", "systemd does not load the unit: line 6"],
    );
    edit(&workspace, "k8s-master-02", "ExecStart=opt", "ExecStart=/opt");
    // The operator's CA differs from that of the masters.
    let (other, _) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "other");
    workspace.write("ca.pem", other);
    let ran = adopt(&workspace, &["--ca-cert", "ca.pem"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(
        &ran.stderr,
        &["ca.pem: differs from the CA certificate determined from the masters"],
    );
    assert_eq!(fs::read_dir(workspace.file("new")).unwrap().count(), 0);
    workspace.write("new/kcm.yaml", "mine");
    let ran = adopt(&workspace, &[]);
    assert_eq!((ran.code, workspace.read("new/kcm.yaml")), (1, "mine".to_owned()), "{ran:?}");
    let ran = adopt(&workspace, &["--overwrite"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

pub(crate) const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";
pub(crate) const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
/// Common flags, each with values.
const FLAGS: &[(&str, &[&str])] = &[
    ("allocate-node-cidrs", &["true", "false"]),
    ("authentication-kubeconfig", &[KUBECONFIG]),
    ("bind-address", &["192.168.1.204", "127.0.0.1", "0.0.0.0", "::"]),
    ("cluster-cidr", &["172.20.0.0/16", "172.16.0.0/12"]),
    ("cluster-name", &["kubernetes", "x_1"]),
    ("cluster-signing-cert-file", &[CA]),
    ("cluster-signing-key-file", &[CA_KEY]),
    ("controllers", &["*,-ttl"]),
    ("feature-gates", &["AllAlpha=false,AllBeta=true"]),
    ("leader-elect", &["true", "false"]),
    ("master", &["", "a b", "50%", "$HOME", "\"\\"]),
    ("node-cidr-mask-size", &["24", "26"]),
    ("root-ca-file", &[CA, "/etc/x/ca.pem"]),
    ("service-account-private-key-file", &[CA_KEY, "/etc/x/sa.key"]),
    ("service-cluster-ip-range", &["10.68.0.0/16", "10.96.0.0/12"]),
    ("use-service-account-credentials", &["true"]),
    ("v", &["2", "4"]),
];
/// Further lines of a unit.
const LINES: &[(&str, &str)] = &[
    ("Unit", "After=network.target kube-apiserver.service"),
    ("Unit", "Description=ours"),
    ("Service", "Restart=on-failure"),
    ("Service", "Restart=always"),
    ("Service", "RestartSec=5"),
    ("Service", "RestartSec=1min"),
    ("Service", "LimitNOFILE=65536"),
    ("Service", "Environment=\"A=x y\" B=50%%"),
    ("Service", "User=root"),
    ("Install", "WantedBy=multi-user.target"),
    ("Install", "WantedBy=kubernetes.target"),
];

/// Returns one of the spellings of a flag in a unit.
fn spelled(name: &str, value: &str, way: u8) -> String {
    let name = if way & 1 == 0 { name.to_owned() } else { name.replace('-', "_") };
    let value =
        value.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_bool = value == "true" || value == "false";
    match way >> 1 {
        1 if !is_bool => format!("--{name} \"{value}\""),
        2 if value == "true" => format!("--{name}"),
        _ => format!("\"--{name}={value}\""),
    }
}

fn units() -> impl Strategy<Value = String> {
    let flags = subsequence(FLAGS.to_vec(), 0..=FLAGS.len()).prop_shuffle();
    let lines = subsequence(LINES.to_vec(), 0..=LINES.len());
    let choices = prop::collection::vec((any::<prop::sample::Index>(), 0..6u8), FLAGS.len());
    (flags, lines, choices).prop_map(|(flags, lines, choices)| {
        let flags = flags.into_iter().zip(choices);
        let flags = flags.map(|((name, values), (at, way))| spelled(name, at.get::<&str>(values), way));
        let flags: Vec<_> = flags.collect();
        let of = |section: &str| {
            let lines = lines.iter().filter(|(of, _)| *of == section);
            lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        let mut install = of("Install");
        if install.is_empty() {
            install.push_str("WantedBy=multi-user.target\n");
        }
        format!(
            "[Unit]\n{}[Service]\nExecStart=/opt/kubernetes/bin/kube-controller-manager --kubeconfig={KUBECONFIG} \\\n  {}\n{}[Install]\n{}",
            of("Unit"), flags.join(" \\\n  "), of("Service"), install
        )
    })
}

/// Checks that any unit can be adopted, and that the plan then contains no step except `enable`.
#[test]
fn after_adopting_any_unit_there_is_nothing_to_write() {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    workspace.apply();
    let config = ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    };
    proptest!(config, |(unit in units())| {
        fs::write(workspace.on_master("k8s-master-01", UNIT), &unit).unwrap();
        let ran = workspace.kcm(&["adopt", "--root", "out", "-f", "kcm.yaml", "--overwrite", "-o", "json", MASTERS[0]]);
        prop_assert!(matches!(ran.code, 0 | 3), "{unit}\n{ran:?}");
        // `kcm plan` refuses the units with lint errors; `kcm adopt` shows the same plan.
        let adopted: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let steps = adopted["plan"]["masters"][0]["steps"].as_array().unwrap();
        let steps: Vec<_> = steps.iter().filter(|step| step["step"] != "enable").collect();
        prop_assert!(steps.is_empty(), "{unit}\n{}\n{steps:?}", workspace.read("kcm.yaml"));
    });
}
