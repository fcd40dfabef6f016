//! Snapshots of all output and results of kcm, so that a refactoring cannot change them by
//! accident.
//!
//! A changed snapshot fails and leaves a `.snap.new` beside the old one. To accept all changes, run
//! `INSTA_UPDATE=always cargo test -p kcm-tests --test it snapshots`; `git diff` then shows them.

mod adopt;
mod certs;
mod deploy;
mod drift;
mod file_verbs;
mod help;
mod init;
mod lint;
mod normal;
mod refused;
mod rollback;
mod timer;
mod transcript;
mod values;

use transcript::Transcript;

/// Compares a text with the snapshot of this name.
fn assert_matches(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("snapshots/expected");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
