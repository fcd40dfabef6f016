//! Checks of the section `pki`.

use std::path::Path;

use super::{At, LIFETIME, SHORTEST_LIFETIME};
use crate::cluster::file::{PkiSection, SecretSection, ServiceAccountKeySection, SignerSection};
use crate::cluster::locate::{Step, Step::Index, Step::Key};
use crate::cluster::scalar::Text;
use crate::cluster::signer::TIMEOUT;
use crate::cluster::value::{OperatorPath, ProfileName};
use crate::cluster::{
    ClusterFileError, Install, Pki, SecretSource, ServiceAccountKey, SignerCommand,
};
use kcm_pki::KeyAlgorithm;

/// Folder of the identity in the tutorial, relative to the cluster file.
const IDENTITY_FOLDER: &str = "pki/kube-controller-manager/cert";
const PROFILE: &str = "kubernetes";

pub(super) fn pki(
    at: &At<'_>,
    section: PkiSection,
    folder: &Path,
) -> Result<Pki, ClusterFileError> {
    let place = |path: Text<OperatorPath>| path.0.from(folder);
    let (ca_cert, ca_key) = (place(section.ca_cert), section.ca_key.map(place));
    if ca_key.as_ref() == Some(&ca_cert) {
        let problem = "is the same file as pki.caCert; store the private key in a separate file";
        return Err(at.error(&[Key("pki"), Key("caKey")], problem));
    }
    let signing = match (section.signing_config, section.profile) {
        (Some(config), Some(profile)) => Some((place(config), profile.0)),
        (Some(config), None) => Some((place(config), at.known(PROFILE.parse::<ProfileName>())?)),
        (None, Some(_)) => {
            let problem = "requires pki.signingConfig; set pki.signingConfig, or remove this key";
            return Err(at.error(&[Key("pki"), Key("profile")], problem));
        }
        (None, None) => None,
    };
    let create_ca = section.create_ca.unwrap_or(false);
    let needs_key =
        [("createCa", create_ca), ("caKeyPassphrase", section.ca_key_passphrase.is_some())];
    if ca_key.is_none()
        && let Some((key, _)) = needs_key.into_iter().find(|(_, is_set)| *is_set)
    {
        let problem = "requires pki.caKey; set pki.caKey, or remove this key";
        return Err(at.error(&[Key("pki"), Key(key)], problem));
    }
    let passphrase = section.ca_key_passphrase;
    let passphrase = passphrase
        .map(|source| secret(at, &[Key("pki"), Key("caKeyPassphrase")], source, folder))
        .transpose()?;
    let signer = section.signer.map(|signer| self::signer(at, signer, folder)).transpose()?;
    let (lifetime, renew_before) = (
        section.lifetime.map(|lifetime| lifetime.0.as_duration()),
        section.renew_before.map(|before| before.0.as_duration()),
    );
    if lifetime.is_some_and(|lifetime| lifetime < SHORTEST_LIFETIME) {
        let problem = "is shorter than an hour; write 1h or more";
        return Err(at.error(&[Key("pki"), Key("lifetime")], problem));
    }
    let known_lifetime = lifetime.or_else(|| signing.is_none().then_some(LIFETIME));
    if let (Some(lifetime), Some(before)) = (known_lifetime, renew_before)
        && before >= lifetime
    {
        let hours = lifetime.as_secs() / 3600;
        let problem = format!(
            "is not shorter than the lifetime of {hours}h: every run would issue a new certificate; decrease pki.renewBefore, or increase pki.lifetime"
        );
        return Err(at.error(&[Key("pki"), Key("renewBefore")], problem));
    }
    let service_account_key = section
        .service_account_key
        .map(|it| self::service_account_key(at, it, folder))
        .transpose()?;
    Ok(Pki {
        ca_cert,
        ca_key,
        ca_key_passphrase: passphrase.unwrap_or_default(),
        signer,
        trust: section.trust.map(place),
        create_ca,
        csr: section.csr.map(place),
        signing,
        key_algorithm: section.key_algorithm.map(|algorithm| algorithm.0),
        lifetime,
        renew_before,
        serving_certificate: section.serving_certificate.unwrap_or(false),
        service_account_key,
        directory: section.directory.map_or_else(|| folder.join(IDENTITY_FOLDER), place),
    })
}

fn service_account_key(
    at: &At<'_>,
    section: ServiceAccountKeySection,
    folder: &Path,
) -> Result<ServiceAccountKey, ClusterFileError> {
    let algorithm = section.algorithm.map_or(KeyAlgorithm::Rsa2048, |algorithm| algorithm.0);
    let key = ServiceAccountKey { file: section.file.0.from(folder), algorithm };
    if key.public_file() == key.file {
        let problem = match key.file.file_name() {
            Some(_) => {
                "ends in .pub, the name of the public keys; name the private key, such as sa.key"
            }
            None => "is not the path of a file; name the private key, such as pki/sa.key",
        };
        return Err(at.error(&[Key("pki"), Key("serviceAccountKey"), Key("file")], problem));
    }
    Ok(key)
}

/// Refuses to upload a CA key that this machine does not have.
pub(super) fn check_distribution(
    at: &At<'_>,
    pki: &Pki,
    install: &Install,
) -> Result<(), ClusterFileError> {
    if install.distribute_ca && pki.ca_key.is_none() {
        let problem =
            "requires pki.caKey; set pki.caKey, or remove this key and copy the CA to the masters";
        return Err(at.error(&[Key("install"), Key("distributeCa")], problem));
    }
    Ok(())
}

fn signer(
    at: &At<'_>,
    section: SignerSection,
    folder: &Path,
) -> Result<SignerCommand, ClusterFileError> {
    let path = [Key("pki"), Key("signer"), Key("command")];
    let mut words = section.command.into_iter().map(|word| word.0.0);
    let Some(program) = words.next() else {
        return Err(at.error(&path, "the list is empty; write the program and its arguments"));
    };
    if program.is_empty() {
        let path = [path[0], path[1], path[2], Index(0)];
        return Err(at.error(&path, "is empty; write the name or the path of a program"));
    }
    let timeout = section.timeout.map_or(TIMEOUT, |timeout| timeout.0.0);
    Ok(SignerCommand { program, arguments: words.collect(), timeout, folder: folder.to_owned() })
}

/// Returns the source of a secret. `path` is its key.
pub(super) fn secret(
    at: &At<'_>,
    path: &[Step<'_>],
    section: SecretSection,
    folder: &Path,
) -> Result<SecretSource, ClusterFileError> {
    match (section.file, section.env) {
        (Some(file), None) => Ok(SecretSource::File(file.0.from(folder))),
        (None, Some(env)) => Ok(SecretSource::Env(env.0.0)),
        (Some(_), Some(_)) => Err(at.error(path, "sets both `file` and `env`; keep one of them")),
        (None, None) => {
            let problem = "sets neither `file` nor `env`; write {file: PATH} or {env: NAME}, or remove this key for a prompt on the terminal";
            Err(at.error(path, problem))
        }
    }
}
