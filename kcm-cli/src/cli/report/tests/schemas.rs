//! Tests that the values of all reports validate against the schemas of their documents.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum as _;
use jsonschema::Validator;
use serde_json::Value;

use super::super::document::Document;
use super::super::version::VersionReport;
use super::values;
use crate::cli::args::DocumentKind;
use crate::cli::schema::schema;
use crate::error::{Error, ErrorDocument};
use crate::observed::ObserveError;
use crate::preflight::PreflightError;
use crate::transport::Exchange;

/// Returns a validator of each kind of document. It also refuses keys that the schema does not
/// describe.
fn validators() -> BTreeMap<String, Validator> {
    let kinds = DocumentKind::value_variants().iter();
    let kinds = kinds.filter(|kind| **kind != DocumentKind::ClusterFile);
    let validator = |kind: &DocumentKind| {
        let schema = closed(schema(*kind));
        let kind = schema["properties"]["kind"]["const"].as_str().unwrap().to_owned();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        (kind, options.build(&schema).unwrap())
    };
    kinds.map(validator).collect()
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

/// Returns a document of every kind, with its variants.
fn documents() -> Vec<Value> {
    let mut documents: Vec<_> =
        values::shown("word").into_iter().filter_map(|it| it.document).collect();
    let exchange = Exchange {
        master: "m1".into(),
        call: "probe".into(),
        took: <_>::default(),
        has_failed: true,
    };
    documents.push(serde_json::to_value(Document::new(&exchange)).unwrap());
    let version = VersionReport::of_this_program();
    documents.push(serde_json::to_value(Document::new(&version)).unwrap());
    let findings = values::findings("word");
    let errors = [
        Error::Interrupted.document(),
        Error::Observe(ObserveError { masters: vec![("m1".into(), None)] }).document(),
        Error::Preflight(PreflightError::Findings { findings: findings.clone() }).document(),
        ErrorDocument::new("failed", "word").with_findings(&findings),
    ];
    documents.extend(errors.iter().map(|it| serde_json::to_value(Document::new(it)).unwrap()));
    documents
}

fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap()
}

#[test]
fn every_value_validates_against_the_schema_of_its_kind() {
    let validators = validators();
    for document in documents() {
        let faults = validators[kind(&document)].iter_errors(&document);
        let faults: Vec<_> =
            faults.map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{document:#}\n{faults:#?}");
    }
}

#[test]
fn every_kind_of_document_has_a_value_in_these_tests() {
    let documents = documents();
    let seen: BTreeSet<_> = documents.iter().map(kind).collect();
    let validators = validators();
    assert_eq!(seen, validators.keys().map(String::as_str).collect());
}

#[test]
fn a_schema_refuses_a_document_without_its_kind_or_version() {
    let validators = validators();
    for document in documents() {
        for key in ["apiVersion", "kind"] {
            let validator = &validators[kind(&document)];
            let mut without = document.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&without), "{without:#}");
            without[key] = "another".into();
            assert!(!validator.is_valid(&without), "{without:#}");
        }
    }
}

#[test]
fn a_closed_schema_refuses_a_key_that_no_type_has() {
    let validators = validators();
    for mut document in documents() {
        document["surprise"] = true.into();
        assert!(!validators[kind(&document)].is_valid(&document), "{document:#}");
    }
}
