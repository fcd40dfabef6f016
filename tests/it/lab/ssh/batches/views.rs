//! Tests that a master's shell shows the same parts of kubeconfigs, certificates and keys as kcm.

use std::fs;
use std::sync::Arc;

use kcm::transport::{Local, View};
use kcm_pki::{Fingerprint, KeyAlgorithm};
use kcm_tests::{ca, peers};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::super::{master, on};
use super::{LAB, read, texts};

/// Returns texts of kubeconfigs and of invalid ones, the same in every run.
fn hostile() -> Vec<String> {
    let keys = [
        "client-key-data",
        "token",
        "server",
        "name",
        "user",
        "users",
        "exec",
        "unknown",
        "proxy-url",
        "certificate-authority-data",
        "password",
        "- name",
        "x y",
        "",
    ];
    let value = prop_oneof![
        4 => "[ -~\\t]{0,30}",
        2 => prop::sample::select(vec!["{}", "[]", "\"\"", "|", ">-", "'a'", "\"b\"", "{a: b", "https://u:p@h", "# c"])
            .prop_map(str::to_owned),
        1 => "[\r\u{85}\u{2028}\u{2029}\u{feff}é集😀\\\\%$`'\"]{0,9}",
    ];
    let line = (
        0_usize..7,
        prop::sample::select(keys.to_vec()),
        prop::sample::select(vec![": ", ":", " ", ""]),
        value,
    )
        .prop_map(|(indent, key, colon, value)| {
            format!("{}{key}{colon}{value}", " ".repeat(indent))
        });
    let text = (prop::collection::vec(line, 0..12), prop::sample::select(vec!["", "\n", "\n\n"]))
        .prop_map(|(lines, end)| lines.join("\n") + end);
    let mut runner = TestRunner::deterministic();
    (0..250).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn a_masters_shell_shows_of_a_kubeconfig_what_kcm_shows() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let folder = machine.file("/home/views");
    fs::create_dir(&folder).unwrap();
    let texts_here = hostile();
    for (index, text) in texts_here.iter().enumerate() {
        fs::write(folder.join(index.to_string()), text).unwrap();
    }
    let master = master(machine);
    let reads = (0..texts_here.len())
        .map(|index| read(&format!("/home/views/{index}"), View::KubeconfigPublic));
    let views = on(&master, texts(&*master, reads.collect()));
    for (text, view) in texts_here.iter().zip(views) {
        let expected = kcm_kubeconfig::public_view(text, |value| Fingerprint::of(value).to_hex());
        assert_eq!(String::from_utf8(view).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_masters_shell_shows_certificates_and_no_key() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "a");
    let (head, _) = certificate.split_at(certificate.len() / 2);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let files = [
        format!("{certificate}{key}"),
        format!("{key}{certificate}{key}"),
        format!("{}{}", crlf(&key), crlf(&certificate)),
        format!("{key}{}", certificate.trim_end()),
        format!("text\n{certificate}\ntext\n{certificate}"),
        // A truncated certificate; the text after it is not part of it.
        format!("{head}\n{key}{certificate}"),
        format!("-----BEGIN CERTIFICATE-----\n{key}"),
        key.clone(),
        String::new(),
        format!(" {certificate}"),
    ];
    let scratch = tempfile::tempdir().unwrap();
    let reads = || {
        (0..files.len())
            .map(|index| read(&format!("/srv-pem/{index}"), View::Certificates))
            .collect()
    };
    for folder in [machine.root(), scratch.path().to_owned()] {
        fs::create_dir(folder.join("srv-pem")).unwrap();
        for (index, text) in files.iter().enumerate() {
            fs::write(folder.join(format!("srv-pem/{index}")), text).unwrap();
        }
    }
    let master = master(machine);
    let there = on(&master, texts(&*master, reads()));
    let local = Arc::new(Local::new(scratch.path()));
    let here = on(&master, texts(&*local, reads()));
    let secret = key.lines().nth(1).unwrap();
    for ((there, here), text) in there.iter().zip(&here).zip(&files) {
        let (there, here) = (String::from_utf8_lossy(there), String::from_utf8_lossy(here));
        assert_eq!(there, here, "{text}");
        assert!(!there.contains(secret), "{there}");
        assert_eq!(there.is_empty(), !text.starts_with(['-', 't']) || text == &key, "{text}");
    }
}

#[test]
fn a_masters_shell_finds_the_public_part_of_every_key_as_this_machine_does() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let scratch = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| peers::run(&mut peers::openssl(scratch.path(), arguments));
    let mut files = vec!["garbage\n".to_owned(), String::new()];
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
    ] {
        let (certificate, key) = ca(algorithm, "a");
        fs::write(scratch.path().join("key"), &key).unwrap();
        openssl(&["pkey", "-in", "key", "-traditional", "-out", "traditional"]);
        let traditional = fs::read_to_string(scratch.path().join("traditional")).unwrap();
        let crlf = key.replace('\n', "\r\n");
        files.extend([key.clone(), traditional, crlf, format!("{certificate}{key}{certificate}")]);
    }
    openssl(&["pkey", "-aes256", "-passout", "pass:x", "-in", "key", "-out", "encrypted"]);
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "ed25519"]);
    for name in ["encrypted", "ed25519"] {
        files.push(fs::read_to_string(scratch.path().join(name)).unwrap());
    }
    let reads =
        || (0..files.len()).map(|at| read(&format!("/srv-keys/{at}"), View::PublicPart)).collect();
    for folder in [machine.root(), scratch.path().to_owned()] {
        fs::create_dir(folder.join("srv-keys")).unwrap();
        for (at, text) in files.iter().enumerate() {
            fs::write(folder.join(format!("srv-keys/{at}")), text).unwrap();
        }
    }
    let master = master(machine);
    let there = on(&master, texts(&*master, reads()));
    let local = Arc::new(Local::new(scratch.path()));
    let here = on(&master, texts(&*local, reads()));
    for ((there, here), text) in there.iter().zip(&here).zip(&files) {
        assert_eq!(String::from_utf8_lossy(there), String::from_utf8_lossy(here), "{text}");
    }
    let found: Vec<_> = there.iter().map(Vec::len).collect();
    assert_eq!(found, [&[0, 0][..], &[64; 16], &[0, 0]].concat());
    for forms in there[2..18].chunks(4) {
        assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
    }
}
