//! Users and groups of a system that does not run, read from its own files.

use super::{Account, Observation};
use crate::util::files::{FileSystem, Owner, RemotePath};

/// Looks up the numeric IDs of an account in `/etc/passwd` and `/etc/group` of that system.
pub(super) fn number(files: &mut dyn FileSystem, account: &Account) -> Observation<Option<Owner>> {
    let users = match table(files, "/etc/passwd") {
        Ok(users) => users,
        Err(why) => return Observation::Unknown(why),
    };
    let Some(owner) = entry(&users, &account.user).and_then(|fields| {
        Some(Owner { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    }) else {
        return Observation::Known(None);
    };
    let Some(group) = &account.group else { return Observation::Known(Some(owner)) };
    let groups = match table(files, "/etc/group") {
        Ok(groups) => groups,
        Err(why) => return Observation::Unknown(why),
    };
    let gid = entry(&groups, group).and_then(|fields| fields.get(2)?.parse().ok());
    Observation::Known(gid.map(|gid| Owner { gid, ..owner }))
}

fn table(files: &mut dyn FileSystem, path: &str) -> Result<String, String> {
    let at = RemotePath::new(path).map_err(|error| error.to_string())?;
    match files.stat(&at) {
        Ok(None) => Err(format!("{path}: no such file or directory")),
        Err(error) => Err(error.to_string()),
        Ok(Some(_)) => {
            let content = files.read(&at).map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&content).into_owned())
        }
    }
}

/// Returns the fields of the line whose first field is `name` (passwd(5), group(5)).
fn entry<'t>(table: &'t str, name: &str) -> Option<Vec<&'t str>> {
    table
        .lines()
        .map(|line| line.split(':').collect())
        .find(|fields: &Vec<_>| fields.first() == Some(&name))
}
