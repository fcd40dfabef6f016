//! Opening the connection to a master.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::config;
use super::control::ControlFolder;
use super::explain;
use super::login::Login;
use super::mux::Running;
use crate::cluster::{HostAddress, Ssh};
use crate::util::files::words;

/// Maximum number of logins at the same time. sshd drops excess ones (`MaxStartups` 10), and a jump
/// host receives all of them.
const ATTEMPTS: usize = 10;
/// Idle time after which an `ssh` exits whose kcm has died.
const IDLE: &str = "ControlPersist=60";
/// Additional wait after `ssh`'s own time limit.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shared state of all connections of one invocation: a private folder for their sockets, and a
/// limit of concurrent logins. Clones share one state.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Created with the first connection.
    folder: Mutex<Option<Arc<ControlFolder>>>,
    attempts: Semaphore,
    opened: AtomicUsize,
    /// Environment variables that are removed for every child process.
    hidden: Mutex<BTreeSet<String>>,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new()
    }
}

impl Connections {
    /// Creates the shared state. Creates and opens nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            folder: Mutex::new(None),
            attempts: Semaphore::new(ATTEMPTS),
            opened: AtomicUsize::new(0),
            hidden: Mutex::new(BTreeSet::new()),
        }))
    }

    /// Hides environment variables that hold secrets from every `ssh` of this invocation.
    pub(crate) fn hide<'n>(&self, variables: impl IntoIterator<Item = &'n str>) {
        let mut hidden = self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.extend(variables.into_iter().map(str::to_owned));
    }

    /// Opens a connection; an error gives the reason and how to fix it.
    pub(super) async fn open(&self, address: &HostAddress, ssh: &Ssh) -> Result<Running, String> {
        if !is_installed("ssh") {
            return Err(
                "`ssh` is not installed on this machine; install the OpenSSH client".to_owned()
            );
        }
        // `ssh` silently skips files that it cannot include.
        if let Some(file) = &ssh.config_file {
            File::open(file).map_err(|error| {
                format!("ssh.configFile: {}: {}", file.display(), words(&error))
            })?;
        }
        let folder = self.folder().map_err(|error| {
            format!("cannot create a folder for the control sockets of ssh: {error}")
        })?;
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        let place = |ending| folder.path().join(format!("{number}.{ending}"));
        let config = place("conf");
        config::render(ssh)
            .and_then(|text| write_private(&config, &text))
            .map_err(|error| error.to_string())?;
        let hidden = self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let login = Login { address, ssh, config: &config, hidden: &hidden };
        // The semaphore closes only when the process ends.
        let _attempt = self.0.attempts.acquire().await;
        launch(&login, &place("s"), &place("log")).await?;
        Ok(Running::new(place("s"), Arc::clone(&folder)))
    }

    fn folder(&self) -> io::Result<Arc<ControlFolder>> {
        let mut folder = self.0.folder.lock().unwrap_or_else(PoisonError::into_inner);
        match &*folder {
            Some(folder) => Ok(Arc::clone(folder)),
            None => Ok(Arc::clone(folder.insert(Arc::new(ControlFolder::new()?)))),
        }
    }
}

/// Starts an `ssh` that logs in, goes into the background, and accepts requests on `socket`. Its
/// messages go to `log`.
async fn launch(login: &Login<'_>, socket: &Path, log: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot start ssh: {}", words(&error));
    let said = private(log).map_err(failed)?;
    let mut ssh = login.program();
    ssh.args(["-M", "-f", "-N", "-o", IDLE, "-S"]).arg(socket).args(login.words());
    ssh.arg(login.address.to_string());
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    let mut ssh = ssh.spawn().map_err(failed)?;
    let hops = u32::try_from(login.ssh.jump.len()).unwrap_or(u32::MAX).saturating_add(1);
    let patience = login.ssh.connect_timeout.saturating_mul(hops) + PATIENCE;
    // Dropping the child kills it.
    let ended = timeout(patience, ssh.wait()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(_)) => {
            let log = fs::read(log).unwrap_or_default();
            Err(explain::connect(login, &String::from_utf8_lossy(&log)).await)
        }
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(format!("ssh did not connect within {} s", patience.as_secs())),
    }
}

/// Reports whether a program is installed. Checked first, because a missing program and an `ssh`
/// that dies at once give the same error.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|at| at.is_file())
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;
    private(path)?.write_all(text.as_bytes())
}

fn private(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
