//! Masters as folders on this machine: for images, air gaps and a first trial without SSH or root.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use kcm_systemd::UnitName;
use time::OffsetDateTime;

use super::interpret::{Machine, interpret};
use super::{
    Account, Activity, Batch, Examine, Examined, Exec, HttpsAnswer, HttpsError, HttpsQuestion,
    Inspect, Inspected, Journal, JournalError, JournalQuestion, LockClaim, LockError, LockGuard,
    Observation, OperationError, Output, Replies, Settle, Settled, Stream, StreamAddress,
    StreamError, Transport, TransportError, UnitAction, UnitState, accounts, enable, https_over,
};
use crate::util::files::{Disk, FolderLock, FolderLockError, NewFolders, Owner, RemotePath};

/// A master that is a folder. Files are written, and units are enabled as `systemctl --root` does.
/// No unit is started, and the network is never used.
///
/// Owners are set only when run as root; [`ProbeReply::can_set_owner`](super::ProbeReply) reports
/// it.
#[derive(Debug)]
pub struct Local {
    folder: PathBuf,
    machine: Mutex<Disk>,
}

impl Local {
    /// Creates the master whose `/` is `folder`. The folder is created with the first file.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { machine: Mutex::new(Disk::machine(folder.clone())), folder }
    }

    /// Returns the folder that represents `/`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[async_trait]
impl Transport for Local {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(interpret(&mut *machine, batch))
    }

    async fn open_stream(&self, _address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        Err(StreamError::Unsupported {
            master: self.folder.display().to_string(),
            reason: "a folder has no network".to_owned(),
        })
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        https_over(self.open_stream(&question.address).await?, question).await
    }

    async fn lock(&self, _claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        let master = self.folder.display().to_string();
        let failed = |reason: String| LockError::Failed { master: master.clone(), reason };
        match FolderLock::take(&self.folder, NewFolders::Exact) {
            Ok(lock) => Ok(Box::new(lock)),
            Err(FolderLockError::Held) => {
                Err(LockError::Held { master, holder: "the lock of this folder".to_owned() })
            }
            Err(FolderLockError::Io(error)) => Err(failed(error.to_string())),
        }
    }

    async fn journal(&self, _question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        Err(JournalError::Unsupported {
            master: self.folder.display().to_string(),
            reason: "a folder has no journal".to_owned(),
        })
    }

    async fn close(&self) {}
}

impl LockGuard for FolderLock {}

impl Machine for Disk {
    fn hostname(&self) -> Option<String> {
        None
    }

    fn unit_state(
        &mut self,
        unit: &UnitName,
        path: &RemotePath,
    ) -> Result<UnitState, OperationError> {
        let enablement = enable::enablement(self, unit, path)?;
        let drop_ins = enable::drop_ins(self, unit)?;
        Ok(UnitState {
            enablement,
            activity: Activity::Offline,
            needs_reload: false,
            drop_ins,
            restarts: 0,
        })
    }

    fn act(&mut self, action: &UnitAction) -> Result<(), OperationError> {
        match action {
            UnitAction::Enable { unit, path } => enable::enable(self, unit, path),
            UnitAction::Disable { unit, path } => enable::disable(self, unit, path),
            UnitAction::Reload
            | UnitAction::Restart { .. }
            | UnitAction::Stop { .. }
            | UnitAction::Kill { .. }
            | UnitAction::Start { .. }
            | UnitAction::Disarm { .. } => Err(unsupported("systemd does not run in a folder")),
        }
    }

    fn clock(&mut self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn settle(&mut self, _settle: &Settle) -> Result<Settled, OperationError> {
        Err(unsupported("systemd does not run in a folder"))
    }

    fn examine(&mut self, _examine: &Examine) -> Result<Examined, OperationError> {
        Err(unsupported("no process runs in a folder"))
    }

    fn inspect(&mut self, _inspect: &Inspect) -> Result<Inspected, OperationError> {
        Err(unsupported("no process runs in a folder"))
    }

    fn account(&mut self, account: &Account) -> Observation<Option<Owner>> {
        accounts::number(self, account)
    }

    fn processes(&mut self, _executable: &RemotePath) -> Observation<Vec<u32>> {
        Observation::Known(Vec::new())
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == rustix::process::geteuid().as_raw() || is_sudo_user(uid)
    }

    fn trusts_group(&self, gid: u32) -> bool {
        // Distributions that create folders with mode 0775 give each user a group of the same
        // number.
        gid == 0
            || (gid == rustix::process::getegid().as_raw() && self.trusts(gid))
            || is_sudo_user(gid)
    }

    fn exec(&mut self, _exec: &Exec) -> Result<Output, OperationError> {
        Err(unsupported("no process runs in a folder"))
    }
}

/// Reports whether this account has become root with `sudo`, that is, whether it is the operator's.
fn is_sudo_user(uid: u32) -> bool {
    rustix::process::geteuid().is_root()
        && std::env::var("SUDO_UID").is_ok_and(|user| user == uid.to_string())
}

fn unsupported(reason: &str) -> OperationError {
    OperationError::Unsupported { transport: "a folder".to_owned(), reason: reason.to_owned() }
}
