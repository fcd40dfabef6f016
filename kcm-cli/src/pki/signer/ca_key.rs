//! The CA key in a file, as a signer.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use kcm_pki::{
    CaCertificate, CertificateAuthority, CertificateChain, LeafRequest, OutlivesCa, SerialNumber,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{PassphrasePrompt, Signer, SignerError, SigningOrder};
use crate::cluster::{Pki, SecretSource};
use crate::pki::inputs::{ca_key_is_encrypted, load_authority};
use crate::pki::store::read_ca_certificate;

/// The signer that uses the key of `pki.caKey`. It reads the key at its first use, and again if the
/// CA certificate was replaced since.
pub struct CaKeySigner {
    pki: Pki,
    ask: Option<PassphrasePrompt>,
    authority: Mutex<Option<Arc<CertificateAuthority>>>,
}

impl CaKeySigner {
    /// Creates the signer. `ask` prompts for the passphrase of an encrypted key, if the cluster
    /// file names no source; `None` if nobody can be asked.
    #[must_use]
    pub fn new(pki: Pki, ask: Option<PassphrasePrompt>) -> Self {
        Self { pki, ask, authority: Mutex::default() }
    }

    async fn authority(&self) -> Result<Arc<CertificateAuthority>, SignerError> {
        let mut known = self.authority.lock().await;
        let (certificate, _) = read_ca_certificate(&self.pki)?;
        let certificate = certificate.and_then(|pem| CaCertificate::load(pem.as_bytes()).ok());
        if let Some(known) = &*known
            && certificate.as_ref() == Some(known.certificate())
        {
            return Ok(Arc::clone(known));
        }
        let (pki, ask) = (self.pki.clone(), self.ask.clone());
        let ask = move |question: &str| match &ask {
            Some(ask) => ask(question),
            None => no_prompt(question),
        };
        let loaded = blocking(move || Ok(Arc::new(load_authority(&pki, &ask)?))).await?;
        Ok(Arc::clone(known.insert(loaded)))
    }
}

#[async_trait]
impl Signer for CaKeySigner {
    async fn check(&self) -> Result<(), SignerError> {
        // A plan must not prompt: the passphrase is needed to sign only.
        let prompts = self.pki.ca_key_passphrase == SecretSource::Terminal && self.ask.is_some();
        if prompts && ca_key_is_encrypted(&self.pki)? {
            return Ok(());
        }
        self.authority().await.map(drop)
    }

    async fn sign(&self, order: &SigningOrder) -> Result<CertificateChain, SignerError> {
        let (authority, order) = (self.authority().await?, order.clone());
        blocking(move || {
            let wanted = &order.properties;
            let leaf = LeafRequest {
                subject: wanted.subject.clone(),
                hosts: wanted.hosts.clone(),
                usages: wanted.usages.clone(),
                lifetime: wanted.lifetime,
                outlives_ca: OutlivesCa::Clamp,
            };
            let key = order.request.public_key();
            let issued = authority.issue(&leaf, key, serial()?, order.now)?;
            Ok(CertificateChain::order(vec![issued.certificate])?)
        })
        .await
    }
}

/// Refuses to prompt, for callers without a terminal.
pub(crate) fn no_prompt(_: &str) -> io::Result<Zeroizing<String>> {
    Err(io::Error::other("there is no terminal"))
}

/// Returns a serial number of 20 random bytes. RFC 5280, section 4.1.2.2, requires a positive
/// number of at most 20 octets.
pub(crate) fn serial() -> Result<SerialNumber, SignerError> {
    let mut random = [0; 20];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| SignerError::Crypto { reason: "cannot generate random bytes".to_owned() })?;
    Ok(SerialNumber::from_random(random))
}

/// Runs `work` on a blocking thread: deriving a key from a passphrase and RSA are slow, and must
/// not delay exchanges with masters.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SignerError> + Send + 'static,
) -> Result<T, SignerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(SignerError::Crypto { reason: error.to_string() }),
    }
}
