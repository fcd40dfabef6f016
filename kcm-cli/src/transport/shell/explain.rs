//! Explanations of output that a login shell or `sudo` prints instead of running a script.

use std::time::Duration;

use crate::util::words::{harmless, is_plain};

/// Explains that `sudo` refused the password, or that no password is available.
pub(super) fn wrong_password(given: bool) -> String {
    if given {
        "sudo on the master rejected the password, which kcm sent only once, and nothing was executed; correct the password"
            .to_owned()
    } else {
        "sudo on the master asks for a password, and kcm has none; set `ssh.sudoPassword`"
            .to_owned()
    }
}

/// Explains that `sudo` neither asked for a password nor started the script.
pub(super) fn silent_sudo() -> String {
    "sudo on the master does not respond, possibly because of a second factor or a directory service; run `sudo true` on the master".to_owned()
}

/// Explains that a batch exceeded its deadline.
pub(super) fn over_time(deadline: Duration) -> String {
    format!("the command exceeded its time limit of {} s and was terminated", deadline.as_secs())
}

/// Explains why the master's shell did not start the script. `words` is the output instead.
pub(super) fn not_begun(status: Option<i32>, words: &str) -> String {
    let said = last_line(words);
    if words.contains("a password is required") || words.contains("a terminal is required") {
        return "sudo on the master requires a password for this user; set `sudo: password` under `ssh`, or allow NOPASSWD in sudoers".to_owned();
    }
    if words.contains("not in the sudoers file")
        || words.contains("is not allowed to")
        || words.contains("may not run sudo")
    {
        return format!(
            "{said}: the login user may not become root on the master; allow this user in sudoers, or log in as another user"
        );
    }
    if words.contains("sudo: not found") || words.contains("sudo: command not found") {
        return "sudo is not installed on the master; install sudo, or log in as root".to_owned();
    }
    if words.contains("must have a tty") {
        return "sudo on the master requires a terminal; remove `requiretty` from sudoers for this user"
            .to_owned();
    }
    let status = status.map_or_else(String::new, |status| format!(" (exit status {status})"));
    match shown(words) {
        said if said.is_empty() => format!("the shell on the master ended without output{status}"),
        said => format!(
            "the login shell on the master executed no command: the shell ended{status} with the output \"{said}\"; set another login shell for this user (`chsh`), or log in as another user"
        ),
    }
}

/// Maximum length of the login shell's output in a message, in characters.
const MOST_SHOWN: usize = 240;

/// Returns the last three lines of a login shell's output as one line, with control characters
/// escaped.
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

/// Returns the last line with text: `ssh` ends with the reason.
pub(in crate::transport) fn last_line(log: &str) -> String {
    let mut lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    tidy(lines.next_back().unwrap_or_default())
}

pub(in crate::transport) fn tidy(line: &str) -> String {
    let line = line.trim_start_matches("ssh: ").trim_end_matches('.');
    // Backticks mark a command, and a server's text must not look like one.
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
        assert!(not_begun(None, " \n").contains("without output"));
    }
}
