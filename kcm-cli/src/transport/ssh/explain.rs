//! Explanations of the errors of `ssh`, with a fix.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::login::Login;
use crate::cluster::{HostAddress, Ssh};
use crate::transport::shell::{last_line, tidy};
use crate::util::words::command;

/// Fragments of `ssh`'s error lines, each with a hint for the operator.
const CAUSES: &[(&str, &str)] = &[
    (": Bad configuration option", "; correct that file"),
    (": line ", "; correct that file"),
    ("Connection refused", "; check that sshd runs on that host and listens on this port"),
    (
        "Could not resolve hostname",
        "; use the IP address, or correct the name in DNS or /etc/hosts",
    ),
    ("timed out", "; check that the host is running and that no firewall blocks this machine"),
    (
        "No route to host",
        "; check that the host is running and that no firewall blocks this machine",
    ),
    ("Network is unreachable", "; check the network connection of this machine"),
    (
        "administratively prohibited",
        "; allow TCP forwarding on the jump host (`AllowTcpForwarding` in its sshd_config)",
    ),
    ("banner exchange", OTHER),
    ("kex_exchange_identification", OTHER),
    ("ot an SSH-2", OTHER),
];
const OTHER: &str = "; check that sshd listens on this port and does not reject this machine";

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
            format!("`ssh` exited without a message; try `{}`", login.command(&[]))
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
        return format!(
            "{said}: identity file {key}: no such file; create the file or correct `identityFile`"
        );
    }
    if let Some(key) = login.identity_files().await.into_iter().find(|key| is_open(key)) {
        let key = key.display().to_string();
        let help = command(["chmod", "600", &key]);
        return format!(
            "{said}: ssh ignores {key} because other users can access the file; run `{help}`"
        );
    }
    if let Some(key) = &login.ssh.identity_file
        && key.is_file()
        && login.keygen(&["-y", "-P", ""], key).await.is_none()
    {
        let key = key.display().to_string();
        let add = command(["ssh-add", &key]);
        return format!(
            "{said}: {key} has a passphrase or is not a private key; add the key to ssh-agent with `{add}`, then try `{by_hand}`"
        );
    }
    format!("{said}: sshd accepts no key of this machine for this user; try `{by_hand}`")
}

/// Explains a changed host key. The command uses only facts of this machine, because a server can
/// write anything into `log`.
async fn changed_host_key(login: &Login<'_>, log: &str) -> String {
    let hop = Hop::named_by(login, log.lines().find(|line| line.contains(" has changed")));
    let login = hop.as_ref().map_or_else(|| Login { ..*login }, |hop| hop.login(login));
    let known = login.known_host().await;
    let fingerprint = log.split_whitespace().find_map(fingerprint_in);
    let shows = fingerprint.map_or_else(String::new, |it| format!(" {it}"));
    format!(
        "the host key of {} has changed: the presented key{shows} differs from the key in {}; verify that the host was reinstalled and that no other machine answers in its place, and only then run `{}`",
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
            "the host key of {whose} is not known; verify the fingerprint, then accept the key with `{accept}`"
        );
    };
    let file = format!("/etc/ssh/ssh_host_{}_key.pub", kind.to_lowercase());
    let show = command(["ssh-keygen", "-lf", &file]);
    format!(
        "the host key of {whose} is not known: {kind} {fingerprint}; compare this fingerprint with the output of `{show}` on that host, then accept the key with `{accept}`"
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
            "sshd on the master accepts no more sessions on one connection: {reason}; set `MaxSessions 10`, the default of sshd, in its sshd_config"
        );
    }
    format!("the connection to the master was lost: {reason}; run the same command again")
}
