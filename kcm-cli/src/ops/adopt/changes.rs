//! Differences between the observed units and flags and those that kcm renders, as settings of the
//! cluster file. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kcm_systemd::{EffectiveService, Hardening, Surroundings, UnitFile};

use super::AdoptError;
use super::choices::{Choices, FlagChoice};
use super::findings::{Findings, Share};
use super::look::Found;
use crate::artifact::view;
use crate::cluster::layout::{Layout, Role};
use crate::cluster::{Cluster, Master, OWN_KEY};
use crate::desired::{Content, Desired, Identity, Materials, desired, flags};

type Settings = BTreeMap<(String, String), Vec<String>>;

/// Detects settings that kcm renders itself: its sandbox, and the serving certificate that it
/// issues.
pub(super) fn own_forms(
    choices: &mut Choices,
    found: &[Found],
    plain: Cluster,
    parsed: impl Fn(&Choices) -> Result<Cluster, AdoptError>,
) -> Result<Cluster, AdoptError> {
    let layout = layout_of(&plain)?;
    let serves = |master: &Found| {
        let is_ours = |flag| master.flag(flag) == Some(layout.serving.as_str());
        is_ours("tls-cert-file") && is_ours("tls-private-key-file")
    };
    choices.serving = found.iter().all(serves);
    let directives: Vec<_> = Hardening::Strict.directives().collect();
    let strict: Vec<_> = directives.iter().map(ToString::to_string).collect();
    let text = format!("[Service]\nExecStart=/bin/x\n{}\n", strict.join("\n"));
    let around = Surroundings::of(layout.unit.clone());
    let strict = EffectiveService::of(&UnitFile::parse(&text), &around);
    let mut strict: Settings = strict.map(|meaning| meaning.settings).unwrap_or_default();
    strict.retain(|(_, key), _| directives.iter().any(|it| it.key.as_str() == key));
    let is_strict = |master: &Found| {
        let mut all = strict.iter();
        all.all(|(name, values)| master.meaning.settings.get(name) == Some(values))
    };
    choices.is_strict = !strict.is_empty() && found.iter().all(is_strict);
    if choices.serving || choices.is_strict { parsed(choices) } else { Ok(plain) }
}

/// Sets the account and the directives in which the observed units differ from the unit that kcm
/// renders.
pub(super) fn directives(
    choices: &mut Choices,
    found: &[Found],
    plain: &Cluster,
    findings: &mut Findings<'_>,
) -> Result<(), AdoptError> {
    let layout = layout_of(plain)?;
    let stand_in = view::STAND_IN_CERTIFICATE;
    let written = rendered(plain, &layout, stand_in, stand_in);
    let written = written.and_then(|desired| units(&desired).next()).unwrap_or_default();
    let around = Surroundings::of(layout.unit.clone());
    let ours: Settings = EffectiveService::of(&UnitFile::parse(written), &around)
        .map(|meaning| meaning.settings)
        .unwrap_or_default();
    let theirs = common_settings(found, findings);
    let single = |key: &str| {
        let values = theirs.get(&("Service".to_owned(), key.to_owned()))?;
        values.last().cloned()
    };
    (choices.user, choices.group) = (single("User"), single("Group"));
    if choices.user.is_none() {
        choices.group = None;
    }
    for (name, values) in &theirs {
        let is_account = name.0 == "Service" && matches!(name.1.as_str(), "User" | "Group");
        if is_account || ours.get(name) == Some(values) {
            continue;
        }
        let replaces = ours.contains_key(name) && name.0 == "Install";
        let values = replaces.then(String::new).into_iter().chain(values.iter().cloned());
        choices.directives.push((name.0.clone(), name.1.clone(), values.collect()));
    }
    // kcm adds a missing [Install] section, without which a unit cannot be enabled. `kcm plan`
    // shows it.
    Ok(())
}

/// Returns the settings that most masters have. Commands run as root on each master, so they are
/// adopted only if all masters have them.
fn common_settings(found: &[Found], findings: &mut Findings<'_>) -> Settings {
    let names = found.iter().flat_map(|master| master.meaning.settings.keys());
    let names: BTreeSet<_> = names.collect();
    let of_name = |name: &(String, String)| {
        let what = format!("{}= in [{}] of the unit", name.1, name.0);
        let share = if name.1.starts_with("Exec") { Share::All } else { Share::Most };
        let of = |master: &Found| master.meaning.settings.get(name).cloned();
        let agreed = findings.agree(&what, share, of, |values| values.join(" | "));
        Some((name.clone(), agreed.ok().flatten()?))
    };
    names.into_iter().filter_map(of_name).collect()
}

/// Sets the flags in which the masters differ from those that kcm renders. Flags that only kcm
/// renders are removed.
pub(super) fn set_flags(
    choices: &mut Choices,
    found: &[Found],
    plain: &Cluster,
    findings: &mut Findings<'_>,
) -> Result<(), AdoptError> {
    let layout = layout_of(plain)?;
    let mut changes: Vec<BTreeMap<String, Option<String>>> = Vec::new();
    for (master, planned) in found.iter().zip(&plain.masters) {
        let planned = Master { flags: Vec::new(), ..planned.clone() };
        let ours = flags(plain, &layout, &planned).map_err(|reason| AdoptError::Unit {
            master: master.name.clone(),
            path: master.unit_file.to_string(),
            why: reason.into(),
        })?;
        let theirs = &master.meaning.flags;
        let mut of_master = BTreeMap::new();
        for (name, value) in theirs.iter() {
            let name = name.as_str();
            if ours.get(name) != Some(value) && !has_key_of_its_own(name) {
                of_master.insert(name.to_owned(), Some(value.to_owned()));
            }
        }
        for (name, _) in ours.iter().filter(|(name, _)| theirs.get(name.as_str()).is_none()) {
            if name.as_str() != "kubeconfig" {
                of_master.insert(name.to_string(), None);
            }
        }
        changes.push(of_master);
    }
    let Some(first) = changes.first().cloned() else { return Ok(()) };
    let common = |name: &str, value: &Option<String>| {
        changes.iter().all(|of_master| of_master.get(name) == Some(value))
    };
    let (shared, _): (Vec<FlagChoice>, Vec<_>) =
        first.into_iter().partition(|(name, value)| common(name, value));
    for (of_master, choice) in changes.iter().zip(&mut choices.masters) {
        let own = of_master.iter().filter(|(name, value)| !common(name, value));
        choice.flags = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    for choice in &choices.masters {
        let names: Vec<_> = choice.flags.iter().map(|(name, _)| format!("--{name}")).collect();
        if !names.is_empty() {
            findings.own_flags(&choice.name, &names.join(", "));
        }
    }
    choices.flags = shared;
    Ok(())
}

/// Reports whether the cluster file has a separate key for a flag. The masters are compared there
/// already.
fn has_key_of_its_own(flag: &str) -> bool {
    flag == "kubeconfig" || OWN_KEY.iter().any(|(own, _)| *own == flag)
}

fn layout_of(cluster: &Cluster) -> Result<Layout, AdoptError> {
    Layout::of(&cluster.install).map_err(|error| AdoptError::Request(error.to_string().into()))
}

/// Renders the artifacts of kcm, with this certificate and the masters' key.
fn rendered(cluster: &Cluster, layout: &Layout, identity: &str, ca: &str) -> Option<Desired> {
    let materials = Materials {
        identity: Identity::OnMasters { certificate: identity, master: None },
        serving: None,
        ca: Some(ca),
        trust: None,
        token_key: None,
        ca_key: None,
        binary: None,
    };
    desired(cluster, layout, &[], materials).ok()
}

/// Returns the unit of each master.
fn units(desired: &Desired) -> impl Iterator<Item = String> {
    desired.masters.iter().map(|master| {
        let mut artifacts = master.artifacts.iter();
        match artifacts.find(|artifact| artifact.role == Role::Unit).map(|unit| &unit.content) {
            Some(Content::Known(bytes)) => String::from_utf8_lossy(bytes.expose()).into_owned(),
            _ => String::new(),
        }
    })
}

/// Reports whether units and kubeconfigs are byte for byte those that kcm writes, apart from the
/// private key.
pub(super) fn is_written_as_kcm_writes(
    cluster: &Cluster,
    found: &[Found],
    identity: Option<&str>,
    ca: &str,
) -> bool {
    let layout = layout_of(cluster).ok();
    let Some((layout, identity)) = layout.zip(identity) else { return false };
    let Some(desired) = rendered(cluster, &layout, identity, ca) else { return false };
    let are_units =
        units(&desired).zip(found).all(|(unit, found)| found.effective.only_text() == Some(&*unit));
    let kubeconfigs = desired.masters.iter().filter_map(|master| {
        master.artifacts.iter().find(|artifact| artifact.role == Role::Kubeconfig)
    });
    are_units
        && kubeconfigs.zip(found).all(|(kubeconfig, found)| {
            let there = found.kubeconfig.as_deref().map(view::kubeconfig);
            there.is_some_and(|there| {
                view::without_key(&there).eq(view::without_key(&kubeconfig.view))
            })
        })
}
