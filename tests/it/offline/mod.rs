//! Tests without masters: `kcm` on folders, the libraries, and the documents.

pub(crate) mod adopt;
pub(crate) mod adopt_trust;
pub(crate) mod adopted_units;
pub(crate) mod apply;
pub(crate) mod bad_input;
pub(crate) mod certs;
pub(crate) mod cuts;
pub(crate) mod docs;
pub(crate) mod examples;
pub(crate) mod kubeconfig;
pub(crate) mod kubeconfig_writings;
pub(crate) mod layouts;
pub(crate) mod lint;
pub(crate) mod meaning;
pub(crate) mod pki;
pub(crate) mod rooms;
pub(crate) mod schemas;
pub(crate) mod serving;
pub(crate) mod snapshots;
pub(crate) mod status;
pub(crate) mod systemd;
pub(crate) mod tamper;
pub(crate) mod timer;
pub(crate) mod trace;
