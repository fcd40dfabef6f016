//! Tests of lint: offline, in `plan` and `apply` before a change, and in `status` and `adopt`.

use std::fs;

use kcm_tests::{CommandOutput, Workspace};
use serde_json::Value;

/// Returns the tutorial's workspace with flags for all masters, one a line.
fn workspace(flags: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    let lines = flags.iter().map(|flag| format!("    {flag}\n"));
    let section = format!("controllerManager:\n  flags:\n{}", lines.collect::<String>());
    if !flags.is_empty() {
        workspace.edit("masters:\n", &format!("{section}masters:\n"));
    }
    workspace
}

fn assert_says(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

fn json(ran: &CommandOutput) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn the_exit_code_says_how_bad_it_is() {
    for (flags, arguments, code, says) in [
        (&[][..], &[][..], 0, "No findings for Kubernetes 1.20 to 1.37."),
        (
            &["profiling: \"flase\""],
            &[],
            2,
            "error[bad-value]: kcm.yaml:12:16: controllerManager.flags.profiling: --profiling: `flase` is not `true` or `false`\n  help: write the value as `true` or `false`\n",
        ),
        (&["concurrent-deployment-syncs: 0"], &[], 3, "warning[odd-value]: kcm.yaml:12:34: "),
        (&["port: 0"], &[], 3, "removed in Kubernetes 1.24 (from 1.24 on)"),
        (&["port: 0"], &["--kubernetes", "v1.31.2"], 2, "error[flag-removed]: kcm.yaml:12:11"),
        (&["port: 0"], &["--kubernetes", "1.23"], 0, "No findings for Kubernetes 1.23."),
        (
            &["controllers: \"*,-route\""],
            &["--kubernetes", "1.36", "--kubernetes", "1.37"],
            2,
            "(from 1.37 on)",
        ),
        (&[], &["--cis"], 0, "benchmark[cis-1.3.2]: kcm.yaml:"),
        (&[], &["--kubernetes", "1.38"], 3, "knows 1.20 to 1.37"),
    ] {
        let ran = workspace(flags).kcm(&[&["lint"], arguments].concat());
        assert_eq!(ran.code, code, "{flags:?} {arguments:?}: {ran:?}");
        assert_says(&ran.stdout, &[says]);
    }
    let ran = workspace(&[]).kcm(&["lint", "--kubernetes", "latest"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_says(&ran.stderr, &["`latest` is not a Kubernetes version"]);
}

#[test]
fn a_cluster_file_that_cannot_be_read_is_a_finding_too() {
    let workspace = workspace(&[]);
    workspace.edit("clusterCidr:", "clusterCIDR:");
    let ran = workspace.kcm(&["lint", "-o", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let report = json(&ran);
    let finding = &report["findings"][0];
    assert_eq!((&finding["code"], &finding["line"]), (&"cluster-file".into(), &4.into()));
    assert_says(finding["key"].as_str().unwrap(), &["cluster.clusterCIDR"]);
    let ran = workspace.kcm(&["lint", "-f", "missing.yaml", "-o", "sarif"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn json_has_every_finding_with_code_key_and_place() {
    let workspace = workspace(&["profiling: yes", "leader-elect: \"false\""]);
    workspace.edit(
        "masters:\n",
        "lint: {allow: [{code: no-leader-election, reason: a test}]}\nmasters:\n",
    );
    let ran = workspace.kcm(&["lint", "-o", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let report = json(&ran);
    assert_eq!((&report["kind"], &report["apiVersion"]), (&"LintReport".into(), &"kcm/v1".into()));
    let findings = report["findings"].as_array().unwrap();
    let shown: Vec<_> = findings
        .iter()
        .map(|it| {
            let of = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            (of("code"), of("key"), it["line"].as_u64(), it["column"].as_u64(), of("accepted"))
        })
        .collect();
    let of = |code: &str, flag: &str, line, column, accepted: &str| {
        let key = format!("controllerManager.flags.{flag}");
        (code.to_owned(), key, Some(line), Some(column), accepted.to_owned())
    };
    let expected = [
        of("bad-value", "profiling", 12, 16, ""),
        of("no-leader-election", "leader-elect", 13, 19, "a test"),
    ];
    assert_eq!(shown, expected);
}

/// Checks the properties that the schema of SARIF 2.1.0 requires.
#[test]
fn sarif_has_what_its_schema_requires() {
    let workspace =
        workspace(&["profiling: yes", "leader-elect: \"false\"", "concurrent-gc-syncs: 0"]);
    workspace.edit(
        "masters:\n",
        "lint: {allow: [{code: no-leader-election, reason: a test}]}\nmasters:\n",
    );
    let ran = workspace.kcm(&["lint", "--cis", "-o", "sarif"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let sarif = json(&ran);
    assert_eq!(sarif["version"], "2.1.0");
    let [run] = &sarif["runs"].as_array().unwrap()[..] else { panic!("{sarif}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "kcm");
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for rule in rules {
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty(), "{rule}");
        assert_level(&rule["defaultConfiguration"]["level"]);
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 5, "{sarif}");
    for result in results {
        assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "{result}");
        assert_level(&result["level"]);
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        let [location] = &result["locations"].as_array().unwrap()[..] else { panic!("{result}") };
        let place = &location["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "kcm.yaml");
        for number in ["startLine", "startColumn"] {
            assert!(place["region"][number].as_u64().unwrap() >= 1, "{result}");
        }
        for suppression in result["suppressions"].as_array().into_iter().flatten() {
            assert_eq!(
                (&suppression["kind"], &suppression["justification"]),
                (&"external".into(), &"a test".into())
            );
        }
    }
    let suppressed = results
        .iter()
        .filter(|result| result["suppressions"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(suppressed.count(), 1);
}

fn assert_level(level: &Value) {
    assert!(["none", "note", "warning", "error"].contains(&level.as_str().unwrap()), "{level}");
}

#[test]
fn errors_are_refused_before_anything_is_written() {
    for (flag, says) in [
        ("allocate-node-cidrs: \"flase\"", "controllerManager.flags.allocate-node-cidrs"),
        ("cluster-signing-duration: 10y", "[bad-value]"),
        ("leader-elect: \"false\"", "[no-leader-election]"),
        ("profilling: \"false\"", "did you mean `--profiling`?"),
        ("controllers: \"*,-deploymnt\"", "did you mean `deployment`?"),
        ("leader-elect-lease-duration: 5s", "[lease-timing]"),
    ] {
        let workspace = workspace(&[flag]);
        let before = workspace.tree();
        for verb in ["plan", "apply"] {
            let ran = workspace.kcm(&[verb, "--root", "out"]);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert_says(&ran.stderr, &[": kcm.yaml:12:", says, "\n  help: "]);
            let ran = workspace.kcm(&[verb, "--root", "out", "-o", "json"]);
            let document = json(&ran);
            assert_eq!(document["findings"].as_array().map(Vec::len), Some(1), "{document}");
        }
        assert_eq!(workspace.tree(), before);
    }
}

#[test]
fn an_accepted_error_is_applied_and_a_warning_is_reported() {
    let workspace = workspace(&["leader-elect: \"false\"", "port: 0"]);
    workspace.edit("masters:\n", "lint: {allow: [{code: no-leader-election, reason: a test}, {code: bad-value, reason: none}]}\nmasters:\n");
    let ran = workspace.kcm(&["apply", "--root", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(&ran.stderr, &["[flag-removed]", "(from 1.24 on)", "[allow-unused]"]);
    assert!(!ran.stderr.contains("no-leader-election"), "{ran:?}");
}

#[test]
fn status_lints_what_is_there() {
    let workspace = workspace(&[]);
    workspace.apply();
    let ran = workspace.kcm(&["status", "--root", "out"]);
    assert!(!ran.stdout.contains("flag-lint"), "{ran:?}");
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        let unit =
            workspace.on_master(master, "etc/systemd/system/kube-controller-manager.service");
        let text = fs::read_to_string(&unit).unwrap();
        fs::write(&unit, text.replace("--leader-elect=true", "--leader-elect=false")).unwrap();
    }
    let ran = workspace.kcm(&["status", "--root", "out"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(&ran.stdout, &["--leader-elect: without leader election", "[no-leader-election]"]);
    assert_eq!(ran.stdout.matches("no-leader-election").count(), 1, "{ran:?}");
    assert!(!ran.stdout.contains("No findings"), "{ran:?}");
}

#[test]
fn a_renewal_is_not_stopped_by_lint() {
    let workspace = workspace(&[]);
    workspace.apply();
    workspace.edit("masters:\n", "controllerManager: {flags: {profiling: yes}}\nmasters:\n");
    let ran = workspace.kcm(&["certs", "renew", "--root", "out"]);
    assert!(!ran.stderr.contains("bad-value"), "{ran:?}");
}

#[test]
fn the_version_names_the_versions_of_kubernetes() {
    let ran = Workspace::empty().kcm(&["--version"]);
    assert_says(&ran.stdout, &["kcm ", " (Kubernetes 1.20 to 1.37)\n"]);
    let readme = include_str!("../../../README.md");
    assert_says(readme, &["Kubernetes 1.20 to 1.37"]);
}
