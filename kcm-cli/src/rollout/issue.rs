//! Issuing of the CA and the certificates. Stores them on this machine before any master changes.

use kcm_pki::{
    CaCertificate, CertificateAuthority, Clamped, CsrFile, Issued, KeyAlgorithm, LeafRequest,
    OutlivesCa, PrivateKey, RootRequest, SerialNumber,
};
use time::OffsetDateTime;

use crate::artifact::view;
use crate::cluster::layout::{CERTIFICATE, SERVING};
use crate::context::Run;
use crate::error::Error;
use crate::event::Event;
use crate::pki::identity::{Decision, Held, Reason};
use crate::pki::{self, CA_LIFETIME, Ca, IdentityRequest, Inputs, Pair, Serving};
use crate::plan::Plan;
use crate::plan::choose::Decisions;
use crate::util::files::Bytes;
use crate::util::words::in_full;

/// CSR file of the tutorial's root CA.
const CA_CSR: &str = r#"{
  "CN": "kubernetes",
  "key": {"algo": "rsa", "size": 2048},
  "names": [{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "kubernetes", "OU": "System"}]
}"#;

/// The issued certificates, and the CA that signed them.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) identity: Option<Pair>,
    pub(crate) serving: Option<Pair>,
    pub(crate) ca: CaCertificate,
    /// The CA key, if the cluster file distributes it to the masters.
    pub(crate) ca_key: Option<Bytes>,
}

impl Fresh {
    /// Replaces the certificates in `inputs` by the issued ones. Returns decisions that keep them.
    pub(super) fn into_inputs(self, inputs: &mut Inputs, plan: &Plan) -> Decisions {
        let kept = |pair: Option<&Pair>, decided: &Option<Decision>| {
            let fingerprint = pair.and_then(|pair| view::leaf(pair.certificate.as_bytes()));
            let kept = |fingerprint| Decision::Keep { fingerprint, held: Held::ByOperator };
            fingerprint.map(kept).or_else(|| decided.clone())
        };
        let identity = kept(self.identity.as_ref(), &plan.identity);
        let decisions = Decisions {
            identity: identity.unwrap_or(Decision::Issue { why: Vec::new() }),
            serving: kept(self.serving.as_ref(), &plan.serving),
        };
        if let Some(serving) = &mut inputs.serving {
            serving.pair = self.serving.or(serving.pair.take());
        }
        inputs.pair = self.identity.or(inputs.pair.take());
        inputs.ca = Ca::Present(self.ca);
        inputs.ca_key = self.ca_key;
        decisions
    }
}

/// Loads the CA key if the plan needs it, so that a missing or wrong key fails before any change.
pub(crate) fn authority(run: Run<'_>, plan: &Plan) -> Result<Option<CertificateAuthority>, Error> {
    let needed = plan.needs_ca_key().then(|| pki::load_authority(&run.cluster.pki));
    Ok(needed.transpose()?)
}

/// Issues and stores the CA and the certificates that the plan requires. Returns `None` if it
/// requires none.
pub(crate) async fn issue(
    run: Run<'_>,
    plan: &Plan,
    inputs: &Inputs,
    same_key: bool,
) -> Result<Option<Fresh>, Error> {
    if !plan.issues() {
        return Ok(None);
    }
    if run.interrupt.is_requested() {
        return Err(Error::Interrupted);
    }
    let pki = &run.cluster.pki;
    let authority = match authority(run, plan)? {
        Some(authority) => authority,
        None => create_ca(run).await?,
    };
    let (client, client_pair) = (Some(&inputs.request), inputs.pair.as_ref());
    let (identity, authority) =
        new_pair(run, plan.identity.as_ref(), client, client_pair, authority, same_key).await?;
    let (request, old) = match &inputs.serving {
        Some(Serving { request, pair, .. }) => (Some(request), pair.as_ref()),
        None => (None, None),
    };
    let (serving, authority) =
        new_pair(run, plan.serving.as_ref(), request, old, authority, same_key).await?;
    // Key generation is slow, and nothing is stored yet.
    if run.interrupt.is_requested() {
        return Err(Error::Interrupted);
    }
    if let Some((pair, issued, why)) = &identity {
        pki::store_identity(pki, inputs.pair.as_ref(), pair)?;
        report(run, CERTIFICATE, why, issued);
    }
    if let Some((pair, issued, why)) = &serving {
        pki::store_serving(pki, old, pair)?;
        report(run, SERVING, why, issued);
    }
    let ca_key = match &inputs.ca_key {
        None if run.cluster.install.distribute_ca => pki::ca_key_to_distribute(pki)?,
        known => known.clone(),
    };
    let pair = |made: Option<(Pair, Issued, &[Reason])>| made.map(|(pair, ..)| pair);
    let ca = authority.certificate().clone();
    Ok(Some(Fresh { identity: pair(identity), serving: pair(serving), ca, ca_key }))
}

/// Issues a new pair if `decision` requires one. Returns the authority for further use.
async fn new_pair<'p>(
    run: Run<'_>,
    decision: Option<&'p Decision>,
    request: Option<&IdentityRequest>,
    old: Option<&Pair>,
    authority: CertificateAuthority,
    same_key: bool,
) -> Result<(Option<(Pair, Issued, &'p [Reason])>, CertificateAuthority), Error> {
    let (Some(Decision::Issue { why }), Some(request)) = (decision, request) else {
        return Ok((None, authority));
    };
    let (request, now) = (request.clone(), run.now);
    let kept = old.filter(|_| same_key).cloned();
    let (pair, issued, authority) = blocking("the certificate", move || {
        let key = kept.and_then(|pair| usable_key(&pair, request.key_algorithm));
        let (pair, issued) = leaf(&request, &authority, key, now)?;
        Ok((pair, issued, authority))
    })
    .await?;
    Ok((Some((pair, issued, why)), authority))
}

fn report(run: Run<'_>, file: &str, why: &[Reason], issued: &Issued) {
    // A difference within the same day is not worth a warning.
    let is_news = |clamped: &&Clamped| clamped.not_after.date() != clamped.requested.date();
    if let Some(clamped) = issued.clamped.as_ref().filter(is_news) {
        let text = format!(
            "the certificate expires with its CA on {}, not on {} as requested",
            clamped.not_after.date(),
            clamped.requested.date()
        );
        run.events.event(&Event::Warning { text });
    }
    for warning in &issued.warnings {
        run.events.event(&Event::Warning { text: warning.to_string() });
    }
    let path = run.cluster.pki.directory.join(file);
    run.events.event(&Event::IdentityIssued {
        path: path.display().to_string(),
        why: why.to_vec(),
        not_after: issued.certificate.not_after(),
    });
}

/// Returns the pair's key, or `None` if it is unreadable or the request names another algorithm.
fn usable_key(pair: &Pair, algorithm: KeyAlgorithm) -> Option<PrivateKey> {
    let key = PrivateKey::from_pem(pair.key.as_bytes()).ok()?;
    (key.public_key().algorithm() == Some(algorithm)).then_some(key)
}

fn leaf(
    request: &IdentityRequest,
    authority: &CertificateAuthority,
    key: Option<PrivateKey>,
    now: OffsetDateTime,
) -> Result<(Pair, Issued), String> {
    let key = match key {
        Some(key) => key,
        None => PrivateKey::generate(request.key_algorithm).map_err(|error| in_full(&error))?,
    };
    let leaf = LeafRequest {
        subject: request.subject.clone(),
        hosts: request.hosts.clone(),
        usages: request.usages.clone(),
        lifetime: request.lifetime,
        outlives_ca: OutlivesCa::Clamp,
    };
    let issued = authority
        .issue(&leaf, key.public_key(), serial()?, now)
        .map_err(|error| in_full(&error))?;
    let ca = authority.certificate().certificate();
    // A verifier that has only the root CA needs the intermediate.
    let intermediate = if ca.is_self_issued() { String::new() } else { ca.to_pem() };
    let certificate = issued.certificate.to_pem() + &intermediate;
    let pair = Pair { certificate, key: key.to_pem() };
    Ok((pair, issued))
}

async fn create_ca(run: Run<'_>) -> Result<CertificateAuthority, Error> {
    let now = run.now;
    let pair = blocking("the CA certificate", move || root(now)).await?;
    pki::store_ca(&run.cluster.pki, &pair)?;
    let authority = pki::load_authority(&run.cluster.pki)?;
    let certificate = authority.certificate().certificate();
    run.events.event(&Event::CaCreated {
        path: run.cluster.pki.ca_cert.display().to_string(),
        not_after: certificate.not_after(),
        algorithm: certificate.key_algorithm().map_or_else(String::new, |key| key.to_string()),
    });
    Ok(authority)
}

fn root(now: OffsetDateTime) -> Result<Pair, String> {
    let csr = CsrFile::parse(CA_CSR).map_err(|error| in_full(&error))?.value;
    let key = PrivateKey::generate(csr.key).map_err(|error| in_full(&error))?;
    let request = RootRequest { subject: csr.subject, lifetime: CA_LIFETIME, path_len: None };
    let certificate = CertificateAuthority::create(&request, &key, serial()?, now)
        .map_err(|error| in_full(&error))?;
    Ok(Pair { certificate: certificate.to_pem(), key: key.to_pem() })
}

/// Returns a serial number of 20 random bytes. RFC 5280, section 4.1.2.2, requires a positive
/// number of at most 20 octets.
fn serial() -> Result<SerialNumber, String> {
    let mut random = [0; 20];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| "cannot generate random bytes".to_owned())?;
    Ok(SerialNumber::from_random(random))
}

/// Runs `work` on a blocking thread: RSA key generation is slow, and must not delay exchanges with
/// masters.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(made) => made.map_err(|reason| Error::Issue { what, reason }),
        Err(error) => Err(Error::Issue { what, reason: error.to_string() }),
    }
}
