use super::*;
use crate::transport::fake::Fake;
use crate::transport::fake::{FakeState, Fault, FaultKind, FaultPoint, When};

const PATHS: [&str; 3] = ["/pki/x.pem", "/pki/x-key.pem", "/pki/x.csr"];

fn content(letter: char) -> NamedContent {
    let block = |label: &str| format!("-----BEGIN {label}-----\n{letter}\n-----END {label}-----\n");
    NamedContent {
        certificate: Some(block("CERTIFICATE") + &block("CERTIFICATE")),
        key: Some(Zeroizing::new(block("EC PRIVATE KEY"))),
        request: Some(block("CERTIFICATE REQUEST")),
    }
}

fn store(files: &mut FakeState) -> Store<'_> {
    let [certificate, key, request] = PATHS.map(|path| RemotePath::new(path).unwrap());
    Store { files, certificate, key, request }
}

fn read(files: &mut FakeState) -> NamedContent {
    let [certificate, key, request] = PATHS.map(|path| {
        let bytes = files.files().read(&RemotePath::new(path).unwrap()).ok()?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    });
    NamedContent { certificate, key: key.map(Zeroizing::new), request }
}

#[test]
fn a_staging_file_comes_apart_as_it_was_joined() {
    let whole = content('a');
    for content in [
        whole.clone(),
        NamedContent { certificate: None, ..whole.clone() },
        NamedContent { key: None, ..whole },
        NamedContent::default(),
    ] {
        assert!(NamedContent::split(&content.joined()) == content);
    }
}

#[test]
fn whatever_befalls_a_write_all_files_are_old_or_new() {
    let (old, new) = (content('a'), content('b'));
    let before = || {
        let fake = Fake::new("operator");
        fake.inspect(|state| {
            store(state).write(&old).unwrap();
            state.effects = 0;
        });
        fake
    };
    let whole = before().inspect(|state| {
        store(state).write(&new).unwrap();
        state.effects
    });
    assert!(whole > 20, "{whole}");
    let kinds = [FaultKind::PowersOff, FaultKind::Stops, FaultKind::Fails(FileErrorKind::NoSpace)];
    for index in 0..whole {
        for when in [When::Before, When::Inside, When::After] {
            for kind in kinds {
                let cut = format!("{when:?} effect {index}: {kind:?}");
                before().inspect(|state| {
                    state.faults.push(Fault { at: FaultPoint::Effect { index, when }, kind });
                    assert!(store(state).write(&new).is_err(), "{cut}");
                    state.power_on(&[]).unwrap();
                    store(state).recover().unwrap();
                    let seen = read(state);
                    assert!(seen == old || seen == new, "{cut}");
                    store(state).write(&new).unwrap();
                    assert!(read(state) == new, "{cut}");
                    let names = state.files().list(&RemotePath::new("/pki").unwrap()).unwrap();
                    assert_eq!(names, ["x-key.pem", "x.csr", "x.pem"], "{cut}");
                });
            }
        }
    }
}

#[test]
fn a_folder_in_place_of_one_file_stops_all_of_them() {
    Fake::new("operator").inspect(|state| {
        store(state).write(&content('a')).unwrap();
        let path = RemotePath::new(PATHS[2]).unwrap();
        state.files().perform(Effect::Remove { path: &path }).unwrap();
        state.files().perform(Effect::MakeFolder { path: &path, mode: Mode::FOLDER }).unwrap();
        let error = store(state).write(&content('b')).unwrap_err();
        assert_eq!(error.kind, FileErrorKind::WrongKind);
        let seen = read(state);
        assert!(seen.key == content('a').key && seen.certificate == content('a').certificate);
    });
}

#[test]
fn a_name_without_a_last_part_is_refused() {
    for name in ["", "x/", "..", "/"] {
        assert!(NamedPaths::new(Path::new(name)).is_err(), "{name:?}");
    }
    let paths = NamedPaths::new(Path::new("a/x.y")).unwrap();
    assert_eq!(paths.key, Path::new("a/x.y-key.pem"));
    assert_eq!(paths.request, Path::new("a/x.y.csr"));
}
