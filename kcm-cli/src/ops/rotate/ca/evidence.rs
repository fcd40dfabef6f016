//! The facts from which the stage of a rotation of the CA follows.

use std::sync::Arc;
use std::time::Duration;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::{CaCertificate, Certificate, KeyAlgorithm, verify_client_chain};
use time::OffsetDateTime;

use crate::cluster::layout::Role;
use crate::context::Run;
use crate::desired::SIGNS_TOKENS;
use crate::error::Error;
use crate::kube::{ControlPlane, Credentials, PublishedTrust, Via};
use crate::observed::ObservedMaster;
use crate::observed::api_servers::{Asked, every_api_server};
use crate::observed::trust::{self, Accepted};
use crate::ops::sources::Sources;
use crate::pki::ca_files::{CaFiles, with_next};
use crate::pki::identity::with_issuers;
use crate::pki::signer::{CaKeySigner, Signer as _, SigningOrder, accept, new_key};
use crate::pki::{IdentityRequest, Pair};
use crate::preflight::unit_flag;
use crate::util::explanation::Explanation;
use crate::util::files::RemotePath;

/// Flag for the certificate that belongs to the key of signed certificates.
const SIGNS_CERTIFICATES: &str = "cluster-signing-cert-file";
/// Lifetime of a certificate that only shows whether API servers accept its CA.
const PROBE: Duration = Duration::from_secs(3600);

/// The facts.
pub(super) struct Evidence {
    /// The CA files on this machine.
    pub(super) files: CaFiles,
    /// True if the masters have the state that the current files require.
    pub(super) is_in_sync: bool,
    pub(super) masters: Vec<Master>,
    /// The API servers; empty if this machine has no identity to query them with.
    pub(super) servers: Vec<Server>,
    /// Masters of the cluster file that were not observed.
    pub(super) excluded: Vec<String>,
    /// Path of the bundle on the masters.
    pub(super) bundle: RemotePath,
}

/// A master, and the CAs that its files name.
pub(super) struct Master {
    pub(super) name: String,
    /// The CA certificates that the kubeconfig accepts, or the reason why they are unknown.
    pub(super) trusts: Result<Vec<Certificate>, String>,
    /// The CA of the client certificate, if it is one of those of the rotation.
    pub(super) issued_by: Option<CaCertificate>,
    /// Path of the CA key if the deployed service signs tokens with it.
    pub(super) signs_tokens_with: Option<String>,
    /// The CA certificate with which the deployed service signs other certificates.
    pub(super) signs_with: Option<Certificate>,
}

/// An API server and its answer.
pub(super) type Server = Asked<ServerTrust>;

/// The trust of one API server in the CA that a rotation introduces.
#[derive(Clone, Debug)]
pub(super) struct ServerTrust {
    pub(super) published: PublishedTrust,
    /// `Ok` if the server accepts client certificates of the CA, else the reason. `None` if no such
    /// certificate was at hand.
    pub(super) accepts: Option<Result<(), String>>,
    /// `Ok` if the CA verifies the certificate of the server, else the reason.
    pub(super) serves: Result<(), String>,
}

impl Evidence {
    pub(super) async fn collect(
        run: Run<'_>,
        sources: &Sources,
        files: CaFiles,
    ) -> Result<Self, Error> {
        let masters = sources.observed().masters.iter();
        let masters = masters.map(|it| Master::of(run, sources, &files, it)).collect();
        let mut this = Self {
            is_in_sync: sources.is_in_sync(run)?,
            masters,
            servers: Vec::new(),
            excluded: run.cluster.left_out.iter().map(ToString::to_string).collect(),
            bundle: sources.layout().path(Role::Trust).clone(),
            files,
        };
        let target = this.target().filter(|_| this.files.has_bundle).cloned();
        if let Some(target) = target {
            this.servers = servers(run, sources, &this.files, &target).await?;
        }
        Ok(this)
    }

    /// Returns the CA that the rotation introduces. `None` if no rotation is in progress.
    pub(super) fn target(&self) -> Option<&CaCertificate> {
        let Self { files, .. } = self;
        match &files.next {
            Some(next) => Some(next),
            None => self.former().map(|_| &files.current),
        }
    }

    /// Returns the CA that the current one replaced, if this machine or a master still uses it.
    pub(super) fn former(&self) -> Option<&CaCertificate> {
        let trusts = |trust: &[Certificate], ca: &CaCertificate| trust.contains(ca.certificate());
        self.files.former.as_ref().filter(|former| {
            let masters = self.masters.iter().filter_map(|it| it.trusts.as_ref().ok());
            trusts(&self.files.trust, former)
                || masters.into_iter().any(|it| trusts(it, former))
                || self.has_issued(former)
        })
    }

    /// Reports whether the CA has issued the client certificate of any master.
    pub(super) fn has_issued(&self, ca: &CaCertificate) -> bool {
        self.masters.iter().any(|it| it.issued_by.as_ref() == Some(ca))
    }
}

impl Master {
    fn of(run: Run<'_>, sources: &Sources, files: &CaFiles, observed: &ObservedMaster) -> Self {
        let layout = sources.layout();
        let trusts = match trust::accepted(Role::Kubeconfig, observed, layout) {
            Accepted::Nothing => Ok(Vec::new()),
            Accepted::Certificates(all) => Ok(all),
            Accepted::Unknown { file } => Err(format!("kcm does not read {file}")),
        };
        let pem = observed.certificate(sources.inputs().credentials);
        let issued_by = pem.and_then(|pem| {
            let mut known = [Some(&files.current), files.next.as_ref(), files.former.as_ref()]
                .into_iter()
                .flatten();
            known.find(|ca| has_issued(ca, &pem, run.now)).cloned()
        });
        let names = |flag, role| {
            unit_flag(observed, flag).filter(|path| path == layout.path(role).as_str())
        };
        let signs = names(SIGNS_CERTIFICATES, Role::CaCertificate).and_then(|_| {
            let pem = observed.files.of(Role::CaCertificate).text.as_deref()?;
            Certificate::from_pem(pem.as_bytes()).ok()
        });
        Self {
            name: observed.name.clone(),
            trusts,
            issued_by,
            signs_tokens_with: names(SIGNS_TOKENS, Role::CaKey),
            signs_with: signs,
        }
    }
}

/// Reports whether the CA has issued a client certificate, valid or expired.
fn has_issued(ca: &CaCertificate, pem: &str, now: OffsetDateTime) -> bool {
    let Ok((certificate, issuers)) = with_issuers(pem) else { return false };
    let at = now.min(certificate.not_after()).max(certificate.not_before());
    verify_client_chain(&certificate, &issuers, std::slice::from_ref(ca), at).is_ok()
}

async fn servers(
    run: Run<'_>,
    sources: &Sources,
    files: &CaFiles,
    target: &CaCertificate,
) -> Result<Vec<Server>, Error> {
    let inputs = sources.inputs();
    let Some(credentials) = Credentials::of_cluster(run.cluster, inputs.pair.clone())? else {
        return Ok(Vec::new());
    };
    let probe = match (&files.next, &inputs.pair) {
        (Some(_), _) => probe(run, &inputs.request, target).await,
        (None, Some(pair)) => {
            Some(pair.clone()).filter(|it| has_issued(target, &it.certificate, run.now))
        }
        (None, None) => None,
    };
    let probe = probe.map(|pair| credentials.with_pair(pair));
    let own = credentials.trusting(target.certificate().to_pem());
    let ask = |control_plane: Arc<dyn ControlPlane>, url: ServerUrl, via: Via| {
        let [credentials, own] = [&credentials, &own].map(|it| it.at(&url));
        let probe = probe.as_ref().map(|it| it.at(&url));
        async move {
            let published = control_plane.published_trust(&credentials, via.clone()).await?;
            let serves = check(&*control_plane, &own, via.clone()).await;
            let accepts = match &probe {
                Some(probe) => Some(check(&*control_plane, probe, via).await),
                None => None,
            };
            Ok(ServerTrust { published, accepts, serves })
        }
    };
    Ok(every_api_server(run, ask, |answer| &answer.published.servers).await)
}

async fn check(
    control_plane: &dyn ControlPlane,
    credentials: &Credentials,
    via: Via,
) -> Result<(), String> {
    let checked = async { control_plane.open(credentials, via).await?.check_identity().await };
    // The finding names its own fix.
    checked.await.map(drop).map_err(|error| Explanation::parse(&error.problem.to_string()).problem)
}

/// Issues a client certificate of the next CA in memory, to see which API servers accept it. `None`
/// if the key of that CA is not on this machine.
async fn probe(run: Run<'_>, request: &IdentityRequest, next: &CaCertificate) -> Option<Pair> {
    let pki = with_next(&run.cluster.pki);
    if pki.signer.is_some() || pki.ca_key.is_none() {
        return None;
    }
    let signer = CaKeySigner::new(pki, None);
    let request = IdentityRequest {
        key_algorithm: KeyAlgorithm::EcdsaP256,
        lifetime: PROBE,
        renew_before: Duration::ZERO,
        ..request.clone()
    };
    let key = new_key(request.key_algorithm).await.ok()?;
    let order = SigningOrder::new(request, &key, run.now).ok()?;
    let issued = accept(&order, &signer.sign(&order).await.ok()?, next).ok()?;
    Some(Pair { certificate: issued.to_pem(), key: key.to_pem() })
}
