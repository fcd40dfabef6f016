//! What is there: on the masters, asked all at once in one exchange each, and on the operator's machine.
//! Nothing in an [`Observed`] is secret.

pub(crate) mod accounts;
mod ask;
pub(crate) mod effective;
mod error;
mod held;
mod links;
pub(crate) mod trust;
mod uptake;

use std::borrow::Cow;
use std::collections::HashMap;

use kcm_kubeconfig::Access;
use kcm_pki::Fingerprint;
use serde::Serialize;
use time::OffsetDateTime;

use crate::artifact::DesiredService;
use crate::artifact::generation::{Generations, Slot};
use crate::artifact::uptake::Uptake;
use crate::artifact::view::{self, client_certificate, embedded};
use crate::cluster::CredentialsForm;
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::observed::accounts::Accounts;
use crate::observed::effective::EffectiveUnit;
use crate::pki::identity::{HeldIdentity, IdentityFacts, NotHeld, Reason};
use crate::pki::{Ca, Inputs};
use crate::transport::{FoundUnit, PathState, ProbeReply, UntrustedFolder, View};
use crate::util::files::RemotePath;
use ask::{ask, questions};
use held::{held_identity, operator_facts, operator_identity};

pub(crate) use ask::{Beside, Inspects, Seen, beside_managed, look_at, look_beside, signing_files};
pub use error::{AskError, ObserveError};

/// Everything that was seen, in the cluster file's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The operator's pair, or why it is no use.
    #[serde(serialize_with = "operator_identity")]
    pub operator: Result<Option<IdentityFacts>, Reason>,
    /// The masters.
    pub masters: Vec<ObservedMaster>,
}

/// What was seen on one master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedMaster {
    /// Its name.
    pub name: String,
    /// Paths, unit, processes; `paths` in the order of [`ObservedFiles`].
    pub probe: ProbeReply,
    /// The managed files.
    pub files: ObservedFiles,
    /// The identity in its certificate file, if that can be read.
    pub identity: Option<IdentityFacts>,
    /// The reason why it holds no identity.
    #[serde(skip)]
    pub(crate) not_held: NotHeld,
    /// Whether the service uses the credentials file that the kubeconfig names; none where it names none, or nothing runs.
    pub uptake: Option<Uptake>,
    /// The files from which systemd loads the unit.
    #[serde(skip)]
    pub(crate) found_unit: FoundUnit,
    /// The unit as systemd runs it; none where there is no unit.
    #[serde(skip)]
    pub(crate) effective: Option<EffectiveUnit>,
    /// What it had before its last changes.
    pub generations: Generations,
    /// What is wrong with the notes of that.
    pub notes: Vec<String>,
    /// Folders on the way to the managed files that somebody else can change.
    pub untrusted_folders: Vec<UntrustedFolder>,
    /// What kcm keeps there for itself: notes, and folders with files of earlier generations.
    pub own: Vec<(RemotePath, PathState)>,
    /// Other files that flags name, as far as they were asked for.
    #[serde(skip)]
    pub(crate) others: Vec<(RemotePath, PathState)>,
    /// What was seen of the files of signers: certificates, and digests of the public parts of keys.
    #[serde(skip)]
    pub(crate) signing: Vec<(RemotePath, View, String)>,
    /// What links lead to, by the links.
    #[serde(skip)]
    pub(crate) behind: Vec<(RemotePath, ObservedFile)>,
}

/// The files of a master that kcm manages or asks about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedFiles {
    /// The certificate, with its PEM text.
    pub certificate: ObservedFile,
    /// The key: its digest alone.
    pub key: ObservedFile,
    /// Certificate and key in one file: the certificate's PEM text.
    pub combined: ObservedFile,
    /// What is served with, with its certificate as PEM.
    pub serving: ObservedFile,
    /// The kubeconfig: its public lines.
    pub kubeconfig: ObservedFile,
    /// The unit, with its text.
    pub unit: ObservedFile,
    /// The CA's certificate, with its PEM text.
    pub ca_certificate: ObservedFile,
    /// The CA's key: its digest alone.
    pub ca_key: ObservedFile,
    /// The CA certificates that clients accept, with their PEM text.
    pub trust: ObservedFile,
    /// kube-controller-manager itself: its digest alone.
    pub binary: ObservedFile,
}

impl ObservedMaster {
    /// The identity that it holds, or the reason why it holds none.
    pub(crate) fn held(&self) -> HeldIdentity<'_> {
        HeldIdentity { master: &self.name, facts: self.identity.as_ref().ok_or(&self.not_held) }
    }

    /// The certificate of the identity that it holds, as PEM, by where the cluster file has it.
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

    /// What was seen of the certificate or the key of a signer, also behind a link; nothing of what is no file.
    pub(crate) fn signs_with(&self, path: &RemotePath, view: View) -> Option<&str> {
        let seen = self.signing.iter().find(|(at, by, _)| (at, *by) == (path, view));
        let behind = || self.behind.iter().find(|(link, _)| link == path);
        let text = seen.map(|(_, _, text)| text.as_str());
        text.or_else(|| behind()?.1.text.as_deref())
    }

    /// The file at a path, or the file that a link there leads to.
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

    /// A digest by which its keys can be told apart; nothing where there is none.
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

    /// Whether the kubeconfig there names the file with certificate and key.
    pub(crate) fn names_credentials(&self, layout: &Layout) -> bool {
        let public = self.files.kubeconfig.text.as_deref();
        public.and_then(client_certificate).is_some_and(|path| layout.is_combined(&path))
    }

    /// What interrupted runs left: folders with staged files, and with files that no note names.
    pub(crate) fn leftovers(&self) -> impl Iterator<Item = &RemotePath> {
        let orphans = self.own.iter().filter(|(path, state)| {
            let slot = Slot::of_folder(path).filter(|_| *state != PathState::Absent);
            // A note that cannot be read may name them.
            self.notes.is_empty() && slot.is_some_and(|slot| !self.generations.name(slot))
        });
        self.probe.leftovers.iter().chain(orphans.map(|(path, _)| path))
    }
}

impl ObservedFiles {
    /// The file of this role.
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
            Role::Kubeconfig => &self.kubeconfig,
            Role::Binary => &self.binary,
            Role::Unit => &self.unit,
        }
    }
}

/// One file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedFile {
    /// What is at its path.
    pub state: PathState,
    /// What may be seen of its content.
    pub text: Option<String>,
}

impl ObservedFile {
    /// The first certificate in it.
    pub(crate) fn leaf(&self) -> Option<Fingerprint> {
        view::leaf(self.text.as_deref()?.as_bytes())
    }
}

/// Asks all masters at once and looks at the operator's pair.
///
/// # Errors
/// When a master cannot be observed: with every such master, after all have been asked.
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
    /// Masters as they were seen, their identities judged.
    pub(crate) fn of(
        mut masters: Vec<ObservedMaster>,
        inputs: &Inputs,
        now: OffsetDateTime,
    ) -> Self {
        let ca = match &inputs.ca {
            Ca::Present(ca) => Some(ca),
            Ca::ToBeCreated => None,
        };
        // Usually one certificate is on all masters: it is verified once.
        let mut known: HashMap<String, Result<IdentityFacts, String>> = HashMap::new();
        for master in &mut masters {
            let held = held_identity(master, inputs.credentials, |pem| {
                let judge = || IdentityFacts::of_certificate(pem, ca, &inputs.request, now);
                known.entry(pem.to_owned()).or_insert_with(judge).clone()
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

/// Asks all masters at once, and judges no identity.
///
/// # Errors
/// When a master cannot be observed: with every such master, after all have been asked.
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

/// All answers, or all errors.
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
