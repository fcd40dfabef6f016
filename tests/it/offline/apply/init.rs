//! Tests that `kcm init` writes a cluster file that `kcm apply` accepts and `kcm schema` describes.

use kcm_tests::Workspace;
use serde_json::Value;

use super::KEY;

#[test]
fn init_writes_a_file_that_apply_takes_and_never_replaces_one() {
    let workspace = Workspace::empty();
    let arguments = [
        "init",
        "--create-ca",
        "--user",
        "kube",
        "--master",
        "m1=10.0.0.1",
        "--master",
        "m2=10.0.0.2",
    ];
    assert_eq!(workspace.kcm(&arguments).code, 0);
    let text = workspace.read("kcm.yaml");
    let again = workspace.kcm(&arguments);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("kcm.yaml already exists"), "{again:?}");
    assert_eq!(workspace.read("kcm.yaml"), text);
    workspace.apply();
    assert!(workspace.on_master("m2", KEY).exists());
}

#[test]
fn the_schema_knows_every_key_that_init_writes() {
    let workspace = Workspace::empty();
    let schema: Value = serde_json::from_str(&workspace.kcm(&["schema"]).stdout).unwrap();
    assert_eq!(
        workspace.kcm(&["init", "--create-ca", "--user", "kube", "--master", "m=10.0.0.1"]).code,
        0
    );
    let file: Value = serde_yaml::from_str(&workspace.read("kcm.yaml")).unwrap();
    assert_known(&file, &schema, &schema);
}

/// Asserts that every key of `value` is a property of `schema` at every level, and that the schema
/// allows no other key.
fn assert_known(value: &Value, schema: &Value, root: &Value) {
    let schema = resolve(schema, root);
    match value {
        Value::Object(map) => {
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            for (key, value) in map {
                assert!(schema["properties"][key].is_object(), "{key} is not in {schema}");
                assert_known(value, &schema["properties"][key], root);
            }
        }
        Value::Array(items) => {
            for item in items {
                assert_known(item, &schema["items"], root);
            }
        }
        _ => {}
    }
}

/// Resolves `$ref`, and an optional schema to its inner schema.
fn resolve<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let schema = schema["anyOf"].as_array().map_or(schema, |choices| &choices[0]);
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}
