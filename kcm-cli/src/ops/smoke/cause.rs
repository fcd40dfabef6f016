//! Possible causes of a failed check, as far as the masters show them.

use kcm_systemd::Flags;
use time::OffsetDateTime;

use super::masters::Seat;
use crate::cluster::layout::{self, Layout};

/// A controller: its name since Kubernetes 1.28, and its older name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controller(pub(super) &'static str, pub(super) &'static str);

pub(super) const SERVICE_ACCOUNT: Controller =
    Controller("serviceaccount-controller", "serviceaccount");
pub(super) const DEPLOYMENT: Controller = Controller("deployment-controller", "deployment");
pub(super) const REPLICA_SET: Controller = Controller("replicaset-controller", "replicaset");
pub(super) const QUOTA: Controller = Controller("resourcequota-controller", "resourcequota");
pub(super) const GARBAGE: Controller =
    Controller("garbage-collector-controller", "garbagecollector");
pub(super) const NAMESPACE: Controller = Controller("namespace-controller", "namespace");

impl Controller {
    /// Reports whether `--controllers` enables the controller. The first entry that names it
    /// decides; otherwise `*` enables it (`IsControllerEnabled` of kubernetes'
    /// cmd/kube-controller-manager). Without the flag, it is enabled.
    fn is_on(self, list: Option<&str>) -> bool {
        let Some(list) = list else { return true };
        let entries = || list.split(',').map(str::trim);
        let names = |entry: &str| entry == self.0 || entry == self.1;
        for entry in entries() {
            match entry.strip_prefix('-') {
                Some(off) if names(off) => return false,
                None if names(entry) => return true,
                _ => {}
            }
        }
        entries().any(|entry| entry == "*")
    }
}

/// Returns possible causes if a controller of the leader does not work.
pub(super) fn of_idleness(leader: &Seat, controller: Controller) -> Vec<String> {
    leader.flags().map(|flags| by_flags(&flags, &leader.name, controller)).unwrap_or_default()
}

fn by_flags(flags: &Flags, leader: &str, controller: Controller) -> Vec<String> {
    let mut causes = Vec::new();
    let list = flags.get("controllers");
    if !controller.is_on(list) {
        causes.push(format!(
            "{} is disabled on {leader} by --controllers={}",
            controller.0,
            list.unwrap_or_default()
        ));
    }
    // Otherwise controllers act as kube-controller-manager's own user, whose default role permits
    // almost nothing.
    if flags.get("use-service-account-credentials").is_none_or(|value| !is_true(value)) {
        causes.push(format!(
            "{leader} runs without --use-service-account-credentials, so the default RBAC roles do not allow most controllers to write"
        ));
    }
    causes
}

/// Reports whether Go's `strconv.ParseBool` reads the value as true.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// Returns possible causes if none of the masters leads.
pub(super) fn of_no_leader(seats: &[Seat], layout: &Layout, now: OffsetDateTime) -> Vec<String> {
    seats.iter().filter_map(|seat| of_silence(seat, layout, now)).collect()
}

fn of_silence(seat: &Seat, layout: &Layout, now: OffsetDateTime) -> Option<String> {
    let name = &seat.name;
    if let Err(error) = &seat.seen {
        return Some(format!("cannot query {name}: {}", error.without_name()));
    }
    // Without valid credentials, a process may not even keep running, so they are checked first.
    if let Some(why) = of_login(seat, now) {
        return Some(why);
    }
    (seat.runs() != Some(true)).then(|| format!("{} does not run on {name}", layout.unit))
}

fn of_login(seat: &Seat, now: OffsetDateTime) -> Option<String> {
    let name = &seat.name;
    let login = seat.login()?;
    let user = login.common_name().unwrap_or_default();
    if user != layout::USER {
        return Some(format!(
            "the kubeconfig on {name} authenticates as {user:?} instead of {:?}, and RBAC forbids this user the Lease; run `kcm apply`",
            layout::USER
        ));
    }
    let why = login.check_validity(now).err()?;
    Some(format!("the kubeconfig on {name}: its certificate {why}; run `kcm certs renew`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(pairs: &[(&str, &str)]) -> Flags {
        Flags::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn the_first_entry_that_names_a_controller_decides() {
        for (list, is_on) in [
            ("*", true),
            ("*,-deployment", false),
            ("-deployment-controller,*", false),
            ("deployment,-deployment", true),
            ("*,-replicaset", true),
            ("replicaset", false),
            ("", false),
            (" * ", true),
        ] {
            assert_eq!(DEPLOYMENT.is_on(Some(list)), is_on, "{list}");
        }
        assert!(DEPLOYMENT.is_on(None));
    }

    #[test]
    fn what_is_switched_off_and_what_is_forbidden_are_both_named() {
        let with =
            |list| flags(&[("controllers", list), ("use-service-account-credentials", "true")]);
        let none = by_flags(&with("*"), "m", DEPLOYMENT);
        assert!(none.is_empty(), "{none:?}");
        let off = by_flags(&with("*,-deployment"), "m", DEPLOYMENT).join("");
        assert!(off.contains("disabled on m by --controllers=*,-deployment"), "{off}");
        for bare in [flags(&[]), flags(&[("use-service-account-credentials", "false")])] {
            let forbidden = by_flags(&bare, "m", DEPLOYMENT).join("");
            assert!(forbidden.contains("--use-service-account-credentials"), "{forbidden}");
        }
    }
}
