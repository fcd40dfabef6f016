//! Rendering of kubeconfigs, one per API server. Pure.

use kcm_kubeconfig::{
    CertificateSource, ComponentKubeconfig, KeySource, Secret, ServerUrl, path_in_kubeconfig,
};

use super::{Artifact, Content, DesiredError, Identity, artifact};
use crate::artifact::view;
use crate::cluster::layout::{self, Layout, Role};
use crate::cluster::{Cluster, Comparison, CredentialsForm};
use crate::desired::meaning::{EffectiveContent, Reference, embedded_key};
use crate::transport;
use crate::util::files::Bytes;
use crate::util::words::in_full;

/// Kubeconfigs cached by server, because most masters use the same one.
pub(super) struct Kubeconfigs<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) layout: &'a Layout,
    pub(super) identity: Identity<'a>,
    pub(super) ca: Option<&'a str>,
    pub(super) made: Vec<(&'a ServerUrl, Artifact)>,
}

impl<'a> Kubeconfigs<'a> {
    pub(super) fn of(&mut self, server: &'a ServerUrl) -> Result<Artifact, DesiredError> {
        if let Some((_, known)) = self.made.iter().find(|(of, _)| *of == server) {
            return Ok(known.clone());
        }
        let made = kubeconfig(self.cluster, self.layout, server, self.identity, self.ca)?;
        self.made.push((server, made.clone()));
        Ok(made)
    }
}

fn kubeconfig(
    cluster: &Cluster,
    layout: &Layout,
    server: &ServerUrl,
    identity: Identity<'_>,
    ca: Option<&str>,
) -> Result<Artifact, DesiredError> {
    let named = (cluster.credentials == CredentialsForm::Files).then(|| {
        let folder = layout.kubeconfig.parent();
        path_in_kubeconfig(folder.as_ref().map_or("/", |it| it.as_str()), layout.combined.as_str())
    });
    let (certificate, key) = match identity {
        Identity::Pair(pair) => (pair.certificate.as_str(), pair.key.as_str()),
        Identity::OnMasters { certificate, .. } => (certificate, view::STAND_IN_KEY),
        Identity::ToBeIssued(_) => (view::STAND_IN_CERTIFICATE, view::STAND_IN_KEY),
    };
    let document = ComponentKubeconfig {
        cluster: cluster.name.as_str().to_owned(),
        server: server.clone(),
        certificate_authority: embedded(ca.unwrap_or(view::STAND_IN_CERTIFICATE)),
        user: layout::KUBECONFIG_USER.to_owned(),
        client_certificate: match &named {
            Some(path) => CertificateSource::File(path.clone()),
            None => embedded(certificate),
        },
        client_key: match &named {
            Some(path) => KeySource::File(path.clone()),
            None => KeySource::Embedded(Secret::new(key.as_bytes().to_vec())),
        },
        context: layout::KUBECONFIG_CONTEXT.to_owned(),
    };
    let text =
        document.build().map_err(|error| DesiredError::Kubeconfig { reason: in_full(&error) })?;
    let text = text.to_yaml();
    let view = view::kubeconfig(&transport::public_kubeconfig(&text));
    let content = match (identity, ca) {
        (_, Some(_)) if named.is_some() => Content::Known(Bytes::new(text.as_bytes())),
        (Identity::Pair(_), Some(_)) => Content::Known(Bytes::new(text.as_bytes())),
        (Identity::OnMasters { .. }, Some(_)) => Content::AsItIs,
        _ => Content::Pending,
    };
    let by_meaning = layout.compare == Comparison::Semantic;
    let meaning = by_meaning.then(|| EffectiveContent::of_kubeconfig(&text, layout)).flatten();
    let reference = match identity {
        Identity::OnMasters { master: Some(master), .. } => {
            Some(Reference::Kubeconfig { view: view.clone(), key: embedded_key(master) })
        }
        _ => None,
    };
    Ok(Artifact { meaning, reference, ..artifact(layout, Role::Kubeconfig, content, view) })
}

fn embedded(certificate: &str) -> CertificateSource {
    CertificateSource::Embedded(certificate.as_bytes().to_vec())
}
