//! The login to a master: as kcm does it, and as commands for an operator.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::config;
use crate::cluster::{HostAddress, Jump, Ssh, SshUser};
use crate::util::words::command;

/// Time limit for a diagnostic command.
const PATIENCE: Duration = Duration::from_secs(20);

/// The target and settings of a login.
pub(super) struct Login<'a> {
    pub(super) address: &'a HostAddress,
    pub(super) ssh: &'a Ssh,
    /// Configuration file that kcm gives to `ssh`.
    pub(super) config: &'a Path,
    /// Environment variables that are removed for every child process.
    pub(super) hidden: &'a BTreeSet<String>,
}

impl Login<'_> {
    /// Returns `ssh` with kcm's configuration.
    pub(super) fn program(&self) -> Command {
        let mut ssh = self.child("ssh");
        ssh.arg("-F").arg(self.config);
        ssh
    }

    fn child(&self, program: &str) -> Command {
        let mut child = Command::new(program);
        self.hidden.iter().for_each(|name| _ = child.env_remove(name));
        child.kill_on_drop(true);
        child
    }

    /// Returns the options that reach the master with kcm's configuration.
    pub(super) fn words(&self) -> Vec<String> {
        let Ssh { user, port, identity_file, jump, .. } = self.ssh;
        let mut words = through(jump);
        words.extend(options(user.as_ref(), *port, identity_file.as_deref()));
        words
    }

    /// Returns a command for an operator that logs in with further options.
    pub(super) fn command(&self, further: &[&str]) -> String {
        let Ssh { user, port, identity_file, jump, .. } = self.ssh;
        let mut words = vec!["ssh".to_owned()];
        words.extend(self.own_configuration());
        words.extend(further.iter().map(|&word| word.to_owned()));
        words.extend(self.way(jump));
        words.extend(options(user.as_ref(), *port, identity_file.as_deref()));
        words.extend([self.address.to_string(), "true".to_owned()]);
        line(&words)
    }

    /// Returns the options for the operator's own configuration.
    fn own_configuration(&self) -> Vec<String> {
        match &self.ssh.config_file {
            Some(file) => vec!["-F".to_owned(), file.display().to_string()],
            None => Vec::new(),
        }
    }

    /// Returns the options that lead through `jump`. `-J` has no place for a key.
    fn way(&self, jump: &[Jump]) -> Vec<String> {
        if jump.iter().all(|jump| jump.identity_file.is_none()) {
            through(jump)
        } else {
            vec!["-o".to_owned(), format!("ProxyCommand={}", self.proxy(jump))]
        }
    }

    fn proxy(&self, jump: &[Jump]) -> String {
        let Some((Jump { host, user, port, identity_file }, before)) = jump.split_last() else {
            return String::new();
        };
        let mut words = vec!["ssh".to_owned()];
        words.extend(self.own_configuration());
        words.extend(self.way(before));
        words.extend(options(user.as_ref(), *port, identity_file.as_deref()));
        // `%%` is for `ssh` to keep, `%h` and `%p` are for it to fill in.
        format!("{} -W '[%h]:%p' {host}", line(&words).replace('%', "%%"))
    }

    /// Returns the target and settings of a login to a jump host.
    pub(super) fn to_jump(&self, index: usize) -> Option<(HostAddress, Ssh)> {
        let Jump { host, user, port, identity_file } = self.ssh.jump.get(index)?.clone();
        let jump = self.ssh.jump.iter().take(index).cloned().collect();
        Some((host, Ssh { user, port, identity_file, jump, ..self.ssh.clone() }))
    }

    /// Logs in once more, with further options, and returns the error output of `ssh`.
    pub(super) async fn second_look(&self, further: &[&str]) -> String {
        let mut ssh = self.program();
        ssh.args(further).args(self.words()).arg(self.address.to_string()).arg("true");
        let output = timeout(PATIENCE, ssh.stdin(Stdio::null()).output()).await;
        output
            .ok()
            .and_then(Result::ok)
            .map_or_else(String::new, |output| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Returns the file and name under which this machine keeps the host key of the target.
    pub(super) async fn known_host(&self) -> KnownHost {
        let settings = self.settings().await;
        let value = |name: &str| {
            let mut all = settings.lines().filter_map(|line| line.split_once(' '));
            all.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let host = value("hostname").unwrap_or_else(|| self.address.to_string());
        let port = value("port").filter(|port| port != "22");
        let host = port.map_or_else(|| host.clone(), |port| format!("[{host}]:{port}"));
        let name = value("hostkeyalias").filter(|alias| alias != "none").unwrap_or(host);
        let files = value("userknownhostsfile").unwrap_or_default();
        // Blanks separate the files, but a file name may contain them.
        let ends = files.match_indices(' ').map(|(end, _)| end).chain([files.len()]);
        let first = ends.filter_map(|end| files.get(..end)).find(|file| Path::new(file).is_file());
        KnownHost { name, file: first.unwrap_or("~/.ssh/known_hosts").to_owned() }
    }

    /// Returns the keys that `ssh` would try.
    pub(super) async fn identity_files(&self) -> Vec<PathBuf> {
        let settings = self.settings().await;
        let named = settings.lines().filter_map(|line| line.strip_prefix("identityfile "));
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let path = |named: &str| match named.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(named),
        };
        named.map(path).collect()
    }

    /// Returns the effective settings of `ssh` (`ssh -G`). Opens no connection.
    async fn settings(&self) -> String {
        let mut ssh = self.program();
        ssh.arg("-G").args(self.words()).arg(self.address.to_string()).stdin(Stdio::null());
        let output = timeout(PATIENCE, ssh.output()).await;
        let said = output.ok().and_then(Result::ok).map(|output| output.stdout);
        String::from_utf8_lossy(&said.unwrap_or_default()).into_owned()
    }

    /// Returns the output of `ssh-keygen`, or `None` if it fails.
    pub(super) async fn keygen(&self, options: &[&str], file: &Path) -> Option<String> {
        let mut keygen = self.child("ssh-keygen");
        keygen.args(options).arg("-f").arg(file).stdin(Stdio::null());
        let output = timeout(PATIENCE, keygen.output()).await.ok()?.ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said)
    }
}

/// An entry of a known hosts file.
pub(super) struct KnownHost {
    pub(super) name: String,
    pub(super) file: String,
}

impl KnownHost {
    /// Returns the command that removes the key.
    pub(super) fn command(&self) -> String {
        line(&["ssh-keygen", "-f", &self.file, "-R", &self.name].map(str::to_owned))
    }
}

/// Returns the option that leads through `jump`, if it is not empty.
fn through(jump: &[Jump]) -> Vec<String> {
    if jump.is_empty() {
        return Vec::new();
    }
    let jump: Vec<_> = jump.iter().map(config::jump_argument).collect();
    vec!["-J".to_owned(), jump.join(",")]
}

/// Returns the options for user, port and key. An explicit key is the only one that is tried.
fn options(user: Option<&SshUser>, port: Option<u16>, key: Option<&Path>) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(key) = key {
        words.extend(["-o", "IdentitiesOnly=yes", "-i"].map(str::to_owned));
        words.push(key.display().to_string());
    }
    if let Some(port) = port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = user {
        words.extend(["-l".to_owned(), user.as_str().to_owned()]);
    }
    words
}

fn line(words: &[String]) -> String {
    command(words.iter().map(String::as_str))
}
