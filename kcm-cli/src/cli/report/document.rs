//! The machine-readable documents: values with the version of the format and their kind.

use schemars::JsonSchema;
use serde::Serialize;

use super::AdoptReport;
use super::cert::CertificateFiles;
use super::version::VersionReport;
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

/// The version of the format of all documents.
pub(crate) const API_VERSION: &str = "kcm/v1";

/// The value of a document.
pub(crate) trait DocumentValue: Serialize + JsonSchema {
    /// The kind of the document.
    const KIND: &'static str;
}

/// Defines the kinds of documents.
macro_rules! kinds {
    ($($value:ty => $kind:literal,)*) => {$(
        impl DocumentValue for $value {
            const KIND: &'static str = $kind;
        }
    )*};
}

kinds! {
    Plan => "Plan",
    PlanFile => "PlanFile",
    Outcome => "Outcome",
    Status => "Status",
    CertificateCheck => "CertificateCheck",
    CertificateRequests => "CertificateRequests",
    Rotations => "Rotations",
    SmokeReport => "SmokeReport",
    DrillReport => "DrillReport",
    AdoptReport<'_> => "Adoption",
    LintReport => "LintReport",
    CertificateFiles => "CertificateFiles",
    CertificateList => "CertificateList",
    CertificateVerification => "CertificateVerification",
    KubeconfigCheck => "KubeconfigCheck",
    KubeconfigView => "KubeconfigView",
    UnitCheck => "UnitCheck",
    UnitDiff => "UnitDiff",
    VersionReport => "Version",
    ErrorDocument => "Error",
    Event => "Event",
    Exchange => "Exchange",
}

/// A JSON document with its version and kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a, T> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

impl<'a, T: DocumentValue> Document<'a, T> {
    pub(super) fn new(value: &'a T) -> Self {
        Self { api_version: API_VERSION, kind: T::KIND, value }
    }
}
