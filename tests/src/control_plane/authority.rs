//! The CA of a test's control plane, and the identities that it issues.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kcm_kubeconfig::{CertificateSource, ComponentKubeconfig, KeySource, Secret, ServerUrl};
use kcm_pki::{
    CertificateAuthority, Hosts, KeyAlgorithm, LeafRequest, NameEntry, OutlivesCa, PrivateKey,
    Subject, Usage,
};
use time::OffsetDateTime;

use crate::workspace::{ca, serial};

/// A CA: certificate and key as PEM.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// A certificate and its key as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// Creates a CA with the name of the tutorial's.
    #[must_use]
    pub fn new() -> Self {
        let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
        Self { certificate, key }
    }

    /// Reads the CA from `ca.pem` and `ca-key.pem` in a folder.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        Self { certificate: read("ca.pem"), key: read("ca-key.pem") }
    }

    /// Issues a client identity for ten years: user `common_name` in `groups`.
    #[must_use]
    pub fn client(&self, common_name: &str, groups: &[&str]) -> Identity {
        self.issue(common_name, groups, &[], Usage::ClientAuth, DECADE)
    }

    /// Issues a client identity like [`Authority::client`], without groups, that expires after
    /// `remaining`.
    ///
    /// `remaining` must be at least one second. Validity begins several minutes in the past.
    #[must_use]
    pub fn short_lived(&self, common_name: &str, remaining: Duration) -> Identity {
        // The validity of a certificate begins five minutes before the nearest full minute.
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let begin = (now + 30).div_euclid(60) * 60 - 300;
        let since = Duration::from_secs(u64::try_from(now - begin).unwrap());
        self.issue(common_name, &[], &[], Usage::ClientAuth, since + remaining)
    }

    /// Issues a server identity for ten years. The first host is its common name.
    #[must_use]
    pub fn server(&self, hosts: &[&str]) -> Identity {
        self.issue(hosts[0], &[], hosts, Usage::ServerAuth, DECADE)
    }

    /// Issues an identity for server and client use that is valid from `begin` until `end`, in the
    /// past or in the future.
    #[must_use]
    pub fn valid_between(
        &self,
        common_name: &str,
        hosts: &[&str],
        begin: OffsetDateTime,
        end: OffsetDateTime,
    ) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(hosts).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        (params.not_before, params.not_after) = (begin, end);
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let ca = rcgen::KeyPair::from_pem(&self.key).unwrap();
        let ca = rcgen::Issuer::from_ca_cert_pem(&self.certificate, ca).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Issues the identity of kube-controller-manager.
    #[must_use]
    pub fn controller_manager(&self) -> Identity {
        self.client("system:kube-controller-manager", &["kubernetes"])
    }

    /// Builds a kubeconfig for `server` with the CA, the certificate and the key embedded.
    #[must_use]
    pub fn kubeconfig(&self, server: &str, identity: &Identity) -> String {
        let kubeconfig = ComponentKubeconfig {
            cluster: "kubernetes".to_owned(),
            server: ServerUrl::parse(server).unwrap(),
            certificate_authority: CertificateSource::Embedded(self.certificate.clone().into()),
            user: "kube-controller-manager".to_owned(),
            client_certificate: CertificateSource::Embedded(identity.certificate.clone().into()),
            client_key: KeySource::Embedded(Secret::new(identity.key.clone().into())),
            context: "default".to_owned(),
        };
        kubeconfig.build().unwrap().to_yaml().to_string()
    }

    fn issue(
        &self,
        common_name: &str,
        groups: &[&str],
        hosts: &[&str],
        usage: Usage,
        lifetime: Duration,
    ) -> Identity {
        let authority =
            CertificateAuthority::load(self.certificate.as_bytes(), self.key.as_bytes()).unwrap();
        let entry =
            |group: &&str| NameEntry { organization: (*group).to_owned(), ..NameEntry::default() };
        let names = groups.iter().map(entry).collect();
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request = LeafRequest {
            subject: Subject::new(common_name, names, None).unwrap(),
            hosts: Hosts::parse(hosts.iter().copied()).unwrap(),
            usages: [Usage::Signing, Usage::KeyEncipherment, usage].into_iter().collect(),
            lifetime,
            outlives_ca: OutlivesCa::Clamp,
        };
        let now = OffsetDateTime::now_utc();
        let issued = authority.issue(&request, key.public_key(), serial(), now).unwrap();
        Identity { certificate: issued.certificate.to_pem(), key: key.to_pem().to_string() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

const DECADE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
