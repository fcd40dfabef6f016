//! The behaviour of the fake's services, and their environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use crate::util::files::{FileSystem, NodeKind, RemotePath};

/// The behaviour of a service after its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The service stays up and is healthy.
    Healthy,
    /// The service stays up and reports that it is not healthy.
    Unhealthy,
    /// The service stays up and does not listen.
    Silent,
    /// The service ends at once, with this text in its journal.
    Dies(String),
    /// The service is healthy for this time, then ends.
    DiesAfter(Duration),
}

/// A function that decides the behaviour from the files that a service finds at its start.
pub(super) type Program = Arc<dyn Fn(&mut dyn FileSystem) -> Behaviour + Send + Sync>;

/// The dependencies of services other than their files.
#[derive(Clone)]
pub(super) struct World {
    /// True if an API server answers, at any address.
    pub(super) api_server: bool,
    /// The behaviour of services that find everything they need; healthy if `None`.
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

    /// Returns the reason kube-controller-manager ends right after its start, if there is one.
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
