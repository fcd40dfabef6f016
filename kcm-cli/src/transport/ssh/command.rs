//! What sshd is told to run: one line that every login shell understands, and that names no secret.

use std::time::Duration;

use crate::cluster::Sudo;

/// How long after its deadline a script that does not end is killed.
const LAST_WORDS: &str = "5";

/// The line that begins an exchange.
pub(super) struct Command {
    /// For the login shell. Everything that is not plain is in single quotes, with neither a quote, a backslash, a `!`
    /// nor a newline within, so that csh and fish read it as sh does.
    pub(super) line: String,
    /// What the master says, on a line of its own, once it takes a script.
    pub(super) begin: String,
    /// What `sudo` says when it wants a password.
    pub(super) ask: Option<String>,
}

impl Command {
    /// A shell that takes a script of `length` bytes from its standard input, as root if `sudo` says so, and is ended
    /// after `deadline`.
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
        // `$0` is the second text: quotes within quotes would be read differently by every shell.
        let through = |sudo: &str, first: &str| {
            let run = format!("{limit}sh -c \"$0\"");
            format!(
                "sh -c 'if [ \"$(id -u)\" = 0 ]; then exec {run}; else exec {sudo} -- {run}; fi' '{first}{shell}'"
            )
        };
        let (line, ask) = match sudo {
            Sudo::None => (format!("{limit}sh -c '{shell}'"), None),
            Sudo::Passwordless => (through("sudo -n", ""), None),
            // Whoever has to give a password is not root yet: `folders.sh` does not trust what is theirs.
            Sudo::Password => {
                (through(&format!("sudo -S -p {ask}"), "unset SUDO_UID; "), Some(ask))
            }
        };
        Ok(Self { line, begin, ask })
    }
}

/// A word that nothing else says.
pub(super) fn mark() -> Result<String, String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| "this machine has no random numbers".to_owned())?;
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
