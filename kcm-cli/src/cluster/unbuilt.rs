//! Keys that are planned but not implemented: refused with a specific error, never ignored.

/// Returns the planned feature of a key, if it is not implemented yet.
pub(super) fn feature(key: &str) -> Option<&'static str> {
    let folded = key.to_ascii_lowercase().replace(['-', '_'], "");
    UNBUILT.iter().find(|(key, _)| *key == folded).map(|(_, feature)| *feature)
}

const UNBUILT: &[(&str, &str)] = &[("identity", "one identity per master")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_key_is_known_however_it_is_written() {
        assert_eq!(feature("identity"), feature("Identity"));
        assert!(feature("clusterCIDR").is_none());
    }
}
