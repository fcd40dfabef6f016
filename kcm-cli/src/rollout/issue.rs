//! Issuing of the CA and the certificates. Stores them on this machine before any master changes.

use kcm_pki::{CaCertificate, CaRequest, CertificateAuthority, CsrFile, PrivateKey};
use time::OffsetDateTime;

use crate::artifact::view;
use crate::cluster::layout::{CERTIFICATE, Role, SERVING};
use crate::context::Run;
use crate::error::Error;
use crate::event::Event;
use crate::pki::identity::{Decision, Held, Reason};
use crate::pki::signer::{
    SignedCertificate, Signer, SignerError, SigningOrder, accept, blocking, configured_signer,
    new_key, no_prompt, serial,
};
use crate::pki::{self, CA_LIFETIME, Ca, IdentityRequest, Inputs, Pair, Serving};
use crate::plan::Plan;
use crate::plan::choose::Decisions;
use crate::util::files::Bytes;
use crate::util::words::in_full;

/// Names of the certificates in errors.
const CLIENT: &str = "the client certificate";
const SERVED: &str = "the serving certificate";
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

/// Checks that the signer can be used and the CA key can be uploaded, if the plan needs them, so
/// that a missing CA key or command fails before any change.
pub(crate) async fn check_signer(run: Run<'_>, plan: &Plan, inputs: &Inputs) -> Result<(), Error> {
    // A key that exists was loaded with the inputs.
    if plan.writes(Role::CaKey) && !plan.creates_ca && inputs.ca_key.is_none() {
        pki::load_authority(&run.cluster.pki, &no_prompt)?;
    }
    if !plan.issues() || plan.creates_ca {
        return Ok(());
    }
    let what = if issues(plan.identity.as_ref()) { CLIENT } else { SERVED };
    let default = default_signer(run);
    let signer = run.signer.unwrap_or(&*default);
    signer.check().await.map_err(|error| Error::of_signer(what, error))
}

/// Returns the signer of the cluster file, without prompts.
fn default_signer(run: Run<'_>) -> Box<dyn Signer> {
    configured_signer(run.cluster, None)
}

fn issues(decision: Option<&Decision>) -> bool {
    matches!(decision, Some(Decision::Issue { .. }))
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
    let ca = match &inputs.ca {
        Ca::Present(ca) => ca.clone(),
        Ca::ToBeCreated => create_ca(run).await?,
    };
    let default = default_signer(run);
    let signer = run.signer.unwrap_or(&*default);
    let signing = Signing { run, signer, ca: &ca, same_key };
    let (client, client_pair) = (Some(&inputs.request), inputs.pair.as_ref());
    let identity = signing.new_pair(CLIENT, plan.identity.as_ref(), client, client_pair).await?;
    let (request, old) = match &inputs.serving {
        Some(Serving { request, pair, .. }) => (Some(request), pair.as_ref()),
        None => (None, None),
    };
    let serving = signing.new_pair(SERVED, plan.serving.as_ref(), request, old).await?;
    // Nothing is stored yet.
    if run.interrupt.is_requested() {
        return Err(Error::Interrupted);
    }
    if let Some(new) = &identity {
        pki::store_identity(pki, inputs.pair.as_ref(), &new.pair)?;
        new.report(run, CERTIFICATE);
    }
    if let Some(new) = &serving {
        pki::store_serving(pki, old, &new.pair)?;
        new.report(run, SERVING);
    }
    let ca_key = match &inputs.ca_key {
        None if run.cluster.install.distribute_ca && run.cluster.uses_ca_key() => {
            pki::ca_key_to_distribute(pki)?
        }
        known => known.clone(),
    };
    let pair = |new: Option<NewPair<'_>>| new.map(|new| new.pair);
    Ok(Some(Fresh { identity: pair(identity), serving: pair(serving), ca, ca_key }))
}

/// The signer and the CA of new certificates.
#[derive(Clone, Copy)]
struct Signing<'a> {
    run: Run<'a>,
    signer: &'a dyn Signer,
    ca: &'a CaCertificate,
    /// True if a new certificate reuses the existing key.
    same_key: bool,
}

/// A new pair that is not stored yet.
struct NewPair<'p> {
    pair: Pair,
    why: &'p [Reason],
    signed: SignedCertificate,
}

impl Signing<'_> {
    /// Lets the signer issue a new pair if `decision` requires one.
    async fn new_pair<'p>(
        self,
        what: &'static str,
        decision: Option<&'p Decision>,
        request: Option<&IdentityRequest>,
        old: Option<&Pair>,
    ) -> Result<Option<NewPair<'p>>, Error> {
        let (Some(Decision::Issue { why }), Some(request)) = (decision, request) else {
            return Ok(None);
        };
        let kept = old.filter(|_| self.same_key).and_then(|pair| usable_key(pair, request));
        let made = async {
            let key = match kept {
                Some(key) => key,
                None => new_key(request.key_algorithm).await?,
            };
            let order = SigningOrder::new(request.clone(), &key, self.run.now)?;
            let signed = accept(&order, &self.signer.sign(&order).await?, self.ca)?;
            Ok::<_, SignerError>((key, signed))
        };
        let (key, signed) = tokio::select! {
            made = made => made.map_err(|error| Error::of_signer(what, error))?,
            () = self.run.interrupt.asked() => return Err(Error::Interrupted),
        };
        let pair = Pair { certificate: signed.to_pem(), key: key.to_pem() };
        Ok(Some(NewPair { pair, why, signed }))
    }
}

impl NewPair<'_> {
    fn report(&self, run: Run<'_>, file: &str) {
        for text in self.signed.warnings(run.now) {
            run.events.event(&Event::Warning { text });
        }
        let path = run.cluster.pki.directory.join(file);
        run.events.event(&Event::IdentityIssued {
            path: path.display().to_string(),
            why: self.why.to_vec(),
            not_after: self.signed.certificate().not_after(),
        });
    }
}

/// Returns the pair's key, or `None` if it is unreadable or the request names another algorithm.
fn usable_key(pair: &Pair, request: &IdentityRequest) -> Option<PrivateKey> {
    let key = PrivateKey::from_pem(pair.key.as_bytes()).ok()?;
    (key.public_key().algorithm() == Some(request.key_algorithm)).then_some(key)
}

async fn create_ca(run: Run<'_>) -> Result<CaCertificate, Error> {
    let now = run.now;
    let failed = |error| Error::of_signer("the CA certificate", error);
    let pair = blocking(move || root(now)).await.map_err(failed)?;
    pki::store_ca(&run.cluster.pki, &pair)?;
    let ca = CaCertificate::load(pair.certificate.as_bytes());
    let ca = ca.map_err(|error| failed(SignerError::Crypto { reason: in_full(&error) }))?;
    let certificate = ca.certificate();
    run.events.event(&Event::CaCreated {
        path: run.cluster.pki.ca_cert.display().to_string(),
        not_after: certificate.not_after(),
        algorithm: certificate.key_algorithm().map_or_else(String::new, |key| key.to_string()),
    });
    Ok(ca)
}

fn root(now: OffsetDateTime) -> Result<Pair, SignerError> {
    let failed = |error: &dyn std::error::Error| SignerError::Crypto { reason: in_full(error) };
    let csr = CsrFile::parse(CA_CSR).map_err(|error| failed(&error))?.value;
    let key = PrivateKey::generate(csr.key).map_err(|error| failed(&error))?;
    let request = CaRequest { subject: csr.subject, lifetime: CA_LIFETIME, path_len: None };
    let certificate = CertificateAuthority::create(&request, &key, serial()?, now)?;
    Ok(Pair { certificate: certificate.to_pem(), key: key.to_pem() })
}
