//! Explanations of the errors of `ssh`, with a fix.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::login::Login;
use crate::cluster::{HostAddress, Ssh};
use crate::transport::shell::{last_line, tidy};
use crate::util::words::command;

/// Fragments of `ssh`'s error lines, each with a hint for the operator.
const CAUSES: &[(&str, &str)] = &[
    (": Bad configuration option", "; mend that file"),
    (": line ", "; mend that file"),
    ("Connection refused", "; is sshd running there, and on this port?"),
    ("Could not resolve hostname", "; write its IP address, or mend the name's lookup"),
    ("timed out", "; is it on, and does a firewall let this machine in?"),
    ("No route to host", "; is it on, and does a firewall let this machine in?"),
    ("Network is unreachable", "; is this machine's own network up?"),
    (
        "administratively prohibited",
        "; that host lets nobody jump through it: allow `AllowTcpForwarding` there",
    ),
    ("banner exchange", OTHER),
    ("kex_exchange_identification", OTHER),
    ("ot an SSH-2", OTHER),
];
const OTHER: &str = "; something else than an sshd answers there, or it turns this machine away";

/// Explains why no connection was opened. `log` is the output of `ssh`.
pub(super) async fn connect(login: &Login<'_>, log: &str) -> String {
    // The `ssh` of a jump host prints nothing if the last one goes into the background.
    let log = if login.ssh.jump.is_empty() || log.contains("timed out") {
        log.to_owned()
    } else {
        format!("{}\n{log}", login.second_look(&[]).await)
    };
    let log = log.as_str();
    if log.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return changed_host_key(login, log).await;
    }
    let hop = Hop::at_fault(login, log);
    let login = hop.as_ref().map_or_else(|| Login { ..*login }, |hop| hop.login(login));
    if log.contains("Host key verification failed") {
        return unknown_host_key(&login).await;
    }
    if log.contains("Permission denied (") || log.contains("Too many authentication failures") {
        return denied(&login, log).await;
    }
    let lines = || log.lines().map(str::trim);
    let found = CAUSES.iter().find_map(|(cause, help)| {
        lines().find(|line| line.contains(cause)).map(|line| (line, *help))
    });
    match found {
        Some((said, help)) => format!("{}{help}", tidy(said)),
        None if last_line(log).is_empty() => {
            format!("`ssh` ended without a word; try `{}`", login.command(&[]))
        }
        None => format!("{}; try `{}`", last_line(log), login.command(&[])),
    }
}

/// A jump host that rejects kcm.
struct Hop {
    address: HostAddress,
    ssh: Ssh,
}

impl Hop {
    /// Finds the first jump host whose name is in the line with the error.
    fn at_fault(login: &Login<'_>, log: &str) -> Option<Self> {
        let complaint = log.lines().find(|line| {
            line.contains("host key is known for ") || line.contains("Permission denied (")
        });
        Self::named_by(login, complaint)
    }

    /// Finds the jump host whose name is in a line of `ssh`.
    fn named_by(login: &Login<'_>, line: Option<&str>) -> Option<Self> {
        let line = line?;
        let names = |host: &HostAddress| {
            let host = host.to_string();
            let mut words = line.split([' ', '@', '[', ']']);
            words.any(|word| word == host || word.strip_suffix(':') == Some(&host))
        };
        let index = login.ssh.jump.iter().position(|jump| names(&jump.host))?;
        let (address, ssh) = login.to_jump(index)?;
        Some(Self { address, ssh })
    }

    fn login<'a>(&'a self, login: &Login<'a>) -> Login<'a> {
        Login { address: &self.address, ssh: &self.ssh, ..*login }
    }
}

/// Reports whether ssh refuses a key because other users can read it.
fn is_open(key: &Path) -> bool {
    std::fs::metadata(key).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

async fn denied(login: &Login<'_>, log: &str) -> String {
    let line = |part: &str| log.lines().map(str::trim).find(|line| line.contains(part));
    let said = line("Permission denied (").or_else(|| line("Too many authentication failures"));
    let said = tidy(said.unwrap_or_default());
    let by_hand = login.command(&[]);
    if let Some(key) = login.ssh.identity_file.as_ref().filter(|key| !key.is_file()) {
        let key = key.display();
        return format!("{said}: there is no key {key}; put the key there, or name another one");
    }
    if let Some(key) = login.identity_files().await.into_iter().find(|key| is_open(key)) {
        let key = key.display().to_string();
        let help = command(["chmod", "600", &key]);
        return format!("{said}: others may read {key}, so ssh does not use it: `{help}`");
    }
    if let Some(key) = &login.ssh.identity_file
        && key.is_file()
        && login.keygen(&["-y", "-P", ""], key).await.is_none()
    {
        let key = key.display().to_string();
        let add = command(["ssh-add", &key]);
        return format!(
            "{said}: {key} has a passphrase or is no private key; unlock it with `{add}`, then try `{by_hand}`"
        );
    }
    format!("{said}; it takes none of this machine's keys for this user: try `{by_hand}`")
}

/// Explains a changed host key. The command uses only facts of this machine, because a server can
/// write anything into `log`.
async fn changed_host_key(login: &Login<'_>, log: &str) -> String {
    let hop = Hop::named_by(login, log.lines().find(|line| line.contains(" has changed")));
    let login = hop.as_ref().map_or_else(|| Login { ..*login }, |hop| hop.login(login));
    let known = login.known_host().await;
    let fingerprint = log.split_whitespace().find_map(fingerprint_in);
    let shows = fingerprint.map_or_else(String::new, |it| format!("it shows {it}, which is "));
    format!(
        "the host key of {} has changed: {shows}not the one in {}; either the machine was installed anew, or another answers in its place: find out which, and only then run `{}`",
        known.name,
        known.file,
        known.command()
    )
}

/// Returns the word if it is a fingerprint in OpenSSH's format.
fn fingerprint_in(word: &str) -> Option<&str> {
    let word = word.trim_end_matches('.');
    let digest = word.strip_prefix("SHA256:")?;
    let is_digest = digest.len() == 43
        && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    is_digest.then_some(word)
}

/// Explains an unknown host key with its fingerprint, which `ssh` does not print in batch mode, and
/// the command that accepts it.
async fn unknown_host_key(login: &Login<'_>) -> String {
    let whose = login.known_host().await.name;
    let accept = login.command(&["-o", "StrictHostKeyChecking=accept-new"]);
    let Some((fingerprint, kind)) = fingerprint(login).await else {
        return format!(
            "the host key of {whose} is not known; if it is right, accept it with `{accept}`"
        );
    };
    let file = format!("/etc/ssh/ssh_host_{}_key.pub", kind.to_lowercase());
    let show = command(["ssh-keygen", "-lf", &file]);
    format!(
        "the host key of {whose} is not known, and it shows {kind} {fingerprint}; compare that with what `{show}` says there, then accept it with `{accept}`"
    )
}

/// Records the key in a file of kcm, without logging in. Returns its fingerprint and key type.
async fn fingerprint(login: &Login<'_>) -> Option<(String, String)> {
    let file = login.config.with_extension("hosts");
    let hosts = format!("UserKnownHostsFile={}", file.display());
    let options = [
        "StrictHostKeyChecking=accept-new",
        hosts.as_str(),
        "GlobalKnownHostsFile=/dev/null",
        "HashKnownHosts=no",
        "PreferredAuthentications=none",
        "PubkeyAuthentication=no",
    ];
    let options: Vec<_> = options.into_iter().flat_map(|option| ["-o", option]).collect();
    login.second_look(&options).await;
    let said = login.keygen(&["-l"], &file).await?;
    let fingerprint = said.split_whitespace().find_map(fingerprint_in)?;
    // The type is at the end, as `(ED25519)`.
    let kind = said.lines().next()?.rsplit_once('(')?.1.trim_end().trim_end_matches(')');
    matches!(kind, "RSA" | "ECDSA" | "ED25519").then(|| (fingerprint.to_owned(), kind.to_owned()))
}

/// Reports whether sshd currently refuses another channel on the connection.
pub(super) fn is_refusal(reason: &str) -> bool {
    reason.contains("refused by peer")
}

/// Explains that the connection accepts no further command.
pub(super) fn no_channel(reason: &str) -> String {
    if is_refusal(reason) {
        return format!(
            "its sshd takes no more commands on one connection: {reason}; set `MaxSessions 10`, which is sshd's own default, in its sshd_config"
        );
    }
    format!("the connection to it was lost: {reason}; run the same command again")
}
