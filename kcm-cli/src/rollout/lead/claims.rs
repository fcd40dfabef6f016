//! The owner of a host name. Pure.
//!
//! A master reports its own host name and may lie, so the cluster file decides between masters.

/// A master and the host name that it claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) master: &'a str,
    pub(crate) hostname: Option<&'a str>,
}

/// Returns the position of the master on which a Lease holder with this host name runs.
///
/// If several masters claim the name, the owner is the one with this name in the cluster file. The
/// result is `None` if a master of that name was excluded, or did not report its host name.
pub(crate) fn owner(hostname: &str, claims: &[Claim<'_>], left_out: &[String]) -> Option<usize> {
    let is_claimed = |claim: &Claim<'_>| claim.hostname == Some(hostname);
    let silent = || {
        let silent = claims.iter().filter(|claim| claim.hostname.is_none());
        silent.map(|claim| claim.master).chain(left_out.iter().map(String::as_str))
    };
    let label = hostname.split('.').next().unwrap_or_default();
    for name in [hostname, label] {
        let named = claims.iter().position(|claim| is_claimed(claim) && claim.master == name);
        if named.is_some() || silent().any(|master| master == name) {
            return named;
        }
    }
    claims.iter().position(is_claimed)
}

/// Reports whether no other master can own the host name that the master at `place` claims.
///
/// True if the host name is the master's name in the cluster file. Otherwise true only if all
/// masters reported their host names and the others differ.
pub(super) fn is_confirmed(place: usize, claims: &[Claim<'_>], left_out: &[String]) -> bool {
    let Some(Claim { master, hostname: Some(hostname) }) = claims.get(place).copied() else {
        return false;
    };
    let is_called_so = master == hostname || Some(master) == hostname.split('.').next();
    let all_reported = left_out.is_empty() && claims.iter().all(|claim| claim.hostname.is_some());
    owner(hostname, claims, left_out) == Some(place) && (is_called_so || all_reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims<'a>(all: &[(&'a str, &'a str)]) -> Vec<Claim<'a>> {
        let claim = |(master, hostname): &(&'a str, &'a str)| Claim {
            master,
            hostname: Some(*hostname).filter(|hostname| !hostname.is_empty()),
        };
        all.iter().map(claim).collect()
    }

    #[test]
    fn a_host_name_is_that_of_the_master_with_this_name() {
        let liar = claims(&[("m1", "m2"), ("m2", "m2"), ("m3", "m3")]);
        assert_eq!(owner("m2", &liar, &[]), Some(1));
        assert!(!is_confirmed(0, &liar, &[]));
        assert!(is_confirmed(1, &liar, &[]));
        let liar = claims(&[("m1", "m2.example"), ("m2", "m2.example")]);
        assert_eq!(owner("m2.example", &liar, &[]), Some(1));
    }

    #[test]
    fn nobody_gets_the_name_of_a_master_that_was_not_asked() {
        let liar = claims(&[("m1", "m2"), ("m3", "m3")]);
        let left_out = ["m2".to_owned()];
        assert_eq!(owner("m2", &liar, &left_out), None);
        assert!(!is_confirmed(0, &liar, &left_out));
        assert!(is_confirmed(1, &liar, &left_out));
        let silent = claims(&[("m1", "m2"), ("m2", ""), ("m3", "m3")]);
        assert_eq!(owner("m2", &silent, &[]), None);
        assert!(!is_confirmed(0, &silent, &[]));
        assert!(!is_confirmed(1, &silent, &[]));
    }

    #[test]
    fn other_host_names_than_in_the_cluster_file_count_if_all_are_known() {
        let other = claims(&[("a", "m1"), ("b", "m2.example")]);
        assert_eq!(owner("m1", &other, &[]), Some(0));
        assert!(is_confirmed(0, &other, &[]) && is_confirmed(1, &other, &[]));
        let left_out = ["c".to_owned()];
        assert_eq!(owner("m1", &other, &left_out), Some(0));
        assert!(!is_confirmed(0, &other, &left_out));
        assert_eq!(owner("m9", &other, &[]), None);
    }
}
