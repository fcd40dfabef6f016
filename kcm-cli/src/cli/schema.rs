//! The JSON schemas (draft 2020-12) of the documents that kcm reads and writes.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::cli::args::DocumentKind;
use crate::cli::report::{
    API_VERSION, AdoptReport, CertificateFiles, DocumentValue, VersionReport,
};
use crate::cluster;
use crate::error::ErrorDocument;
use crate::event::Event;
use crate::ops::cert::{CertificateList, CertificateVerification};
use crate::ops::certs::{CertificateCheck, CertificateRequests};
use crate::ops::drill::DrillReport;
use crate::ops::kubeconfig::{KubeconfigCheck, KubeconfigView};
use crate::ops::rotate::Rotations;
use crate::ops::smoke::SmokeReport;
use crate::ops::status::Status;
use crate::ops::unit::{UnitCheck, UnitDiff};
use crate::plan::{Plan, PlanFile};
use crate::preflight::lint::LintReport;
use crate::rollout::Outcome;
use crate::transport::Exchange;

/// Returns the schema of a kind of document.
pub(crate) fn schema(kind: DocumentKind) -> Value {
    match kind {
        DocumentKind::ClusterFile => cluster::schema(),
        DocumentKind::Plan => document::<Plan>(),
        DocumentKind::PlanFile => document::<PlanFile>(),
        DocumentKind::Outcome => document::<Outcome>(),
        DocumentKind::Status => document::<Status>(),
        DocumentKind::CertificateCheck => document::<CertificateCheck>(),
        DocumentKind::CertificateRequests => document::<CertificateRequests>(),
        DocumentKind::Rotations => document::<Rotations>(),
        DocumentKind::SmokeReport => document::<SmokeReport>(),
        DocumentKind::DrillReport => document::<DrillReport>(),
        DocumentKind::Adoption => document::<AdoptReport<'_>>(),
        DocumentKind::LintReport => document::<LintReport>(),
        DocumentKind::CertificateFiles => document::<CertificateFiles>(),
        DocumentKind::CertificateList => document::<CertificateList>(),
        DocumentKind::CertificateVerification => document::<CertificateVerification>(),
        DocumentKind::KubeconfigCheck => document::<KubeconfigCheck>(),
        DocumentKind::KubeconfigView => document::<KubeconfigView>(),
        DocumentKind::UnitCheck => document::<UnitCheck>(),
        DocumentKind::UnitDiff => document::<UnitDiff>(),
        DocumentKind::Version => document::<VersionReport>(),
        DocumentKind::Error => document::<ErrorDocument>(),
        DocumentKind::Event => document::<Event>(),
        DocumentKind::Exchange => document::<Exchange>(),
    }
}

/// Returns the schema of a document: that of its value, with `apiVersion` and `kind`.
fn document<T: DocumentValue>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), T::KIND.into());
    schema.insert("type".to_owned(), "object".into());
    let header = [("apiVersion", API_VERSION), ("kind", T::KIND)];
    let properties = header.map(|(key, value)| (key.to_owned(), json!({ "const": value })));
    prepend(&mut schema, properties.into_iter().collect());
    require(&mut schema, header.map(|(key, _)| key));
    schema.to_value()
}

/// Adds properties before the others.
fn prepend(schema: &mut Schema, mut properties: Map<String, Value>) {
    if let Some(Value::Object(others)) = schema.remove("properties") {
        properties.extend(others);
    }
    schema.insert("properties".to_owned(), properties.into());
}

/// Makes properties mandatory.
fn require(schema: &mut Schema, keys: [&str; 2]) {
    let mut required = keys.map(Value::from).to_vec();
    if let Some(Value::Array(others)) = schema.remove("required") {
        required.extend(others);
    }
    schema.insert("required".to_owned(), required.into());
}
