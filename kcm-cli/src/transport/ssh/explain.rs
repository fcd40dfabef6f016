//! What `ssh` and `sudo` say, as what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::login::Login;
use crate::cluster::{HostAddress, Ssh};
use crate::util::words::{command, harmless, is_plain};

/// What a line of `ssh` means for who has to mend it.
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

/// Why no connection was opened. `log` is what `ssh` said.
pub(super) async fn connect(login: &Login<'_>, log: &str) -> String {
    // The `ssh` of a host on the way speaks to nobody if the last one is to go into the background.
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
    let found = CAUSES.iter().find_map(|(cause, mend)| {
        lines().find(|line| line.contains(cause)).map(|line| (line, *mend))
    });
    match found {
        Some((said, mend)) => format!("{}{mend}", tidy(said)),
        None if last_line(log).is_empty() => {
            format!("`ssh` ended without a word; try `{}`", login.command(&[]))
        }
        None => format!("{}; try `{}`", last_line(log), login.command(&[])),
    }
}

/// A host on the way that does not let kcm through.
struct Hop {
    address: HostAddress,
    ssh: Ssh,
}

impl Hop {
    /// The first whose name is in the line that complains.
    fn at_fault(login: &Login<'_>, log: &str) -> Option<Self> {
        let complaint = log.lines().find(|line| {
            line.contains("host key is known for ") || line.contains("Permission denied (")
        });
        Self::named_by(login, complaint)
    }

    /// The host on the way whose name is in a line of `ssh`.
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

/// Tells whether ssh refuses to use a key because others can read it.
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
        let mend = command(["chmod", "600", &key]);
        return format!("{said}: others may read {key}, so ssh does not use it: `{mend}`");
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

/// The command is made of what this machine knows: a server can write into `log` whatever it likes.
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

/// A fingerprint as OpenSSH writes it, and nothing else.
fn fingerprint_in(word: &str) -> Option<&str> {
    let word = word.trim_end_matches('.');
    let digest = word.strip_prefix("SHA256:")?;
    let is_digest = digest.len() == 43
        && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    is_digest.then_some(word)
}

/// Shows the key's fingerprint, which `ssh` keeps to itself when it may not ask, and the command that accepts the key.
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

/// Has the key noted in a file of our own, without logging in. Returns its fingerprint and what kind of key it is.
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
    // At the end, as `(ED25519)`.
    let kind = said.lines().next()?.rsplit_once('(')?.1.trim_end().trim_end_matches(')');
    matches!(kind, "RSA" | "ECDSA" | "ED25519").then(|| (fingerprint.to_owned(), kind.to_owned()))
}

/// `sudo` refuses the password, or there is none.
pub(super) fn wrong_password(given: bool) -> String {
    if given {
        "its sudo does not take the password; nothing was run, and the password was given only once"
            .to_owned()
    } else {
        "its sudo asks for a password, and kcm has none; see ssh.sudoPassword".to_owned()
    }
}

/// `sudo` neither asks nor begins.
pub(super) fn silent_sudo() -> String {
    "its sudo says nothing; it may wait for a second factor or a directory service: try `sudo true` there".to_owned()
}

/// Whether sshd lets no further channel into the connection just now.
pub(super) fn is_refusal(reason: &str) -> bool {
    reason.contains("refused by peer")
}

/// The connection takes no further command.
pub(super) fn no_channel(reason: &str) -> String {
    if is_refusal(reason) {
        return format!(
            "its sshd takes no more commands on one connection: {reason}; set `MaxSessions 10`, which is sshd's own default, in its sshd_config"
        );
    }
    format!("the connection to it was lost: {reason}; run the same command again")
}

/// A batch over its deadline.
pub(super) fn over_time(deadline: Duration) -> String {
    format!("it took longer than the {} s that it may, and was ended", deadline.as_secs())
}

/// Why the master's shell did not begin. `words` is what was said instead.
pub(super) fn not_begun(status: Option<i32>, words: &str) -> String {
    let said = last_line(words);
    if words.contains("a password is required") || words.contains("a terminal is required") {
        return "its sudo wants a password for this user; write `sudo: password` under ssh, or allow it NOPASSWD in sudoers".to_owned();
    }
    if words.contains("not in the sudoers file")
        || words.contains("is not allowed to")
        || words.contains("may not run sudo")
    {
        return format!(
            "{said}: this user may not become root there; allow it in sudoers, or log in as one who may"
        );
    }
    if words.contains("sudo: not found") || words.contains("sudo: command not found") {
        return "sudo is not installed there; install it, or log in as root".to_owned();
    }
    if words.contains("must have a tty") {
        return "its sudo wants a terminal; remove `requiretty` from sudoers for this user"
            .to_owned();
    }
    let status = status.map_or_else(String::new, |status| format!(" (exit status {status})"));
    match shown(words) {
        said if said.is_empty() => format!("its shell ended without a word{status}"),
        said => format!(
            "its login shell gives no shell: it ended{status} and said \"{said}\"; give the user a shell there (`chsh`), or log in as one who has one"
        ),
    }
}

/// The most of a login shell's words that is shown.
const MOST_SHOWN: usize = 240;

/// The last lines that a login shell said, in one line that no terminal obeys.
fn shown(words: &str) -> String {
    let lines: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" | ");
    let mut text = String::new();
    for character in last.chars().take(MOST_SHOWN) {
        if is_plain(character) {
            text.push(character);
        } else {
            text.extend(character.escape_unicode());
        }
    }
    if last.chars().count() > MOST_SHOWN {
        text.push('…');
    }
    text
}

/// The last line that says something: `ssh` ends with the reason.
fn last_line(log: &str) -> String {
    let mut lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    tidy(lines.next_back().unwrap_or_default())
}

fn tidy(line: &str) -> String {
    let line = line.trim_start_matches("ssh: ").trim_end_matches('.');
    // A command stands in backticks, and nothing that a server says is one.
    harmless(line).replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_shell_says_is_shown_and_harmless() {
        let cases = [
            ("This service allows sftp connections only.\r\n", "This service allows sftp"),
            ("\nThis account is currently not available.\n", "This account is currently not"),
            ("Welcome\n1) reboot\n2) quit\nChoose: ", "1) reboot | 2) quit | Choose:"),
            ("\u{1b}[31mno\u{1b}[0m\u{7}", "\\u{1b}[31mno\\u{1b}[0m\\u{7}"),
            ("evil\u{202e}txt\u{feff}", "evil\\u{202e}txt\\u{feff}"),
        ];
        for (words, expected) in cases {
            let said = not_begun(Some(1), words);
            assert!(said.contains(expected) && said.contains("(exit status 1)"), "{said}");
            assert!(said.chars().all(is_plain), "{said:?}");
        }
        let long = not_begun(Some(1), &"x".repeat(100_000));
        assert!(long.chars().count() < 500 && long.contains('…'), "{}", long.len());
        assert!(not_begun(None, " \n").contains("without a word"));
    }
}
