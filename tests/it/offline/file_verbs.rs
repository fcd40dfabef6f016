//! Bad inputs of the commands that work on single files: one clear error each, and nothing written.

mod generated;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use kcm_tests::{CommandOutput, Workspace};

const CA: &str = "pki/ca/cert/ca.pem";
const PAIR: &str = "pki/kube-controller-manager/cert";

/// Creates a folder with valid files and with bad ones below `bad/`.
fn workspace() -> (Workspace, Vec<&'static str>) {
    let workspace = Workspace::one_master();
    workspace.apply();
    let certificate = workspace.read(&format!("{PAIR}/kube-controller-manager.pem"));
    let key = workspace.read(&format!("{PAIR}/kube-controller-manager-key.pem"));
    let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
    let twice = format!("{key}{key}");
    let bad: [(&'static str, Vec<u8>); 16] = [
        ("bad/empty", vec![]),
        ("bad/blank", b"\n \n".to_vec()),
        ("bad/text", b"hello\n".to_vec()),
        ("bad/binary", (0..=255).collect()),
        ("bad/nul", vec![0; 4096]),
        ("bad/half-certificate", half(&certificate).into()),
        ("bad/half-key", half(&key).into()),
        (
            "bad/other-base64",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
        ),
        (
            "bad/not-base64",
            b"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n".to_vec(),
        ),
        ("bad/labels", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec()),
        (
            "bad/encrypted",
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
                .to_vec(),
        ),
        ("bad/two-keys", twice.into()),
        ("bad/long", vec![b'x'; (1 << 20) + 1]),
        ("bad/yaml", b"a: [b, {c: d\n".to_vec()),
        ("bad/json", b"{\"kind\": \"Config\",,}".to_vec()),
        ("bad/der", vec![0x30, 0x82, 0x01, 0x00, 0x02]),
    ];
    for (name, content) in &bad {
        workspace.write(name, content);
    }
    fs::create_dir(workspace.file("bad/folder")).unwrap();
    symlink("loop", workspace.file("bad/loop")).unwrap();
    symlink("/dev/zero", workspace.file("bad/endless")).unwrap();
    let further = ["bad/folder", "bad/loop", "bad/endless", "bad/missing", "bad/text/below"];
    let names = bad.map(|(name, _)| name).into_iter().chain(further).collect();
    (workspace, names)
}

/// Asserts that a command fails with one clear error and changes nothing.
fn refused(workspace: &Workspace, line: &[&str]) {
    for form in [&[][..], &["-o", "json"]] {
        let before = workspace.tree().content();
        let line = [form, line].concat();
        let ran = workspace.kcm(&line);
        let CommandOutput { code, stdout, stderr } = &ran;
        assert!([1, 2].contains(code), "{line:?}: {ran:?}");
        let errors = stderr.lines().filter(|it| it.starts_with("error")).count();
        assert_eq!(errors, 1, "{line:?}: {ran:?}");
        assert!(!stderr.contains("panicked") && stderr.len() < 2000, "{line:?}: {ran:?}");
        assert!(!stderr.contains("PRIVATE KEY-----"), "{line:?}: {ran:?}");
        let document = serde_json::from_str::<serde_json::Value>(stdout);
        let is_usage = *code == 2 && stderr.contains("For more information");
        let is_right = match form {
            [] => stdout.is_empty(),
            _ => is_usage || document.is_ok_and(|it| it["kind"] == "Error"),
        };
        assert!(is_right, "{line:?}: {ran:?}");
        assert!(workspace.tree().content() == before, "{line:?}");
    }
}

/// Asserts that a check fails, with findings of the bad file or with an error.
fn found(workspace: &Workspace, line: &[&str]) {
    let before = workspace.tree().content();
    let ran = workspace.kcm(line);
    assert!([1, 2, 3].contains(&ran.code), "{line:?}: {ran:?}");
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(all.contains("error") || all.contains("warning"), "{line:?}: {ran:?}");
    assert!(!all.contains("panicked"), "{line:?}: {ran:?}");
    assert!(workspace.tree().content() == before, "{line:?}");
}

fn build<'a>(files: [&'a str; 3], further: &[&'a str]) -> Vec<&'a str> {
    let server = ["kubeconfig", "build", "--server", "https://10.0.0.1:6443"];
    let [ca, certificate, key] = files;
    let named = ["--certificate-authority", ca, "--client-certificate", certificate];
    [&server[..], &named, &["--client-key", key], further].concat()
}

#[test]
fn no_bad_file_becomes_a_kubeconfig() {
    let (workspace, bad) = workspace();
    let certificate = format!("{PAIR}/kube-controller-manager.pem");
    let key = format!("{PAIR}/kube-controller-manager-key.pem");
    let good = [CA, &certificate, &key];
    let mut number = 0;
    for name in &bad {
        for place in 0..3 {
            let mut files = good;
            files[place] = name;
            for embed in ["--embed-certs=true", "--embed-certs=false"] {
                // A missing file may exist on another machine.
                if *name == "bad/missing" && embed.ends_with("false") {
                    continue;
                }
                for out in ["new/folder/x", "-"] {
                    refused(&workspace, &build(files, &[embed, "--out", out]));
                    number += 1;
                }
            }
        }
    }
    // The key of the CA is a key, but of another certificate; a key is no certificate.
    for files in [
        [CA, &*certificate, "pki/ca/cert/ca-key.pem"],
        [CA, CA, &key],
        [CA, &*key, &key],
        [&*key, &*certificate, &key],
        [CA, &*certificate, &certificate],
    ] {
        for embed in ["--embed-certs=true", "--embed-certs=false"] {
            refused(&workspace, &build(files, &[embed, "--out", "x"]));
            number += 1;
        }
    }
    assert!(number >= 200, "{number}");
}

#[test]
fn no_bad_destination_or_argument_is_accepted() {
    let (workspace, _) = workspace();
    let certificate = format!("{PAIR}/kube-controller-manager.pem");
    let key = format!("{PAIR}/kube-controller-manager-key.pem");
    let good = [CA, &*certificate, &*key];
    for out in [
        "bad/folder",
        "bad/loop",
        "bad/endless",
        "bad/text",
        "bad/text/below",
        "bad/binary",
        "/",
        "..",
        "bad/",
    ] {
        refused(&workspace, &build(good, &["--embed-certs", "--out", out]));
    }
    for (option, values) in [
        (
            "--server",
            &[
                "http://10.0.0.1",
                "10.0.0.1:6443",
                "https://",
                "https://a:0",
                "https://u:p@a",
                "https://a?b",
                "https://a b",
                "",
            ][..],
        ),
        ("--cluster", &["", "a\nb", "\u{1b}[2J"]),
        ("--user", &["", "a\tb"]),
        ("--context", &["", "a\u{85}b"]),
        ("--embed-certs=maybe", &[]),
        ("--embed-certs=", &[]),
        ("--no-such-option", &[]),
    ] {
        for value in values {
            let mut line = build(good, &["--out", "x"]);
            line.retain(|it| option != "--server" || !it.contains("6443") && *it != "--server");
            refused(&workspace, &[&line[..], &[option, value]].concat());
        }
        if values.is_empty() {
            refused(&workspace, &build(good, &[option, "--out", "x"]));
        }
    }
    refused(&workspace, &build(good, &["--replace"]));
    refused(&workspace, &build(good, &["extra"]));
    refused(&workspace, &["kubeconfig", "build"]);
    refused(&workspace, &["kubeconfig", "merge"]);
    // A folder that every user can write is no place for a key.
    fs::create_dir(workspace.file("open")).unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(workspace.file("open"), open).unwrap();
    refused(&workspace, &build(good, &["--embed-certs", "--out", "open/x"]));
}

#[test]
fn no_bad_file_is_shown_or_passes_a_check() {
    let (workspace, bad) = workspace();
    for name in &bad {
        // An empty file is an empty kubeconfig, as for kubectl.
        if !["bad/empty", "bad/blank"].contains(name) {
            refused(&workspace, &["kubeconfig", "show", name]);
        }
        found(&workspace, &["kubeconfig", "check", name]);
        refused(&workspace, &["kubeconfig", "check", CA, "--ca", name]);
    }
    refused(&workspace, &["kubeconfig", "check", CA, "--within", "10y"]);
    refused(&workspace, &["kubeconfig", "check", CA, "--server", "x"]);
    refused(&workspace, &["kubeconfig", "check"]);
    refused(&workspace, &["kubeconfig", "show"]);
}

#[test]
fn no_bad_unit_passes_a_check_or_has_an_effect() {
    let (workspace, bad) = workspace();
    let good = "out/k8s-master-01/etc/systemd/system/kube-controller-manager.service";
    for name in &bad {
        found(&workspace, &["unit", "check", name]);
        refused(&workspace, &["unit", "diff", name, good]);
        refused(&workspace, &["unit", "diff", good, name]);
        if *name != "bad/folder" {
            refused(&workspace, &["unit", "check", good, "--root", name]);
        }
    }
    for line in [
        &["unit", "check"][..],
        &["unit", "check", good, "--kubernetes", "latest"],
        &["unit", "diff", good],
        &["unit", "render"],
        &["unit", "render", "--master", "nobody"],
        &["unit", "render", "--master", "k8s-master-01", "--program", "/a"],
        &["unit", "render", "--master", "k8s-master-01", "--hardening", "strict"],
        &["unit", "render", "--master", "k8s-master-01", "-f", "bad/yaml"],
        &["unit", "render", "--master", "k8s-master-01", "-f", "bad/missing"],
        &["unit", "render", "--program", "relative"],
        &["unit", "render", "--program", "/a/"],
        &["unit", "render", "--program", "/a'b"],
        &["unit", "render", "--program", "/a", "--user", "a b"],
        &["unit", "render", "--program", "/a", "--group", "0"],
        &["unit", "render", "--program", "/a", "--hardening", "some"],
        &["unit", "render", "--program", "/a", "--", "stray"],
        &["unit", "render", "--program", "/a", "--", "--cluster-name"],
        &["unit", "render", "--program", "/a", "--", "--unheard-of"],
        &["unit", "render", "--program", "/a", "--v=2"],
    ] {
        refused(&workspace, line);
    }
}
