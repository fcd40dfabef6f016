//! Tests code that embeds `kcm` against a fake master in memory, without SSH, systemd or waiting.
//!
//! `deploy` is the code under test. In a project, each scene of `main` is a
//! `#[tokio::test(start_paused = true)]`: the paused clock skips the settle time of a service. Run
//! this example with `cargo run --example unit_test_with_fake`.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use kcm::files::{FileSystem, RemotePath};
use kcm::transport::fake::{Behaviour, Fake, Fault, FaultKind, FaultPoint, When};
use kcm::{Cluster, Fleet, Interrupt, MasterResult, Network, Run, Silent};
use kcm_pki::{CaRequest, CertificateAuthority, CsrFile, PrivateKey, SerialNumber};
use time::OffsetDateTime;

const CLUSTER_FILE: &str = "apiVersion: kcm/v1
cluster: {server: 'https://192.168.1.210:6443', clusterCidr: 172.20.0.0/16, serviceClusterIpRange: 10.68.0.0/16}
pki: {caCert: ca.pem, caKey: ca-key.pem, keyAlgorithm: ecdsa-p256}
masters: [{name: k8s-master-01, address: 192.168.1.204}]
";

/// Deploys with a log level; the code under test.
async fn deploy(site: &Path, master: &Fake, level: u8) -> Result<Vec<MasterResult>, kcm::Error> {
    let text = format!("{CLUSTER_FILE}controllerManager: {{flags: {{v: {level}}}}}\n");
    let cluster = Cluster::parse(&text, &site.join("kcm.yaml"))?;
    let fleet = Fleet::new(&cluster, Network::Forbidden, |_| Arc::new(master.clone()));
    let (now, interrupt) = (OffsetDateTime::now_utc(), Interrupt::new());
    let run = Run::new(&cluster, &fleet, now, &Silent, &interrupt);
    Ok(kcm::apply(run).await?.masters.into_iter().map(|master| master.result).collect())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (folder, master) = (tempfile::tempdir()?, Fake::new("k8s-master-01"));
    let site = folder.path();
    furnish(site, &master)?;
    assert_eq!(deploy(site, &master, 2).await?, [MasterResult::Done]);
    assert!(master.inspect(|state| unit(state.files())).contains("--v=2"));
    // A service that is unhealthy with its new unit is rolled back to the previous unit.
    assert!(matches!(deploy(site, &master, 9).await?[..], [MasterResult::RolledBack { .. }]));
    assert!(master.inspect(|state| unit(state.files())).contains("--v=2"));
    // A connection that is lost at the next operation is an error, because no master has changed.
    master.inspect(|state| {
        let at = FaultPoint::Operation { index: state.operations, when: When::Before };
        state.faults.push(Fault { at, kind: FaultKind::LosesConnection });
    });
    assert!(matches!(deploy(site, &master, 3).await, Err(kcm::Error::Observe(_))));
    writeln!(io::stdout(), "deployed, rolled back, and reported a lost connection")?;
    Ok(())
}

/// Creates a CA, and a master that already has the CA and the program. The service is unhealthy at
/// log level 9.
fn furnish(site: &Path, master: &Fake) -> Result<(), Box<dyn Error>> {
    let csr = CsrFile::parse(r#"{"CN": "kubernetes", "key": {"algo": "ecdsa", "size": 256}}"#)?;
    let (subject, key) = (csr.value.subject, PrivateKey::generate(csr.value.key)?);
    let (lifetime, serial) = (CaRequest::DEFAULT_LIFETIME, SerialNumber::from_random([7; 20]));
    let request = CaRequest { subject, lifetime, path_len: None };
    let ca = CertificateAuthority::create(&request, &key, serial, OffsetDateTime::now_utc())?;
    let (ca, key) = (ca.to_pem(), key.to_pem());
    std::fs::write(site.join("ca.pem"), &ca)?;
    std::fs::write(site.join("ca-key.pem"), &key)?;
    master.inspect(|state| {
        state.put_file("/opt/kubernetes/bin/kube-controller-manager", b"\x7fELF", 0o755);
        state.put_file("/opt/kubernetes/pki/ca/cert/ca.pem", ca.as_bytes(), 0o644);
        state.put_file("/opt/kubernetes/pki/ca/cert/ca-key.pem", key.as_bytes(), 0o600);
        state.expect_services(|files| {
            if unit(files).contains("--v=9") { Behaviour::Unhealthy } else { Behaviour::Healthy }
        });
    });
    Ok(())
}

/// Returns the unit of the master; empty if the master has none.
fn unit(files: &mut dyn FileSystem) -> String {
    let path = RemotePath::new("/etc/systemd/system/kube-controller-manager.service");
    let bytes = path.ok().and_then(|path| files.read(&path).ok());
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
