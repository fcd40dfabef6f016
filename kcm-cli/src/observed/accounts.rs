//! Resolves the user and group names of the cluster file to numeric IDs on each master.

use kcm_systemd::AccountName;

use crate::cluster::{Cluster, Service};
use crate::finding::{Finding, FindingCode};
use crate::observed::ObservedMaster;
use crate::transport::{Account, Observation};
use crate::util::files::Owner;
use crate::util::words::command;

/// The accounts that the cluster file names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    /// Account that the service runs as. `None` for root.
    service: Option<Account>,
    /// Owner of the files that the service reads. `None` for the service's account.
    files: Option<Account>,
}

/// Numeric IDs of the accounts on one master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owners {
    /// Account that the service runs as.
    pub(crate) service: Owner,
    /// Owner of the files that the service reads.
    pub(crate) files: Owner,
}

impl Owners {
    pub(crate) const ROOT: Self = Self { service: Owner::ROOT, files: Owner::ROOT };
}

impl Accounts {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let account = |user: &AccountName, group: Option<&AccountName>| Account {
            user: user.to_string(),
            group: group.map(ToString::to_string),
        };
        let Service { user, group, .. } = &cluster.service;
        let service = user.as_ref().map(|user| account(user, group.as_ref()));
        let files = cluster.install.owner.as_ref();
        let files = files.map(|owner| account(&owner.user, owner.group.as_ref()));
        Self { service, files }
    }

    /// Returns the accounts that each master must resolve.
    pub(crate) fn questions(&self) -> Vec<Account> {
        self.service.iter().chain(&self.files).cloned().collect()
    }

    /// Returns the numeric IDs on one master, from its probe. Adds a finding for each account that
    /// is not resolved.
    pub(crate) fn on(&self, master: &ObservedMaster, found: &mut Vec<Finding>) -> Owners {
        let mut answers = master.probe.accounts.iter();
        let mut number = |account: &Option<Account>, otherwise: Owner| match account {
            None => otherwise,
            Some(account) => match answers.next() {
                Some(Observation::Known(Some(owner))) => *owner,
                // Every system has root, so a folder needs no file that names it.
                Some(Observation::Unknown(_)) if account.is_root() => Owner::ROOT,
                Some(Observation::Unknown(why)) => {
                    found.push(unknown(&master.name, account, why));
                    otherwise
                }
                _ => {
                    found.push(missing(&master.name, account));
                    otherwise
                }
            },
        };
        let service = number(&self.service, Owner::ROOT);
        let files = number(&self.files, service);
        Owners { service, files }
    }
}

fn missing(master: &str, account: &Account) -> Finding {
    let Account { user, group } = account;
    let (problem, lines) = match group {
        None => (format!("user `{user}` does not exist"), vec![format!("u {user} -")]),
        Some(group) => (
            format!("user `{user}` or group `{group}` does not exist"),
            vec![format!("g {group} -"), format!("u {user} -:{group}")],
        ),
    };
    let words = ["systemd-sysusers", "--inline"].into_iter();
    let command = command(words.chain(lines.iter().map(String::as_str)));
    let help = format!("run `{command}` on the master");
    Finding::error(FindingCode::AccountMissing, master, problem, help)
}

/// Reports an account whose IDs are unknown, as in a directory that is not a complete system.
fn unknown(master: &str, account: &Account, why: &str) -> Finding {
    let problem = format!("cannot determine the numeric ID of user `{}` ({why})", account.user);
    let help = "once the system is complete, change the owner of the files of this user, which belong to root until then";
    Finding::error(FindingCode::AccountMissing, master, problem, help).into_warning()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_needs_no_file_that_names_it() {
        let account = |user: &str, group: Option<&str>| Account {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        };
        assert!(account("root", None).is_root() && account("root", Some("root")).is_root());
        assert!(!account("root", Some("kube")).is_root() && !account("kube", None).is_root());
    }
}
