//! Every transport keeps the contract.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kcm::files::{Effect, NodeKind, RemotePath};
use kcm::transport::{Fake, Local};
use kcm_tests::contract::{BackDoor, Subject, run};
use tempfile::TempDir;

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    run(|| {
        let folder = tempfile::tempdir().unwrap();
        // Not there yet: the first file makes it.
        let root = folder.path().join("k8s-master-01");
        Subject {
            transport: Arc::new(Local::new(&root)),
            back_door: Box::new(Folder { root, _folder: folder }),
        }
    })
    .await;
}

#[tokio::test]
async fn a_fake_machine_keeps_the_contract() {
    run(|| fake(Fake::new("k8s-master-01"))).await;
}

#[tokio::test]
async fn a_fake_folder_keeps_the_contract() {
    run(|| fake(Fake::offline("k8s-master-01"))).await;
}

fn fake(fake: Fake) -> Subject {
    Subject { transport: Arc::new(fake.clone()), back_door: Box::new(Memory(fake)) }
}

struct Folder {
    root: PathBuf,
    _folder: TempDir,
}

impl Folder {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl BackDoor for Folder {
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn file(&self, path: &str) -> Option<(u32, Vec<u8>)> {
        let at = self.at(path);
        at.is_file().then(|| (mode(&at), fs::read(&at).unwrap()))
    }

    fn folder(&self, path: &str) -> Option<u32> {
        let at = self.at(path);
        at.is_dir().then(|| mode(&at))
    }

    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.at(path)).ok().map(|target| target.to_str().unwrap().to_owned())
    }

    fn put_link(&self, path: &str, target: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, at).unwrap();
    }
}

struct Memory(Fake);

impl Memory {
    fn kind(&self, path: &str) -> Option<(NodeKind, u32)> {
        let path = RemotePath::new(path).unwrap();
        let stat = self.0.inspect(|state| state.files().stat(&path)).unwrap();
        stat.map(|stat| (stat.kind, stat.mode.bits()))
    }
}

impl BackDoor for Memory {
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        self.0.inspect(|state| state.put_file(path, content, mode));
    }

    fn file(&self, path: &str) -> Option<(u32, Vec<u8>)> {
        let (kind, mode) = self.kind(path)?;
        let path = RemotePath::new(path).unwrap();
        (kind == NodeKind::File)
            .then(|| (mode, self.0.inspect(|state| state.files().read(&path)).unwrap().to_vec()))
    }

    fn folder(&self, path: &str) -> Option<u32> {
        self.kind(path).filter(|(kind, _)| *kind == NodeKind::Folder).map(|(_, mode)| mode)
    }

    fn link(&self, path: &str) -> Option<String> {
        match self.kind(path)? {
            (NodeKind::Link(target), _) => Some(target),
            _ => None,
        }
    }

    fn put_link(&self, path: &str, target: &str) {
        let path = RemotePath::new(path).unwrap();
        self.0.inspect(|state| {
            state.put_folder(path.parent().unwrap().as_str());
            state.files().perform(Effect::Link { path: &path, target }).unwrap();
        });
    }
}
