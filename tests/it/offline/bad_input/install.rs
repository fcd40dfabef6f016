//! Tests of an invalid program or CA that kcm should upload to the masters.

use std::fs::{self, File};
use std::process::Command;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{Workspace, ca, peers, program};

use super::{Case, FAILED, check};

const ARCHIVE: &str = "use the binary from the Kubernetes server archive for Linux";

/// Returns a case with a damaged or unsuitable program.
fn binary(
    name: &'static str,
    error: &str,
    spoil: impl Fn(&Workspace) + Send + Sync + 'static,
) -> Case {
    let error =
        format!("kube-controller-manager (install.binary) kube-controller-manager: {error}");
    let spoil = move |workspace: &Workspace| {
        workspace.bring_everything();
        fs::remove_file(workspace.file(BINARY)).unwrap();
        spoil(workspace);
    };
    Case::new(name, FAILED, spoil, error.leak())
}

const BINARY: &str = "kube-controller-manager";

/// Writes a program with one changed byte in its header.
fn with_byte(place: usize, byte: u8) -> impl Fn(&Workspace) + Send + Sync {
    move |workspace| {
        let mut bytes = program(100);
        bytes[place] = byte;
        workspace.write(BINARY, bytes);
    }
}

#[test]
fn a_program_that_could_not_run_is_refused() {
    check([
        binary(
            "none",
            "no such file or directory | help: create the file or correct the path",
            |_| {},
        ),
        binary("a folder", "is a directory | help: write the path of the binary", |workspace| {
            fs::create_dir(workspace.file(BINARY)).unwrap();
        }),
        binary("a pipe", "not a regular file | help: write the path of the binary", |workspace| {
            peers::run(Command::new("mkfifo").arg(workspace.file(BINARY)));
        }),
        binary("nothing", &format!("the file is empty | help: {ARCHIVE}"), |workspace| {
            workspace.write(BINARY, "");
        }),
        binary(
            "a script",
            &format!("a script, not an ELF executable | help: {ARCHIVE}"),
            |workspace| {
                workspace.write(BINARY, "#!/bin/sh\nexec hyperkube\n");
            },
        ),
        binary("an archive", &format!("not an ELF executable | help: {ARCHIVE}"), |workspace| {
            workspace.write(BINARY, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
        }),
        binary(
            "32 bits",
            &format!("built for a 32-bit architecture | help: {ARCHIVE}"),
            with_byte(4, 1),
        ),
        binary(
            "a part",
            &format!("an ELF file, but not an executable | help: {ARCHIVE}"),
            with_byte(16, 1),
        ),
        binary(
            "another machine",
            &format!("built for an unsupported architecture (ELF machine 8) | help: {ARCHIVE}"),
            with_byte(18, 8),
        ),
        binary("a disk", "larger than 1024.0 MiB | help: check the path", |workspace| {
            File::create(workspace.file(BINARY)).unwrap().set_len((1 << 30) + 1).unwrap();
        }),
    ]);
}

#[test]
fn a_ca_that_cannot_be_brought_is_refused() {
    check([
        Case::new(
            "no key",
            FAILED,
            |workspace| {
                // The identity exists, so only the upload to the masters needs the CA key.
                workspace.apply();
                workspace.bring_everything();
                fs::remove_file(workspace.file("pki/ca/cert/ca-key.pem")).unwrap();
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no such file or directory | help: create the file or correct the path",
        ),
        Case::new(
            "the key of another CA",
            FAILED,
            |workspace| {
                workspace.bring_everything();
                workspace.write("pki/ca/cert/ca-key.pem", ca(KeyAlgorithm::EcdsaP256, "other").1);
                peers::run(
                    Command::new("chmod").arg("600").arg(workspace.file("pki/ca/cert/ca-key.pem")),
                );
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the CA key does not match the CA certificate of CN=kubernetes (sha256:…) | help: replace the file with the CA key",
        ),
        Case::new(
            "another CA on a master",
            FAILED,
            |workspace| {
                workspace.write(&format!("out/k8s-master-02{CA}"), "no certificate");
                workspace.bring_everything();
            },
            "error[ca-mismatch]: k8s-master-02: /opt/kubernetes/pki/ca/cert/ca.pem differs from the file of pki.caCert: expected sha256:…, found sha256:…; kcm replaces a CA only with --replace-ca | help: set `pki.caCert` to the CA of the cluster, or remove the file on the master if nothing uses the file; to replace the CA of a running cluster, run `kcm rotate ca`\nerror: 1 preflight check failed; no master has changed",
        ),
    ]);
}

const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
