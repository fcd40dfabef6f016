//! `kcm kubeconfig check` and `show` read the writings of templates and of other tools.

use serde_json::Value;

use super::{CA, SERVER, built, kubectl, workspace};
use kcm_tests::{CommandOutput, Workspace, peers};

/// Indents the entries of a list as Ansible's `to_nice_yaml` does: by four, after a wide dash.
fn wide(text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start() {
        entry if entry.starts_with("- ") => line.replacen("- ", "-   ", 1),
        key => format!("{}{key}", " ".repeat((line.len() - key.len()) * 2)),
    });
    lines.map(|line| line + "\n").collect()
}

/// Returns a kubeconfig in the writings of templates and of other tools.
fn writings(text: &str) -> Vec<String> {
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from:?} in {text}");
        text.replacen(from, to, 1)
    };
    let kind_last = changed("kind: Config\n", "") + "kind: Config\n";
    let all = [
        text.to_owned(),
        format!("# rendered from kubeconfig.j2\n{text}"),
        format!("{text}# end\n"),
        changed("kind: Config\n", "kind: Config  # of role kcm\n\n# the load balancer\n"),
        changed("  name: kubernetes\n", "  name: \"kubernetes\"\n"),
        changed("    cluster: kubernetes\n", "    cluster: 'kubernetes'\n"),
        changed("current-context: default\n", "current-context: \"default\"\n"),
        changed("  name: default\n", "  name: 'default'\n"),
        changed(SERVER, &format!("\"{SERVER}\"")),
        changed(SERVER, &format!("'{SERVER}'")),
        wide(text),
        kind_last.clone(),
        wide(&kind_last),
    ];
    let windows = all.iter().map(|it| it.replace('\n', "\r\n"));
    all.iter().cloned().chain(windows).collect()
}

fn show(workspace: &Workspace) -> Value {
    let ran = workspace.kcm(&["kubeconfig", "show", "x", "-o", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    shown["kubeconfig"].clone()
}

#[test]
fn a_writing_of_another_tool_has_no_findings_and_shows_the_same() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    let expected = show(&workspace);
    let has_kubectl = peers::has("kubectl");
    let raw = |workspace: &Workspace| kubectl(workspace.path(), "x", &["view", "--raw"]);
    let canonical = has_kubectl.then(|| raw(&workspace));
    let writings = writings(&text);
    assert_eq!(writings.len(), 26);
    for writing in writings {
        workspace.write("x", &writing);
        let check = ["kubeconfig", "check", "x", "--server", SERVER, "--ca", CA];
        let ran = workspace.kcm(&check);
        assert_eq!((ran.code, &*ran.stderr), (0, ""), "{writing}\n{ran:?}");
        assert!(ran.stdout.starts_with("No findings in x."), "{writing}\n{ran:?}");
        assert_eq!(show(&workspace), expected, "{writing}");
        assert_eq!(has_kubectl.then(|| raw(&workspace)), canonical, "{writing}");
    }
}

#[test]
fn a_forgotten_use_context_is_reported_with_the_contexts_and_the_command() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    for line in ["current-context: \"\"\n", "current-context:\n", "current-context: ~\n", ""] {
        for wide_or_not in [str::to_owned, wide] {
            workspace
                .write("x", wide_or_not(&text.replacen("current-context: default\n", line, 1)));
            let ran = workspace.kcm(&["kubeconfig", "check", "x"]);
            let CommandOutput { code, stdout, stderr } = &ran;
            assert_eq!((*code, &**stderr), (1, ""), "{line:?}: {ran:?}");
            let expected = "error[context-invalid]: x: current-context is not set; contexts: default\n  help: select a context with `kubectl config use-context CONTEXT --kubeconfig=FILE`\n";
            assert!(stdout.starts_with(expected), "{line:?}: {ran:?}");
            // Without a current context, the rest is still shown.
            assert_eq!(show(&workspace)["clusters"][0]["name"], "kubernetes", "{line:?}");
        }
    }
}
