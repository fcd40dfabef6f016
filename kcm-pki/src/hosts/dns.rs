//! Checks the syntax of DNS names in certificates.

use super::{HostProblem, punycode};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcard {
    Allowed,
    Refused,
}

/// Checks a name for the preferred syntax of RFC 1034 section 3.5, as RFC 5280 section 4.2.1.6
/// requires.
///
/// Underscores are also allowed, since cfssl, Go and rustls accept them and node names contain
/// them.
pub(super) fn check(name: &str, wildcard: Wildcard) -> Result<(), HostProblem> {
    if !name.is_ascii() {
        return Err(HostProblem::NotAscii { a_label: to_ascii(name) });
    }
    let labels = match name.strip_prefix("*.") {
        Some(rest) if wildcard == Wildcard::Allowed => rest,
        _ => name,
    };
    if labels.contains('*') {
        return Err(HostProblem::Wildcard);
    }
    if let Some(without) = name.strip_suffix('.').filter(|without| !without.is_empty()) {
        return Err(HostProblem::FinalDot { name: without.to_owned() });
    }
    if let Some(label) = labels.split('.').find(|label| !is_label(label)) {
        return Err(HostProblem::Label { label: label.to_owned() });
    }
    if name.len() > 253 {
        return Err(HostProblem::TooLong { length: name.len() });
    }
    let top = labels.rsplit('.').next().unwrap_or_default();
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostProblem::NumericTopLabel);
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Suggests the ASCII form of an internationalised name.
///
/// The name is only lowercased before encoding, without normalisation (NFC) or the mappings of UTS
/// 46. The result only appears in messages; certificates are never issued from it.
fn to_ascii(name: &str) -> Option<String> {
    let labels = name.split(['.', '\u{3002}']).map(|label| {
        let label = label.to_lowercase();
        if label.is_ascii() {
            return Some(label);
        }
        punycode::encode(&label).map(|encoded| format!("xn--{encoded}"))
    });
    let ascii = labels.collect::<Option<Vec<_>>>()?.join(".");
    check(&ascii, Wildcard::Allowed).ok()?;
    Some(ascii)
}
