//! `kcm kubeconfig build` beside kubectl.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kcm_tests::{Workspace, kcm, peers};

use super::{CA, CERTIFICATE, KEY, SERVER, arguments, build, built, kubectl, workspace};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Runs the four commands of the tutorial.
fn by_kubectl(folder: &Path, file: &str, names: [&str; 3], embeds: bool) {
    let [cluster, user, context] = names;
    let run = |arguments: &[&str]| drop(kubectl(folder, file, arguments));
    let embed = format!("--embed-certs={embeds}");
    let ca = format!("--certificate-authority={CA}");
    run(&["set-cluster", cluster, &format!("--server={SERVER}"), &ca, &embed]);
    let (certificate, key) =
        (format!("--client-certificate={CERTIFICATE}"), format!("--client-key={KEY}"));
    run(&["set-credentials", user, &certificate, &key, &embed]);
    let (of, by) = (format!("--cluster={cluster}"), format!("--user={user}"));
    run(&["set-context", context, &of, &by]);
    run(&["use-context", context]);
}

#[test]
fn bytes_and_modes_are_those_of_kubectls_four_commands() {
    if !peers::has("kubectl") {
        return;
    }
    let workspace = workspace();
    let tutorial = ["kubernetes", "kube-controller-manager", "default"];
    let cases = [
        ("kcm.kubeconfig", tutorial),
        ("./pki/../pki/new/kcm.kubeconfig", tutorial),
        ("pki/kcm.kubeconfig", ["on", "1_0", "x: y"]),
        ("a/b c/kcm.kubeconfig", ["系统", "system:kube-scheduler", "a@b"]),
    ];
    for (file, names) in cases {
        for embeds in [true, false] {
            let theirs = format!("{file}-{embeds}-kubectl");
            by_kubectl(workspace.path(), &theirs, names, embeds);
            let ours = format!("{file}-{embeds}");
            let embed = format!("--embed-certs={embeds}");
            let [cluster, user, context] = names;
            let named = ["--cluster", cluster, "--user", user, "--context", context];
            let ran = build(&workspace, &[&named[..], &[&embed, "--out", &ours]].concat());
            assert_eq!((ran.code, &*ran.stdout), (0, ""), "{ran:?}");
            assert_eq!(workspace.read(&ours), workspace.read(&theirs), "{ours}");
            assert_eq!(mode(&workspace.file(&ours)), 0o600, "{ours}");
            assert_eq!(mode(&workspace.file(&ours)), mode(&workspace.file(&theirs)), "{ours}");
        }
    }
}

#[test]
fn the_umask_narrows_new_folders_and_never_the_file() {
    let workspace = workspace();
    for (umask, expected) in [("022", 0o755), ("077", 0o700), ("000", 0o755), ("777", 0o600)] {
        let file = format!("new-{umask}/inner/x.kubeconfig");
        let mut shell = Command::new("sh");
        // Without any permission, only root could write below the new folder.
        let umask = if umask == "777" { "177" } else { umask };
        shell.args(["-euc", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(kcm());
        shell.args(arguments(&["--embed-certs", "--out", &file])).current_dir(workspace.path());
        if umask == "177" && !peers::is_root() {
            continue;
        }
        peers::run(&mut shell);
        let file = workspace.file(&file);
        assert_eq!(mode(&file), 0o600, "{umask}");
        assert_eq!(mode(file.parent().unwrap()), expected, "{umask}");
    }
}

#[test]
fn an_equal_file_is_not_touched() {
    let workspace = workspace();
    for embed in ["--embed-certs", "--embed-certs=false"] {
        let run = || build(&workspace, &[embed, "--out", "x.kubeconfig"]);
        let first = run();
        assert_eq!((first.code, &*first.stderr), (0, "wrote x.kubeconfig\n"), "{first:?}");
        let before = workspace.tree();
        let second = run();
        let expected = "Nothing to do: x.kubeconfig is up to date.\n";
        assert_eq!((second.code, &*second.stderr), (0, expected), "{second:?}");
        assert_eq!(workspace.tree(), before, "{embed}");
        fs::remove_file(workspace.file("x.kubeconfig")).unwrap();
    }
}

#[test]
fn a_link_stays_a_link_and_its_target_is_written() {
    let workspace = workspace();
    workspace.write("real/target", "");
    std::os::unix::fs::symlink("real/target", workspace.file("link")).unwrap();
    let text = built(&workspace, "link");
    assert!(workspace.file("link").is_symlink());
    assert_eq!(workspace.read("real/target"), text);
    assert_eq!(mode(&workspace.file("real/target")), 0o600);
    let names = fs::read_dir(workspace.file("real")).unwrap().count();
    assert_eq!(names, 1, "no leftover");
}

#[test]
fn a_file_with_the_key_loses_the_access_of_others_and_any_other_file_keeps_its_mode() {
    let workspace = workspace();
    for (before, after) in [(0o644, 0o600), (0o777, 0o600), (0o400, 0o400), (0o600, 0o600)] {
        for content in ["", &built(&workspace, "equal")] {
            workspace.write("x", content);
            let permissions = fs::Permissions::from_mode(before);
            fs::set_permissions(workspace.file("x"), permissions).unwrap();
            built(&workspace, "x");
            assert_eq!(mode(&workspace.file("x")), after, "{before:o}");
            fs::remove_file(workspace.file("x")).unwrap();
        }
    }
    workspace.write("named", "");
    fs::set_permissions(workspace.file("named"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(build(&workspace, &["--out", "named"]).code, 0);
    assert_eq!(mode(&workspace.file("named")), 0o640);
}

#[test]
fn root_keeps_the_owner_of_a_file() {
    if !peers::is_root() {
        return;
    }
    let workspace = workspace();
    workspace.write("x", "");
    std::os::unix::fs::chown(workspace.file("x"), Some(65534), Some(65534)).unwrap();
    built(&workspace, "x");
    let found = fs::metadata(workspace.file("x")).unwrap();
    let owner = {
        use std::os::unix::fs::MetadataExt as _;
        (found.uid(), found.gid())
    };
    assert_eq!(owner, (65534, 65534));
}

#[test]
fn standard_output_has_the_bytes_of_a_file_and_absolute_paths() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    for out in [&[][..], &["--out", "-"]] {
        let ran = build(&workspace, &[&["--embed-certs=true"], out].concat());
        assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (0, &*text, ""));
    }
    let named = build(&workspace, &[]).stdout;
    let folder = workspace.path().canonicalize().unwrap();
    assert!(
        named.contains(&format!("certificate-authority: {}/{CA}\n", folder.display())),
        "{named}"
    );
}

#[test]
fn a_terminal_gets_the_key_only_on_request() {
    if !peers::has("script") {
        return;
    }
    let workspace = workspace();
    let on_terminal = |further: &[&str]| {
        let words: Vec<_> = arguments(further).into_iter().collect();
        let line = format!("{} {}", kcm().display(), words.join(" "));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path());
        let output = peers::output(&mut script);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = on_terminal(&["--embed-certs"]);
    assert!(code == 2 && said.contains("--out FILE") && !said.contains("client-key"), "{said}");
    let (code, said) = on_terminal(&["--embed-certs", "--out", "-"]);
    assert!(code == 0 && said.contains("client-key-data: "), "{said}");
    let (code, said) = on_terminal(&[]);
    assert!(code == 0 && said.contains("client-key: "), "{said}");
}

#[test]
fn a_kubeconfig_that_has_more_is_replaced_only_on_request() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    for (from, to, lost) in [
        ("kind: Config", "kind: Config # mine", "the comment at line"),
        ("users:\n", "users:\n- name: other\n  user: {}\n", "user `other`"),
        ("  user:\n", "  user:\n    token: hunter2\n", "`token` of user `kube-controller-manager`"),
        ("    cluster: kubernetes", "    namespace: ns\n    cluster: kubernetes", "`namespace`"),
        ("preferences: {}", "preferences: {colors: true}", "preference `colors`"),
        ("kind: Config", "kind: Config\nmine: 1", "field `mine`"),
        ("name: default", "name: mine", "context `mine`"),
        (text.as_str(), "not: [a kubeconfig", "not a kubeconfig"),
    ] {
        let old = text.replacen(from, to, 1);
        assert_ne!(old, text, "{from}");
        workspace.write("x", &old);
        let before = workspace.tree().content();
        let ran = build(&workspace, &["--embed-certs", "--out", "x"]);
        assert!(ran.code == 1 && ran.stderr.contains(lost), "{lost}: {ran:?}");
        assert!(ran.stderr.contains("--replace") && !ran.stderr.contains("hunter2"), "{ran:?}");
        assert_eq!(workspace.tree().content(), before, "{lost}");
        assert_eq!(build(&workspace, &["--embed-certs", "--out", "x", "--replace"]).code, 0);
        assert_eq!(workspace.read("x"), text, "{lost}");
    }
    // A renewed certificate is no loss.
    workspace.write("x", text.replace(SERVER, "https://10.0.0.1:6443"));
    assert_eq!(built(&workspace, "x"), text);
}

#[test]
fn files_of_another_machine_are_named_unchecked_and_a_bad_file_never() {
    let workspace = workspace();
    let elsewhere = "/opt/kubernetes/pki/kube-controller-manager-current.pem";
    let ran = Workspace::kcm(
        &workspace,
        &[
            "kubeconfig",
            "build",
            "--server",
            SERVER,
            "--certificate-authority",
            CA,
            "--client-certificate",
            elsewhere,
            "--client-key",
            elsewhere,
            "--out",
            "x",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stderr.matches("warning[file-missing]").count(), 2, "{ran:?}");
    let text = workspace.read("x");
    assert!(text.contains(&format!("client-key: {elsewhere}\n")), "{text}");
    assert!(text.contains(&format!("certificate-authority: {CA}\n")), "{text}");

    // One file for both, as kubelet has.
    let both = workspace.read(CERTIFICATE) + &workspace.read(KEY);
    workspace.write("both.pem", both);
    let mut line = arguments(&["--out", "y"]);
    for place in [7, 9] {
        line[place] = "both.pem";
    }
    let ran = workspace.kcm(&line);
    assert_eq!((ran.code, &*ran.stderr), (0, "wrote y\n"), "{ran:?}");
    assert!(workspace.read("y").contains("client-certificate: both.pem\n    client-key: both.pem"));
}
