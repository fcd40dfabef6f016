//! Tests that the machine-readable documents of kcm validate against the schemas that `kcm schema`
//! prints.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use jsonschema::Validator;
use kcm_tests::Workspace;
use serde::Serialize;
use serde_json::Value;

use crate::offline::adopt::{MASTERS, masters};

/// The kinds of documents, as `kcm schema --of` names them.
const KINDS: [&str; 22] = [
    "plan",
    "plan-file",
    "outcome",
    "status",
    "certificate-check",
    "certificate-requests",
    "rotations",
    "smoke-report",
    "drill-report",
    "adoption",
    "lint-report",
    "certificate-files",
    "certificate-list",
    "certificate-verification",
    "kubeconfig-check",
    "kubeconfig-view",
    "unit-check",
    "unit-diff",
    "version",
    "error",
    "event",
    "exchange",
];

/// A validator for each `kind` of document.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let validator = |kind: &&str| {
        let schema = schema(kind);
        let kind = schema["properties"]["kind"]["const"].as_str().unwrap().to_owned();
        (kind, compiled(&closed(schema)))
    };
    KINDS.iter().map(validator).collect()
});

/// Returns the schema that `kcm schema --of` prints.
fn schema(of: &str) -> Value {
    let ran = Workspace::empty().kcm(&["schema", "--of", of]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{of}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn compiled(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(schema).unwrap()
}

/// Forbids other keys than those of a schema. A published schema is open, so that a later version
/// can add keys.
fn closed(mut schema: Value) -> Value {
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    for definition in definitions.into_iter().flat_map(|it| it.values_mut()) {
        definition["unevaluatedProperties"] = false.into();
    }
    schema["unevaluatedProperties"] = false.into();
    schema
}

/// Asserts that a document validates against the schema of its kind, and has no other keys.
fn assert_valid(document: &Value) {
    let kind = document["kind"].as_str().unwrap_or_else(|| panic!("no kind in {document:#}"));
    let faults = VALIDATORS[kind].iter_errors(document);
    let faults: Vec<_> =
        faults.map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{document:#}\n{faults:#?}");
}

/// Asserts that every JSON document in the output of a command is valid; returns their kinds.
pub(crate) fn assert_output_is_valid(output: &str) -> Vec<String> {
    let documents = serde_json::Deserializer::from_str(output).into_iter::<Value>();
    let documents = documents.map(|document| {
        let document = document.unwrap_or_else(|error| panic!("{error}: {output}"));
        assert_valid(&document);
        document["kind"].as_str().unwrap().to_owned()
    });
    documents.collect()
}

/// Asserts that a value of the library is valid as a document of this kind.
pub(crate) fn assert_value_is_valid(kind: &str, value: &impl Serialize) {
    let mut document = serde_json::to_value(value).unwrap();
    document["apiVersion"] = "kcm/v1".into();
    document["kind"] = kind.into();
    assert_valid(&document);
}

/// Runs a command with `-o json`; returns the kind of its document, which must be valid.
fn kind_of(workspace: &Workspace, command: &str) -> String {
    let arguments: Vec<_> = command.split(' ').chain(["-o", "json"]).collect();
    let ran = workspace.kcm(&arguments);
    let kinds = assert_output_is_valid(&ran.stdout);
    let [kind] = &kinds[..] else { panic!("{kinds:?}: {ran:?}") };
    kind.clone()
}

#[test]
fn every_schema_is_a_valid_schema_of_draft_2020_12() {
    for kind in KINDS.iter().chain(&["cluster-file"]) {
        let schema = schema(kind);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{kind}");
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}

#[test]
fn the_schema_without_a_kind_is_that_of_the_cluster_file() {
    let ran = Workspace::empty().kcm(&["schema"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), schema("cluster-file"));
}

#[test]
fn the_cluster_file_of_init_validates_against_its_schema() {
    let workspace = Workspace::new();
    let file: Value = serde_yaml::from_str(&workspace.read("kcm.yaml")).unwrap();
    let schema = compiled(&schema("cluster-file"));
    assert!(schema.is_valid(&file), "{file:#}");
    let mut surprising = file;
    surprising["surprise"] = true.into();
    assert!(!schema.is_valid(&surprising), "{surprising:#}");
}

#[test]
fn the_help_lists_every_kind_that_has_a_schema() {
    let ran = Workspace::empty().kcm(&["schema", "--help"]);
    for kind in KINDS.iter().chain(&["cluster-file"]) {
        assert!(ran.stdout.contains(&format!("- {kind}: ")), "{kind}: {}", ran.stdout);
    }
}

#[test]
fn results_of_commands_on_folders_validate_against_their_schemas() {
    let workspace = Workspace::new();
    let commands = [
        ("status --root out", "Status"),
        ("plan --root out", "Plan"),
        ("apply --root out", "Outcome"),
        ("plan --root out --check", "Plan"),
        ("status --root out", "Status"),
        ("certs check --root out", "CertificateCheck"),
        ("certs check --root out --within 216000h", "CertificateCheck"),
        ("certs renew --root out --force --yes", "Outcome"),
        ("rollback --root out --yes", "Outcome"),
        ("lint --cis", "LintReport"),
        ("remove --root out --all --yes", "Outcome"),
        ("version", "Version"),
    ];
    for (command, kind) in commands {
        assert_eq!(kind_of(&workspace, command), kind, "{command}");
    }
}

#[test]
fn adoptions_of_masters_with_findings_validate_against_their_schema() {
    let workspace = masters();
    let drop_in = "/etc/systemd/system/kube-controller-manager.service.d/10-limits.conf";
    workspace.write(&format!("out/k8s-master-02{drop_in}"), "[Service]\nLimitNOFILE=65536\n");
    let adopt = format!("adopt --root out -f new/kcm.yaml {}", MASTERS.join(" "));
    assert_eq!(kind_of(&workspace, &adopt), "Adoption");
}

#[test]
fn every_class_of_error_validates_against_its_schema() {
    let workspace = Workspace::new();
    let error =
        |workspace: &Workspace, command: &str| assert_eq!(kind_of(workspace, command), "Error");
    error(&workspace, "plan --root out --master nobody");
    error(&workspace, "plan --root out -f missing.yaml");
    error(&workspace, "smoke --kubeconfig x");
    workspace.write("out/k8s-master-02", "a file");
    error(&workspace, "plan --root out");
    fs::remove_file(workspace.file("out/k8s-master-02")).unwrap();
    fs::remove_file(workspace.file("pki/ca/cert/ca-key.pem")).unwrap();
    error(&workspace, "apply --root out");
    workspace.edit("masters:\n", "controllerManager: {flags: {cluster-cidr: x}}\nmasters:\n");
    error(&workspace, "plan --root out");
    workspace.edit("masters:\n", "surprise: true\nmasters:\n");
    error(&workspace, "plan --root out");
}

#[test]
fn each_line_of_a_stream_validates_against_its_schema() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let ran = workspace.kcm(&["apply", "--root", "out", "-v", "-o", "jsonl"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let kinds = assert_output_is_valid(&ran.stdout);
    for kind in ["Event", "Exchange", "Outcome"] {
        assert!(kinds.iter().any(|it| it == kind), "no {kind}: {kinds:?}");
    }
}

#[test]
fn a_schema_refuses_a_document_without_a_key_or_with_another_type() {
    let workspace = Workspace::new();
    let plan: Value =
        serde_json::from_str(&workspace.kcm(&["plan", "--root", "out", "-o", "json"]).stdout)
            .unwrap();
    let schema = schema("plan");
    let validator = compiled(&schema);
    assert!(validator.is_valid(&plan), "{plan:#}");
    let mut later = plan.clone();
    later["keyOfALaterVersion"] = true.into();
    assert!(validator.is_valid(&later), "{later:#}");
    for key in schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()) {
        let mut changed = plan.clone();
        changed[key] = Value::Null;
        assert!(!validator.is_valid(&changed), "{key}: {changed:#}");
        changed.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&changed), "{key}: {changed:#}");
    }
    let mut changed = plan;
    changed["masters"][0]["steps"][0]["step"] = "surprise".into();
    assert!(!validator.is_valid(&changed), "{changed:#}");
}
