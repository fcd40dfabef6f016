//! What the fake's services do, and the world around them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use crate::util::files::{FileSystem, NodeKind, RemotePath};

/// What a service does once it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It stays up and is healthy.
    Healthy,
    /// It stays up and says that it is not healthy.
    Unhealthy,
    /// It stays up and listens nowhere.
    Silent,
    /// It ends at once, with these words in its journal.
    Dies(String),
    /// It is healthy for so long, then ends.
    DiesAfter(Duration),
}

/// Decides by what a service finds when it starts.
pub(super) type Program = Arc<dyn Fn(&mut dyn FileSystem) -> Behaviour + Send + Sync>;

/// What services depend on beside their files.
#[derive(Clone)]
pub(super) struct World {
    /// Whether an API server answers, wherever it is asked for.
    pub(super) api_server: bool,
    /// What services do that find everything they need; healthy, unless a test says otherwise.
    pub(super) program: Option<Program>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("api_server", &self.api_server).finish_non_exhaustive()
    }
}

impl World {
    pub(super) fn behaviour(&self, command: &[String], files: &mut Memory) -> Behaviour {
        if let Some(why) = self.obstacle(command, files) {
            return Behaviour::Dies(why);
        }
        self.program.as_ref().map_or(Behaviour::Healthy, |program| program(files))
    }

    /// What ends kube-controller-manager right after its start.
    fn obstacle(&self, command: &[String], files: &mut Memory) -> Option<String> {
        let executable = command.first().map_or("", String::as_str);
        let found =
            RemotePath::new(executable).ok().and_then(|path| files.stat(&path).ok().flatten());
        if found.is_none_or(|stat| stat.kind != NodeKind::File || stat.mode.bits() & 0o111 == 0) {
            return Some(format!("{executable}: no such program"));
        }
        for word in command.iter().skip(1) {
            let Some((name, value)) = word.split_once('=') else { continue };
            if !name.ends_with("-file") && !name.ends_with("kubeconfig") {
                continue;
            }
            let Ok(path) = RemotePath::new(value) else { continue };
            if files.read(&path).is_err() {
                return Some(format!("open {path}: no such file or directory"));
            }
        }
        let cause =
            "unable to load configmap based request-header-client-ca-file: connection refused";
        (!self.api_server).then(|| cause.to_owned())
    }
}
