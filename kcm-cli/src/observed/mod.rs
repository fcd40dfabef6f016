//! Observes the state of the masters, in one exchange each, and of the operator's machine.
//!
//! Nothing in an [`Observed`] is secret.

pub(crate) mod accounts;
pub(crate) mod api_servers;
mod ask;
mod certificate_reload;
pub(crate) mod effective;
mod error;
mod held;
mod links;
pub(crate) mod token_keys;
pub(crate) mod trust;

use std::borrow::Cow;
use std::collections::HashMap;

use kcm_kubeconfig::Access;
use kcm_pki::Fingerprint;
use serde::Serialize;
use time::OffsetDateTime;

use crate::artifact::DesiredService;
use crate::artifact::certificate_reload::CertificateReload;
use crate::artifact::generation::{Generations, Slot};
use crate::artifact::view::{self, client_certificate, embedded};
use crate::cluster::CredentialsForm;
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::observed::accounts::Accounts;
use crate::observed::effective::EffectiveUnit;
use crate::pki::Inputs;
use crate::pki::identity::{HeldIdentity, IdentityFacts, NotHeld, Reason};
use crate::transport::{FoundUnit, PathState, ProbeReply, UntrustedFolder, View};
use crate::util::files::RemotePath;
use ask::{ask, questions};
use held::{held_identity, operator_facts, operator_identity};

pub(crate) use ask::{
    Beside, Inspects, Seen, beside_managed, look_at, look_beside, processes, read_on, signing_files,
};
pub use error::{AskError, ObserveError};

/// The observed state of all masters, in the cluster file's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Observed {
    /// Time of the observation.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The operator's pair, or the reason why it cannot be used.
    #[serde(serialize_with = "operator_identity")]
    pub operator: Result<Option<IdentityFacts>, Reason>,
    /// The masters.
    pub masters: Vec<ObservedMaster>,
}

/// The observed state of one master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObservedMaster {
    /// Name of the master.
    pub name: String,
    /// Reply to the probe: paths, unit and processes. Its `paths` start in the order of
    /// [`ObservedFiles`].
    pub probe: ProbeReply,
    /// The managed files.
    pub files: ObservedFiles,
    /// The identity that the master holds, if its certificate and key are usable.
    pub identity: Option<IdentityFacts>,
    /// The reason why the master holds no identity.
    #[serde(skip)]
    pub(crate) not_held: NotHeld,
    /// Certificate reload of the service. `None` if the kubeconfig names no credentials file, the
    /// service is not running, or the reload was not evaluated.
    pub certificate_reload: Option<CertificateReload>,
    /// The files from which systemd loads the unit.
    #[serde(skip)]
    pub(crate) found_unit: FoundUnit,
    /// The effective unit. `None` if the unit does not exist.
    #[serde(skip)]
    pub(crate) effective: Option<EffectiveUnit>,
    /// The former generations that the master keeps.
    pub generations: Generations,
    /// Problems of the notes about former generations.
    pub notes: Vec<String>,
    /// Directories above the managed files that another user can change.
    pub untrusted_folders: Vec<UntrustedFolder>,
    /// Files of kcm itself: notes, and directories with files of former generations.
    pub own: Vec<(RemotePath, PathState)>,
    /// Other files that flags name, if the observation includes them.
    #[serde(skip)]
    pub(crate) others: Vec<(RemotePath, PathState)>,
    /// Views of the signers' files: certificates, and digests of the public parts of keys.
    #[serde(skip)]
    pub(crate) signing: Vec<(RemotePath, View, String)>,
    /// Targets of symbolic links, each with the path of the link.
    #[serde(skip)]
    pub(crate) behind: Vec<(RemotePath, ObservedFile)>,
}

/// The managed files of a master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObservedFiles {
    /// The certificate, with its PEM text.
    pub certificate: ObservedFile,
    /// The key. Only its digest is observed.
    pub key: ObservedFile,
    /// The file that holds both certificate and key, with the PEM text of the certificate.
    pub combined: ObservedFile,
    /// The serving pair, with the PEM text of its certificate.
    pub serving: ObservedFile,
    /// The key that signs service account tokens. Only its digest is observed.
    pub service_account_key: ObservedFile,
    /// The public keys of service account tokens. Only the digest of the file is observed.
    pub service_account_public_keys: ObservedFile,
    /// The kubeconfig, with its public lines.
    pub kubeconfig: ObservedFile,
    /// The unit, with its text.
    pub unit: ObservedFile,
    /// The CA's certificate, with its PEM text.
    pub ca_certificate: ObservedFile,
    /// The CA's key. Only its digest is observed.
    pub ca_key: ObservedFile,
    /// The trust bundle, with its PEM text.
    pub trust: ObservedFile,
    /// The kube-controller-manager binary. Only its digest is observed.
    pub binary: ObservedFile,
}

impl ObservedMaster {
    /// Returns the identity that the master holds, or the reason why it holds none.
    pub(crate) fn held(&self) -> HeldIdentity<'_> {
        HeldIdentity { master: &self.name, facts: self.identity.as_ref().ok_or(&self.not_held) }
    }

    /// Returns the certificate of the master's identity as PEM, from the file that `form` implies.
    pub(crate) fn certificate(&self, form: CredentialsForm) -> Option<Cow<'_, str>> {
        match form {
            CredentialsForm::EmbeddedOnly => {
                let pem = embedded(self.files.kubeconfig.text.as_deref()?)?;
                String::from_utf8(pem).ok().map(Cow::Owned)
            }
            CredentialsForm::Embedded | CredentialsForm::Files => {
                self.files.certificate.text.as_deref().map(Cow::Borrowed)
            }
        }
    }

    /// Returns the view of a signer's certificate or key, following links. `None` unless the path
    /// is a readable file.
    pub(crate) fn signs_with(&self, path: &RemotePath, view: View) -> Option<&str> {
        let seen = self.signing.iter().find(|(at, by, _)| (at, *by) == (path, view));
        let behind = || self.behind.iter().find(|(link, _)| link == path);
        let text = seen.map(|(_, _, text)| text.as_str());
        text.or_else(|| behind()?.1.text.as_deref())
    }

    /// Returns the state and text of a path, or those of the target if the path is a link.
    pub(crate) fn followed<'a>(
        &'a self,
        path: &RemotePath,
        state: &'a PathState,
        text: Option<&'a str>,
    ) -> (&'a PathState, Option<&'a str>) {
        match self.behind.iter().find(|(link, _)| link == path) {
            Some((_, file)) => (&file.state, file.text.as_deref()),
            None => (state, text),
        }
    }

    /// Returns a digest that identifies the master's key. `None` if the master has no key.
    fn key(&self, form: CredentialsForm) -> Option<Fingerprint> {
        match (form, &self.files.key.state) {
            (CredentialsForm::EmbeddedOnly, _) => {
                let access = Access::of_public_view(self.files.kubeconfig.text.as_deref()?).ok()?;
                access.key_digest().map(|digest| Fingerprint::of(digest.as_bytes()))
            }
            (_, PathState::File { digest, .. }) => Some(*digest),
            _ => None,
        }
    }

    /// Reports whether the master's kubeconfig names the combined credentials file.
    pub(crate) fn names_credentials(&self, layout: &Layout) -> bool {
        let public = self.files.kubeconfig.text.as_deref();
        public.and_then(client_certificate).is_some_and(|path| layout.is_combined(&path))
    }

    /// Returns the leftovers of interrupted runs: directories with staged files, and slots that no
    /// note names.
    pub(crate) fn leftovers(&self) -> impl Iterator<Item = &RemotePath> {
        let orphans = self.own.iter().filter(|(path, state)| {
            let slot = Slot::of_folder(path).filter(|_| *state != PathState::Absent);
            // An unreadable note may name them.
            self.notes.is_empty() && slot.is_some_and(|slot| !self.generations.name(slot))
        });
        self.probe.leftovers.iter().chain(orphans.map(|(path, _)| path))
    }
}

impl ObservedFiles {
    /// Returns the file of a role.
    #[must_use]
    pub fn of(&self, role: Role) -> &ObservedFile {
        match role {
            Role::CaCertificate => &self.ca_certificate,
            Role::CaKey => &self.ca_key,
            Role::Trust => &self.trust,
            Role::Certificate => &self.certificate,
            Role::Key => &self.key,
            Role::Combined => &self.combined,
            Role::Serving => &self.serving,
            Role::ServiceAccountKey => &self.service_account_key,
            Role::ServiceAccountPublicKeys => &self.service_account_public_keys,
            Role::Kubeconfig => &self.kubeconfig,
            Role::Binary => &self.binary,
            Role::Unit => &self.unit,
        }
    }
}

/// The observed state of one file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObservedFile {
    /// State of the path.
    pub state: PathState,
    /// The part of the content that is not secret, if it was read.
    pub text: Option<String>,
}

impl ObservedFile {
    /// Returns the fingerprint of the first certificate in the file.
    pub(crate) fn leaf(&self) -> Option<Fingerprint> {
        view::leaf(self.text.as_deref()?.as_bytes())
    }
}

/// Observes all masters concurrently, and evaluates the operator's pair.
///
/// # Errors
/// All masters that cannot be observed, after all have been queried.
pub(crate) async fn observe(
    run: Run<'_>,
    layout: &Layout,
    accounts: &Accounts,
    inputs: &Inputs,
    services: &[DesiredService],
) -> Result<Observed, ObserveError> {
    let others = beside_managed(layout, services);
    let reads_program = inputs.binary.is_some();
    let signing = signing_files(layout, services);
    let beside = Beside { reads_program, others, signing, ..Beside::default() };
    let observed = look_further(run.fleet, layout, accounts, beside).await?;
    let observed = Observed::of(observed, inputs, run.now);
    for master in &observed.masters {
        run.events.event(&Event::Observed { master: master.name.clone() });
    }
    Ok(observed)
}

impl Observed {
    /// Evaluates the identities of masters that were observed.
    pub(crate) fn of(
        mut masters: Vec<ObservedMaster>,
        inputs: &Inputs,
        now: OffsetDateTime,
    ) -> Self {
        let ca = inputs.ca.present();
        // Usually all masters hold the same certificate, so it is verified once.
        let mut known: HashMap<String, Result<IdentityFacts, String>> = HashMap::new();
        for master in &mut masters {
            let held = held_identity(master, inputs.credentials, |pem| {
                let evaluate = || IdentityFacts::of_certificate(pem, ca, &inputs.request, now);
                known.entry(pem.to_owned()).or_insert_with(evaluate).clone()
            });
            match held {
                Ok(facts) => master.identity = Some(facts),
                Err(why) => master.not_held = why,
            }
        }
        let operator = operator_facts(inputs, &inputs.request, now);
        Self { at: now, operator, masters }
    }
}

/// Observes all masters concurrently, without evaluating identities.
///
/// # Errors
/// All masters that cannot be observed, after all have been queried.
pub(crate) async fn look(
    fleet: &Fleet,
    layout: &Layout,
    accounts: &Accounts,
) -> Result<Vec<ObservedMaster>, ObserveError> {
    let beside = Beside { reads_program: true, ..Beside::default() };
    look_further(fleet, layout, accounts, beside).await
}

async fn look_further(
    fleet: &Fleet,
    layout: &Layout,
    accounts: &Accounts,
    beside: Beside,
) -> Result<Vec<ObservedMaster>, ObserveError> {
    let (batch, beside) = (&questions(layout, accounts, &beside), &beside);
    let answers = fleet.each(async |(name, transport)| {
        let seen = ask(name, &**transport, layout, batch, beside).await;
        seen.map(|seen| seen.master)
    });
    let answers = fleet.masters().zip(answers.await);
    answered(fleet, answers.map(|((name, _), ended)| AskError::of_task(name, ended)))
}

/// Returns all observed masters, or all errors.
fn answered(
    fleet: &Fleet,
    answers: impl Iterator<Item = Result<ObservedMaster, AskError>>,
) -> Result<Vec<ObservedMaster>, ObserveError> {
    let names = fleet.masters().map(|(name, _)| name.to_owned());
    let (mut observed, mut asked) = (Vec::new(), Vec::new());
    for (name, answer) in names.zip(answers) {
        match answer {
            Ok(master) => {
                observed.push(master);
                asked.push((name, None));
            }
            Err(error) => asked.push((name, Some(error))),
        }
    }
    let all_answered = asked.iter().all(|(_, error)| error.is_none());
    if all_answered { Ok(observed) } else { Err(ObserveError { masters: asked }) }
}
