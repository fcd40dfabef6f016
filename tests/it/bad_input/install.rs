//! Tests of an invalid program or CA that kcm should upload to the masters.

use std::fs::{self, File};
use std::process::Command;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{Site, ca, peers, program};

use super::{Case, FAILED, check};

const ARCHIVE: &str = "put the program there, as Kubernetes' server archive for Linux has it";

/// Returns a case with a damaged or unsuitable program.
fn binary(name: &'static str, error: &str, spoil: impl Fn(&Site) + Send + Sync + 'static) -> Case {
    let error =
        format!("kube-controller-manager (install.binary) kube-controller-manager: {error}");
    let spoil = move |site: &Site| {
        site.bring_everything();
        fs::remove_file(site.file(BINARY)).unwrap();
        spoil(site);
    };
    Case::new(name, FAILED, spoil, error.leak())
}

const BINARY: &str = "kube-controller-manager";

/// Writes a program with one changed byte in its header.
fn with_byte(place: usize, byte: u8) -> impl Fn(&Site) + Send + Sync {
    move |site| {
        let mut bytes = program(100);
        bytes[place] = byte;
        site.write(BINARY, bytes);
    }
}

#[test]
fn a_program_that_could_not_run_is_refused() {
    check([
        binary("none", "there is no such file; put it there or mend the path", |_| {}),
        binary("a folder", "it is a folder; name the program in it", |site| {
            fs::create_dir(site.file(BINARY)).unwrap();
        }),
        binary("a pipe", "it is no regular file; name the program itself", |site| {
            peers::run(Command::new("mkfifo").arg(site.file(BINARY)));
        }),
        binary("nothing", &format!("it is empty; {ARCHIVE}"), |site| site.write(BINARY, "")),
        binary("a script", &format!("it is a script; {ARCHIVE}"), |site| {
            site.write(BINARY, "#!/bin/sh\nexec hyperkube\n");
        }),
        binary("an archive", &format!("it is no program for Linux; {ARCHIVE}"), |site| {
            site.write(BINARY, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
        }),
        binary("32 bits", &format!("it is for a 32-bit machine; {ARCHIVE}"), with_byte(4, 1)),
        binary("a part", &format!("it is a part of a program only; {ARCHIVE}"), with_byte(16, 1)),
        binary(
            "another machine",
            &format!("it is for a machine that kcm does not know (ELF machine 8); {ARCHIVE}"),
            with_byte(18, 8),
        ),
        binary("a disk", "it is longer than 1024.0 MiB; is it the right file?", |site| {
            File::create(site.file(BINARY)).unwrap().set_len((1 << 30) + 1).unwrap();
        }),
    ]);
}

#[test]
fn a_ca_that_cannot_be_brought_is_refused() {
    check([
        Case::new(
            "no key",
            FAILED,
            |site| {
                // The identity exists, so only the upload to the masters needs the CA key.
                site.apply();
                site.bring_everything();
                fs::remove_file(site.file("pki/ca/cert/ca-key.pem")).unwrap();
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: there is no such file; put it there or mend the path",
        ),
        Case::new(
            "the key of another CA",
            FAILED,
            |site| {
                site.bring_everything();
                site.write("pki/ca/cert/ca-key.pem", ca(KeyAlgorithm::EcdsaP256, "other").1);
                peers::run(
                    Command::new("chmod").arg("600").arg(site.file("pki/ca/cert/ca-key.pem")),
                );
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the CA key does not belong to the CA certificate of CN=kubernetes (sha256:…); put the CA's own key there",
        ),
        Case::new(
            "another CA on a master",
            FAILED,
            |site| {
                site.write(&format!("out/k8s-master-02{CA}"), "no certificate");
                site.bring_everything();
            },
            "k8s-master-02: /opt/kubernetes/pki/ca/cert/ca.pem is not the file of pki.caCert (sha256:…) but another (sha256:…), and kcm replaces no CA unasked; put the cluster's CA at pki.caCert, or remove the file there if nothing uses it; for a new CA in a cluster that runs, first let the API server and every client trust both CAs, then issue with the new one, then drop the old; apply with --replace-ca once that is so [ca-mismatch]",
        ),
    ]);
}

const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
