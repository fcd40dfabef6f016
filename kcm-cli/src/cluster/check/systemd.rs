//! Checks of the systemd section, also against owners and paths.

use kcm_systemd::{
    Directive, Effect, Finding, FindingCode, Hardening, Install, SectionName, UnitFile, Value,
    enable_links,
};

use super::At;
use crate::cluster::directives::{DirectiveMap, Values};
use crate::cluster::error::ClusterFileError;
use crate::cluster::file::SystemdSection;
use crate::cluster::layout::Layout;
use crate::cluster::locate::Step;
use crate::cluster::locate::Step::{Index, Key};
use crate::cluster::{FlagChange, Master, Ownership, Service};
use crate::util::files::RemotePath;

/// Directives that kcm writes itself, each with the reason or the key to use instead.
const OWN: &[(&str, &str, &str)] = &[
    ("Unit", "Description", "kcm sets this directive; remove this key"),
    ("Unit", "Documentation", "kcm sets this directive; remove this key"),
    (
        "Service",
        "ExecStart",
        "kcm sets this directive from another key; set controllerManager.flags instead",
    ),
    ("Service", "User", "kcm sets this directive from another key; set systemd.user instead"),
    ("Service", "Group", "kcm sets this directive from another key; set systemd.group instead"),
    (
        "Service",
        "DynamicUser",
        "a dynamic user does not own the files of the service; set systemd.user instead",
    ),
];

pub(super) fn service(
    at: &At<'_>,
    section: Option<SystemdSection>,
    layout: &Layout,
) -> Result<Service, ClusterFileError> {
    let (user, group, hardening, directives) = match section {
        Some(systemd) => (systemd.user, systemd.group, systemd.hardening, systemd.directives),
        None => (None, None, None, None),
    };
    if user.is_none() && group.is_some() {
        let problem = "requires systemd.user; set systemd.user, or remove this key";
        return Err(at.error(&[Key("systemd"), Key("group")], problem));
    }
    Ok(Service {
        user: user.map(|user| user.0),
        group: group.map(|group| group.0),
        hardening: hardening.map_or(Hardening::None, |hardening| hardening.0.0),
        directives: self::directives(at, &directives.unwrap_or_default(), layout)?,
    })
}

fn directives(
    at: &At<'_>,
    map: &DirectiveMap,
    layout: &Layout,
) -> Result<Vec<(SectionName, Directive)>, ClusterFileError> {
    let mut directives = Vec::new();
    for (section, lines) in &map.0 {
        let above = [Key("systemd"), Key("directives"), Key(section.as_str())];
        check_section(at, &above, section)?;
        for (key, values) in lines {
            let [systemd, all, of_section] = above;
            let path = [systemd, all, of_section, Key(key.as_str())];
            let own = OWN.iter().find(|own| own.0 == section.as_str() && own.1 == key.as_str());
            if let Some((_, _, problem)) = own {
                return Err(at.error(&path, problem));
            }
            for (place, value) in places(&path, values) {
                let directive = Directive { key: key.clone(), value: value.clone() };
                check_directive(at, &place, section, &directive, layout)?;
                directives.push((section.clone(), directive));
            }
        }
    }
    Ok(directives)
}

/// Returns each value at `path` with its position.
fn places<'s, 'v>(path: &[Step<'s>], values: &'v Values) -> Vec<(Vec<Step<'s>>, &'v Value)> {
    match values {
        Values::One(value) => vec![(path.to_vec(), value)],
        Values::Several(values) => {
            let below = |index| path.iter().copied().chain([Index(index)]).collect();
            values.iter().enumerate().map(|(index, value)| (below(index), value)).collect()
        }
    }
}

fn check_section(
    at: &At<'_>,
    path: &[Step<'_>],
    section: &SectionName,
) -> Result<(), ClusterFileError> {
    let file = UnitFile::parse(format!("[{section}]\n"));
    match file.findings.first() {
        Some(finding) => {
            let help = finding.nearest.map_or_else(
                || "use Unit, Service or Install, or X-… for other programs".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(at.error(path, format!("not a section of a service unit; {help}")))
        }
        None => Ok(()),
    }
}

/// Refuses the directive at `path` if systemd would not load or enable a unit with it.
fn check_directive(
    at: &At<'_>,
    path: &[Step<'_>],
    section: &SectionName,
    directive: &Directive,
    layout: &Layout,
) -> Result<(), ClusterFileError> {
    let file = read(section, directive);
    if let Some(finding) = file.findings.iter().find(|found| found.effect() == Effect::Refused) {
        return Err(at.error(path, say(finding)));
    }
    enable_links(&layout.unit, layout.unit_file.as_str(), &Install::of(&file))
        .map(drop)
        .map_err(|error| at.error(path, error))
}

/// Parses one directive as systemd does.
fn read(section: &SectionName, directive: &Directive) -> UnitFile {
    UnitFile::parse(format!("[{section}]\n{directive}\n"))
}

fn say(finding: &Finding) -> String {
    let Finding { code, subject, nearest, .. } = finding;
    let what = match code {
        FindingCode::UnknownKey => String::new(),
        _ => format!(": `{subject}`"),
    };
    let help =
        nearest.map_or_else(|| code.help().to_owned(), |near| format!("did you mean `{near}`?"));
    format!("in systemd 252, {}{what}; {help}", code.meaning())
}

/// Returns warnings about valid settings that are likely mistakes.
pub(super) fn warnings(
    service: &Service,
    owner: Option<&Ownership>,
    root: &RemotePath,
    masters: &[Master],
) -> Vec<String> {
    let lost = service.directives.iter().flat_map(|(section, directive)| {
        let findings = read(section, directive).findings.into_iter();
        let lost = findings.filter(|finding| finding.effect() == Effect::Lost);
        let key = &directive.key;
        lost.map(move |finding| format!("systemd.directives.{section}.{key}: {}", say(&finding)))
    });
    let accounts = accounts(service, owner).into_iter();
    accounts.chain(hidden(service, root, masters)).chain(restart(service)).chain(lost).collect()
}

/// Warns if `Restart=` is not `always`: the process exits with success on SIGTERM, and with failure
/// when it loses its Lease.
fn restart(service: &Service) -> Option<String> {
    let mut values = service.directives.iter().filter(|(section, directive)| {
        section.as_str() == "Service" && directive.key.as_str() == "Restart"
    });
    let last = values.next_back()?.1.value.text();
    (last != "always").then(|| {
        format!(
            "systemd.directives.Service.Restart: `{last}` does not restart kube-controller-manager after every exit; set `always`"
        )
    })
}

fn accounts(service: &Service, owner: Option<&Ownership>) -> Option<String> {
    let runs_as = service.user.as_ref().map_or("root", |user| user.as_str());
    let owner = owner.map_or(runs_as, |owner| owner.user.as_str());
    match (runs_as, service.hardening) {
        ("root", Hardening::Strict) => Some(
            "systemd.hardening is strict, but the service runs as root without capabilities and cannot read private files of other users; set systemd.user".to_owned(),
        ),
        ("root", Hardening::None) => None,
        (user, _) if user == owner => None,
        (user, _) => Some(format!(
            "install.owner is {owner}, but the service runs as {user} (systemd.user) and cannot read {owner}'s private files; set both to the same user"
        )),
    }
}

/// Warns about files that the service must read and that its sandbox hides.
fn hidden(service: &Service, root: &RemotePath, masters: &[Master]) -> Vec<String> {
    let flags = masters.iter().flat_map(|master| &master.flags);
    let values = flags.filter_map(|(name, change)| match change {
        FlagChange::Set(value) => Some((format!("--{name}"), value.as_str())),
        FlagChange::Remove => None,
    });
    let paths = std::iter::once(("install.root".to_owned(), root.as_str())).chain(values);
    let is_changed =
        |key: &str| service.directives.iter().any(|(_, directive)| directive.key.as_str() == key);
    let mut warnings: Vec<_> = paths
        .filter_map(|(name, path)| {
            let key = service.hardening.hidden_by(path).filter(|key| !is_changed(key))?;
            Some(format!(
                "{name}: {path} is hidden from the service by {key}= (systemd.hardening strict); change the path, or set systemd.directives.Service.{key}"
            ))
        })
        .collect();
    warnings.sort();
    warnings.dedup();
    warnings
}
