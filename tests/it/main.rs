//! Integration tests: one binary, with one module for each subject.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::similar_names,
    reason = "tests report by panicking, and are written to be read, not to be fast"
)]

mod adopt;
mod adopt_trust;
mod adopted_units;
mod api;
mod apply;
mod bad_input;
mod certs;
mod contract;
mod create_ca;
mod cuts;
mod deploy;
mod distribute;
mod docs;
mod drill;
mod enumerated;
mod examples;
mod faults;
mod handover;
mod hostile;
mod kubeconfig;
mod kubeconfig_writings;
mod lab;
mod layouts;
mod lint;
mod logs;
mod masters;
mod meaning;
mod observe;
mod pki;
mod properties;
mod rollout;
mod rooms;
mod schemas;
mod serving;
mod snapshots;
mod ssh;
mod standin;
mod status;
mod systemd;
mod tamper;
mod timer;
mod trace;
