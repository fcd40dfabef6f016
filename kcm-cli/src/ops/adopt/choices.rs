//! Text of an adopted cluster file: the required values, and those that differ from kcm's defaults.

use std::fmt::Write as _;

use super::AdoptSsh;
use crate::cluster::init::quoted;

/// A flag and its value; `None` removes it.
pub(super) type FlagChoice = (String, Option<String>);

/// Values of a cluster file.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) server: String,
    pub(super) cluster_cidr: Vec<String>,
    pub(super) service_cidr: Vec<String>,
    pub(super) name: Option<String>,
    /// Keys and values.
    pub(super) masks: Vec<(&'static str, u8)>,
    pub(super) ca_cert: String,
    pub(super) ca_key: String,
    pub(super) trust: Option<String>,
    pub(super) csr: Option<String>,
    pub(super) signing_config: Option<String>,
    pub(super) serving: bool,
    pub(super) key_algorithm: Option<String>,
    pub(super) lifetime: Option<String>,
    pub(super) bind: Option<String>,
    pub(super) flags: Vec<FlagChoice>,
    pub(super) credentials: Option<&'static str>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) is_strict: bool,
    /// Section, key, values.
    pub(super) directives: Vec<(String, String, Vec<String>)>,
    pub(super) root: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) by_meaning: bool,
    /// Key below `install.paths`, and the path.
    pub(super) paths: Vec<(&'static str, String)>,
    pub(super) masters: Vec<MasterChoice>,
}

/// Values of one master.
#[derive(Clone, Debug, Default)]
pub(super) struct MasterChoice {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) server: Option<String>,
    pub(super) bind: Option<String>,
    pub(super) flags: Vec<FlagChoice>,
}

impl MasterChoice {
    pub(super) fn text(&self) -> String {
        let mut text =
            format!("  - {{name: {}, address: {}", quoted(&self.name), quoted(&self.address));
        if let Some(server) = &self.server {
            let _ = write!(text, ", server: {}", quoted(server));
        }
        if let Some(bind) = &self.bind {
            let _ = write!(text, ", bindAddress: {}", quoted(bind));
        }
        if !self.flags.is_empty() {
            let flags: Vec<_> = self.flags.iter().map(flag).collect();
            let _ = write!(text, ", flags: {{{}}}", flags.join(", "));
        }
        text.push_str("}\n");
        text
    }
}

const HEAD: &str = "\
# kcm's cluster file, written by `kcm adopt` from the observed state of the masters. Missing keys have kcm's defaults.
# `kcm plan` shows the changes, `kcm apply` makes them; `kcm schema` and `kcm init` show all keys.
apiVersion: kcm/v1
";

impl Choices {
    /// Renders the whole file.
    pub(super) fn text(&self, ssh: &AdoptSsh) -> String {
        let mut text = HEAD.to_owned();
        let section = |text: &mut String, name: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(text, "{name}:");
                for line in lines {
                    let _ = writeln!(text, "  {line}");
                }
            }
        };
        let line = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{key}: {}", quoted(value)))
        };
        let always = |key: &str, value: &str| Some(format!("{key}: {}", quoted(value)));
        let cluster = [
            always("server", &self.server),
            line("name", &self.name),
            Some(format!("clusterCidr: {}", list(&self.cluster_cidr))),
            Some(format!("serviceClusterIpRange: {}", list(&self.service_cidr))),
        ];
        let masks = self.masks.iter().map(|(key, mask)| format!("{key}: {mask}"));
        let cluster: Vec<_> = present(cluster).into_iter().chain(masks).collect();
        section(&mut text, "cluster", &cluster);
        let pki = [
            always("caCert", &self.ca_cert),
            always("caKey", &self.ca_key)
                .map(|line| format!("{line}   # needed only to sign certificates")),
            line("trust", &self.trust),
            line("csr", &self.csr),
            line("signingConfig", &self.signing_config),
            line("keyAlgorithm", &self.key_algorithm),
            line("lifetime", &self.lifetime),
            self.serving.then(|| "servingCertificate: true".to_owned()),
        ];
        section(&mut text, "pki", &present(pki));
        let mut manager = present([line("bindAddress", &self.bind)]);
        if !self.flags.is_empty() {
            manager.push("flags:".to_owned());
            manager.extend(self.flags.iter().map(|change| format!("  {}", flag(change))));
        }
        section(&mut text, "controllerManager", &manager);
        let credentials = self.credentials.map(str::to_owned);
        section(&mut text, "kubeconfig", &present([line("credentials", &credentials)]));
        section(&mut text, "systemd", &self.systemd());
        let mut install = present([line("root", &self.root), line("owner", &self.owner)]);
        if self.by_meaning {
            install.push(
                "compare: semantic   # keep files that are semantically equal to those of kcm"
                    .to_owned(),
            );
        }
        if !self.paths.is_empty() {
            install.push("paths:".to_owned());
            install
                .extend(self.paths.iter().map(|(key, path)| format!("  {key}: {}", quoted(path))));
        }
        section(&mut text, "install", &install);
        text.push_str("masters:\n");
        text.extend(self.masters.iter().map(MasterChoice::text));
        text + &ssh_section(ssh)
    }

    fn systemd(&self) -> Vec<String> {
        let line = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{key}: {}", quoted(value)))
        };
        let strict = self.is_strict.then(|| "hardening: strict".to_owned());
        let mut lines = present([line("user", &self.user), line("group", &self.group), strict]);
        if !self.directives.is_empty() {
            lines.push("directives:".to_owned());
        }
        let mut sections: Vec<&str> = Vec::new();
        for (section, _, _) in &self.directives {
            if !sections.contains(&section.as_str()) {
                sections.push(section);
            }
        }
        for section in sections {
            lines.push(format!("  {section}:"));
            for (_, key, values) in self.directives.iter().filter(|it| it.0 == section) {
                lines.push(format!("    {key}: {}", list(values)));
            }
        }
        lines
    }
}

/// Renders one value as it is, and several values as a list.
fn list(values: &[String]) -> String {
    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    match &values[..] {
        [value] => value.clone(),
        values => format!("[{}]", values.join(", ")),
    }
}

fn present<const N: usize>(lines: [Option<String>; N]) -> Vec<String> {
    lines.into_iter().flatten().collect()
}

fn flag((name, value): &FlagChoice) -> String {
    match value {
        Some(value) => format!("{name}: {}", quoted(value)),
        None => format!("{name}: null"),
    }
}

/// Renders the `ssh` section, or nothing if it is empty.
pub(super) fn ssh_section(ssh: &AdoptSsh) -> String {
    let text = |key: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("  {key}: {}\n", quoted(value)))
    };
    let port = ssh.port.map(|port| format!("  port: {port}\n"));
    let lines = [
        text("user", &ssh.user),
        port,
        text("identityFile", &ssh.identity_file),
        text("configFile", &ssh.config_file),
        text("sudo", &ssh.sudo),
        text("hostKeys", &ssh.host_keys),
    ];
    let lines: String = lines.into_iter().flatten().collect();
    if lines.is_empty() { lines } else { format!("ssh:\n{lines}") }
}
