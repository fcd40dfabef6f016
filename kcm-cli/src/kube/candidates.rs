//! The master of a Lease's holder. Pure.
//!
//! A master reports its own host name and may lie, so the cluster file decides between masters.

use time::OffsetDateTime;

use super::lease::Lease;
use crate::cluster::MasterName;

/// The masters whose processes may hold the Lease.
pub(crate) struct Candidates<'a> {
    /// Name and host name of each master, in the order of the cluster file. A master that did not
    /// report its host name has none.
    masters: Vec<(&'a str, Option<&'a str>)>,
    excluded: &'a [MasterName],
}

/// The holder of the Lease.
#[derive(Clone, Debug)]
pub(crate) enum Holding {
    /// The master at this position in the cluster file.
    Ours(usize, Lease),
    /// Possibly a master that is excluded from this run. Its host name is not known, so any unknown
    /// holder may be that master.
    Excluded(Lease),
    /// No leader.
    Nobody,
    /// An unknown leader: the holder identity of a process that is not on any master.
    Unmanaged(String),
    /// The holder cannot be determined, for this reason.
    Unknown(String),
}

impl<'a> Candidates<'a> {
    /// Returns the candidates with their host names. `excluded` are the masters of the cluster file
    /// that were not observed.
    pub(crate) fn new(
        masters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        excluded: &'a [MasterName],
    ) -> Self {
        Self { masters: masters.into_iter().collect(), excluded }
    }

    /// Returns the holder of the Lease at `now`.
    pub(crate) fn holding(&self, lease: Option<Lease>, now: OffsetDateTime) -> Holding {
        let Some(lease) = lease else { return Holding::Nobody };
        let Some(holder) = lease.holder() else { return Holding::Nobody };
        if let Some(place) = holder.hostname().and_then(|hostname| self.owner(hostname)) {
            Holding::Ours(place, lease)
        } else if has_run_out(&lease, now) {
            Holding::Nobody
        } else if self.excluded.is_empty() {
            Holding::Unmanaged(holder.to_string())
        } else {
            Holding::Excluded(lease)
        }
    }

    /// Returns the position of the master on which a holder with this host name runs.
    ///
    /// If several masters claim the name, the owner is the one with this name in the cluster file.
    /// The result is `None` if a master of that name was excluded, or did not report its host name.
    pub(crate) fn owner(&self, hostname: &str) -> Option<usize> {
        let is_claimed = |(_, claimed): &(&str, Option<&str>)| *claimed == Some(hostname);
        let silent = |name: &str| {
            self.masters.iter().any(|(master, hostname)| *master == name && hostname.is_none())
                || self.excluded.iter().any(|master| master.as_str() == name)
        };
        let label = hostname.split('.').next().unwrap_or_default();
        for name in [hostname, label] {
            let named = self.masters.iter().position(|it| is_claimed(it) && it.0 == name);
            if named.is_some() || silent(name) {
                return named;
            }
        }
        self.masters.iter().position(is_claimed)
    }

    /// Reports whether no other master can own the host name that the master at `place` claims.
    ///
    /// True if the host name is the master's name in the cluster file. Otherwise true only if all
    /// masters reported their host names and the others differ.
    pub(crate) fn is_confirmed(&self, place: usize) -> bool {
        let Some((master, Some(hostname))) = self.masters.get(place).copied() else {
            return false;
        };
        let is_called_so = master == hostname || Some(master) == hostname.split('.').next();
        let all_reported =
            self.excluded.is_empty() && self.masters.iter().all(|(_, name)| name.is_some());
        self.owner(hostname) == Some(place) && (is_called_so || all_reported)
    }
}

/// Reports whether the last renewal is more than four Lease durations ago, or unknown. The holder
/// is then considered gone, even with some clock skew.
fn has_run_out(lease: &Lease, now: OffsetDateTime) -> bool {
    match (lease.renewed(), lease.duration()) {
        (Some(renewed), Some(duration)) => now - renewed > duration.saturating_mul(4),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates<'a>(all: &[(&'a str, &'a str)], excluded: &'a [MasterName]) -> Candidates<'a> {
        let reported = |(master, hostname): &(&'a str, &'a str)| {
            (*master, Some(*hostname).filter(|hostname| !hostname.is_empty()))
        };
        Candidates::new(all.iter().map(reported), excluded)
    }

    #[test]
    fn a_host_name_is_that_of_the_master_with_this_name() {
        let liar = candidates(&[("m1", "m2"), ("m2", "m2"), ("m3", "m3")], &[]);
        assert_eq!(liar.owner("m2"), Some(1));
        assert!(!liar.is_confirmed(0));
        assert!(liar.is_confirmed(1));
        let liar = candidates(&[("m1", "m2.example"), ("m2", "m2.example")], &[]);
        assert_eq!(liar.owner("m2.example"), Some(1));
    }

    #[test]
    fn nobody_gets_the_name_of_a_master_that_was_not_asked() {
        let excluded = ["m2".parse().unwrap()];
        let liar = candidates(&[("m1", "m2"), ("m3", "m3")], &excluded);
        assert_eq!(liar.owner("m2"), None);
        assert!(!liar.is_confirmed(0));
        assert!(liar.is_confirmed(1));
        let silent = candidates(&[("m1", "m2"), ("m2", ""), ("m3", "m3")], &[]);
        assert_eq!(silent.owner("m2"), None);
        assert!(!silent.is_confirmed(0));
        assert!(!silent.is_confirmed(1));
    }

    #[test]
    fn other_host_names_than_in_the_cluster_file_count_if_all_are_known() {
        let all = [("a", "m1"), ("b", "m2.example")];
        let other = candidates(&all, &[]);
        assert_eq!(other.owner("m1"), Some(0));
        assert!(other.is_confirmed(0) && other.is_confirmed(1));
        let excluded = ["c".parse().unwrap()];
        let other = candidates(&all, &excluded);
        assert_eq!(other.owner("m1"), Some(0));
        assert!(!other.is_confirmed(0));
        assert_eq!(other.owner("m9"), None);
    }
}
