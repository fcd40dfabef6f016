//! The command for sshd: one line that every login shell understands and that contains no secret.

use std::time::Duration;

use crate::cluster::Sudo;

/// Seconds from the deadline until a script that ignores SIGTERM is killed.
const LAST_WORDS: &str = "5";

/// The line that starts an exchange.
pub(super) struct Command {
    /// The line for the login shell. Everything special is in single quotes, with neither a quote,
    /// a backslash, a `!` nor a newline within. csh and fish therefore read it as sh does.
    pub(super) line: String,
    /// Text that the master prints, on its own line, when it is ready for a script.
    pub(super) begin: String,
    /// Prompt that `sudo` prints when it needs a password.
    pub(super) ask: Option<String>,
}

impl Command {
    /// Creates a command that reads a script of `length` bytes from its standard input and runs it,
    /// as root if `sudo` requests it. The script is terminated after `deadline`.
    pub(super) fn new(
        sudo: Sudo,
        deadline: Option<Duration>,
        length: usize,
    ) -> Result<Self, String> {
        let (begin, ask) = (mark()?, mark()?);
        let limit = deadline.map_or_else(String::new, |deadline| {
            format!("timeout -k {LAST_WORDS} {} ", deadline.as_secs().max(1))
        });
        let shell = format!("echo {begin}; eval \"$(head -c {length})\"");
        // `$0` is the second text: shells differ in how they read quotes within quotes.
        let through = |sudo: &str, first: &str| {
            let run = format!("{limit}sh -c \"$0\"");
            format!(
                "sh -c 'if [ \"$(id -u)\" = 0 ]; then exec {run}; else exec {sudo} -- {run}; fi' '{first}{shell}'"
            )
        };
        let (line, ask) = match sudo {
            Sudo::None => (format!("{limit}sh -c '{shell}'"), None),
            Sudo::Passwordless => (through("sudo -n", ""), None),
            // A user who must give a password is not root yet: `folders.sh` must not trust the
            // files of that user.
            Sudo::Password => {
                (through(&format!("sudo -S -p {ask}"), "unset SUDO_UID; "), Some(ask))
            }
        };
        Ok(Self { line, begin, ask })
    }
}

/// Returns a random word that no other output contains.
pub(super) fn mark() -> Result<String, String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| "cannot generate random numbers on this machine".to_owned())?;
    Ok(format!("kcm-{:024x}", u128::from_be_bytes(random) >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_login_shell_finds_anything_of_its_own_in_the_line() {
        for sudo in [Sudo::Passwordless, Sudo::Password, Sudo::None] {
            let command = Command::new(sudo, Some(Duration::from_secs(60)), 12).unwrap();
            let line = command.line;
            assert!(!line.contains(['!', '\\', '\n']), "{line}");
            assert!(line.matches('\'').count() <= 4, "{line}");
        }
    }
}
