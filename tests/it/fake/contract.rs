//! Tests that every transport keeps the contract.

use std::cell::Cell;
use std::sync::Arc;

use kcm::files::{Effect, Mode, NodeKind, Owner, RemotePath};
use kcm::transport::Local;
use kcm::transport::conformance::{BackDoor, Folder, Subject, transport};
use kcm::transport::fake::Fake;

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let (folder, count) = (tempfile::tempdir().unwrap(), Cell::new(0));
    transport(|| {
        count.set(count.get() + 1);
        // The folder does not exist yet; the first file creates it.
        let root = folder.path().join(format!("k8s-master-{}", count.get()));
        Subject { transport: Arc::new(Local::new(&root)), back_door: Box::new(Folder(root)) }
    })
    .await;
}

#[tokio::test]
async fn a_fake_machine_keeps_the_contract() {
    transport(|| fake(Fake::new("k8s-master-01"))).await;
}

#[tokio::test]
async fn a_fake_folder_keeps_the_contract() {
    transport(|| fake(Fake::offline("k8s-master-01"))).await;
}

fn fake(fake: Fake) -> Subject {
    Subject { transport: Arc::new(fake.clone()), back_door: Box::new(Memory(fake)) }
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

    fn give(&self, path: &str, owner: Owner, mode: u32) {
        let (path, mode) = (RemotePath::new(path).unwrap(), Mode::from_bits(mode));
        self.0.inspect(|state| {
            state.files().perform(Effect::SetOwner { path: &path, owner }).unwrap();
            state.files().perform(Effect::SetMode { path: &path, mode }).unwrap();
        });
    }
}
