//! A unit as systemd runs it: its file, its drop-ins, and the environment that its arguments are expanded with.

use kcm_systemd::{FlagName, MeaningError, ServiceMeaning, Surroundings, UnitFile, UnitName};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::RemotePath;
use crate::observe::AskError;
use crate::transport::{Batch, Operation, Read, Reply, Transport, View};

/// A unit with everything that systemd reads for it. Of the variables only those are kept that a command line names, which
/// everybody on the master can see.
#[derive(Clone)]
pub(crate) struct EffectiveUnit {
    /// The unit's file and its drop-ins, in systemd's order, each with its path.
    pub(crate) files: Vec<(String, UnitFile)>,
    around: Surroundings,
    /// Files that count and could not be read.
    pub(crate) unread: Vec<String>,
}

/// Why it cannot be told what a unit comes to.
#[derive(Debug, Error)]
pub(crate) enum EffectiveError {
    #[error("{path} counts and cannot be read; it must be a regular file")]
    Unread { path: String },
    #[error(transparent)]
    Meaning(#[from] MeaningError),
}

impl EffectiveUnit {
    /// A unit alone.
    pub(crate) fn of(path: &str, text: &str, unit: &UnitName, hostname: Option<&str>) -> Self {
        let mut around = Surroundings::of(unit.clone());
        around.hostname = hostname.map(str::to_owned);
        let files = vec![(path.to_owned(), UnitFile::parse(text))];
        Self { files, around, unread: Vec::new() }
    }

    /// Takes in drop-ins and environment files, in as many exchanges as it takes: none where there are none.
    pub(crate) async fn completed(
        mut self,
        master: &str,
        transport: &dyn Transport,
        drop_ins: &[String],
    ) -> Result<Self, AskError> {
        let texts = read_all(master, transport, drop_ins).await?;
        for (path, text) in drop_ins.iter().zip(texts) {
            match text {
                Some(text) => self.files.push((path.clone(), UnitFile::parse(&*text))),
                None => self.unread.push(path.clone()),
            }
        }
        let merged = self.merged();
        self.around = self.around.with_environment(&merged);
        // systemd expands nothing else.
        let refers = merged.values("Service", "ExecStart").any(|entry| entry.value.contains('$'));
        let files = if refers { merged.environment_files() } else { Vec::new() };
        let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
        let texts = read_all(master, transport, &paths).await?;
        for (file, text) in files.into_iter().zip(texts) {
            match text {
                Some(text) => self.around = self.around.with_file(&String::from_utf8_lossy(&text)),
                None if file.is_optional => {}
                None => self.unread.push(file.path),
            }
        }
        // What no command line names may be a secret, and is of no use here.
        let commands: Vec<_> = merged.values("Service", "ExecStart").collect();
        let is_named = |name: &String| commands.iter().any(|entry| entry.value.contains(name));
        self.around.variables.retain(|name, _| is_named(name));
        Ok(self)
    }

    /// All of it as one unit.
    pub(crate) fn merged(&self) -> UnitFile {
        UnitFile::merged(self.files.iter().map(|(_, file)| file.clone()))
    }

    /// What it comes to without the arguments that kube-controller-manager refuses, and those.
    pub(crate) fn meaning_without_strays(
        &self,
    ) -> Result<(ServiceMeaning, Vec<String>), EffectiveError> {
        Ok(ServiceMeaning::without_strays(&self.whole()?, &self.around)?)
    }

    /// Flags that are given more than once.
    pub(crate) fn repeated(&self) -> Vec<FlagName> {
        ServiceMeaning::repeated(&self.merged(), &self.around)
    }

    /// What it comes to.
    pub(crate) fn meaning(&self) -> Result<ServiceMeaning, EffectiveError> {
        Ok(ServiceMeaning::of(&self.whole()?, &self.around)?)
    }

    /// All of it as one unit, if nothing that counts is missing.
    fn whole(&self) -> Result<UnitFile, EffectiveError> {
        match self.unread.first() {
            Some(path) => Err(EffectiveError::Unread { path: path.clone() }),
            None => Ok(self.merged()),
        }
    }
}

impl std::fmt::Debug for EffectiveUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.around.variables.keys().collect();
        let files: Vec<_> = self.files.iter().map(|(path, _)| path).collect();
        f.debug_struct("EffectiveUnit")
            .field("files", &files)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

/// Files as a whole; nothing for what is no regular file.
async fn read_all(
    master: &str,
    transport: &dyn Transport,
    paths: &[String],
) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, AskError> {
    let known: Vec<_> = paths.iter().map(|path| RemotePath::new(path.as_str()).ok()).collect();
    let read = |path: &RemotePath| Operation::Read(Read { path: path.clone(), view: View::Whole });
    let operations: Vec<_> = known.iter().flatten().map(read).collect();
    if operations.is_empty() {
        return Ok(vec![None; paths.len()]);
    }
    let replies = transport.call(&Batch::new(operations)).await?;
    if let Some(failure) = replies.failed {
        return Err(AskError::Failed { master: master.to_owned(), error: failure.error });
    }
    let mut replies = replies.done.into_iter();
    let texts = known.iter().map(|path| match path.as_ref().map(|_| replies.next()) {
        Some(Some(Reply::Read(text))) => Ok(text),
        None => Ok(None),
        Some(_) => Err(AskError::Contract { master: master.to_owned() }),
    });
    texts.collect()
}
