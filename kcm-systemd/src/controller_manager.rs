//! The unit of kube-controller-manager.

use std::time::Duration;

use crate::account_name::AccountName;
use crate::executable::ExecutablePath;
use crate::flags::Flags;
use crate::hardening::Hardening;
use crate::unit::{Directive, Key, Section, SectionName, Unit, Value};
use crate::unit_name::UnitName;

/// The parameters of the unit of kube-controller-manager.
///
/// All parameters are validated types, so that rendering cannot fail: systemd loads the unit, and
/// the process receives exactly [`Flags::arguments`]. The same parameters give the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerManagerUnit {
    /// `Description=`.
    pub description: Value,
    /// `Documentation=`: URIs separated by blanks.
    pub documentation: Value,
    /// Path of the executable.
    pub executable: ExecutablePath,
    /// Flags, rendered one per line.
    pub flags: Flags,
    /// `Restart=`. kube-controller-manager exits with 0 on SIGTERM and with 1 when it loses its
    /// Lease; only [`Restart::Always`] covers both.
    pub restart: Restart,
    /// `RestartSec=`, in microsecond resolution. A short delay can exceed the default start limit
    /// of 5 starts in 10 s, after which the service stays stopped.
    pub restart_delay: Duration,
    /// `User=`: user of the service. `None` is root.
    pub user: Option<AccountName>,
    /// `Group=`. `None` is the user's primary group.
    pub group: Option<AccountName>,
    /// Sandbox of the service. [`ControllerManagerUnit::additions`] follow it and can override it.
    pub hardening: Hardening,
    /// `WantedBy=`, one line per unit. If empty, no `[Install]` section is generated and the unit
    /// cannot be enabled.
    pub wanted_by: Vec<UnitName>,
    /// Additional directives, each appended to the section with its name; new sections precede
    /// `[Install]`. They have their usual effect in systemd, including an empty value or a second
    /// `ExecStart=`.
    pub additions: Vec<(SectionName, Directive)>,
}

impl ControllerManagerUnit {
    /// Returns a unit with the values of the tutorial except for executable and flags. The service
    /// is always restarted after 5 s, wanted by `multi-user.target`, and runs as root without a
    /// sandbox.
    #[must_use]
    pub fn new(executable: ExecutablePath, flags: Flags) -> Self {
        Self {
            description: known("Kubernetes Controller Manager"),
            documentation: known("https://github.com/GoogleCloudPlatform/kubernetes"),
            executable,
            flags,
            restart: Restart::Always,
            restart_delay: Duration::from_secs(5),
            user: None,
            group: None,
            hardening: Hardening::None,
            wanted_by: vec![UnitName::known("multi-user.target")],
            additions: Vec::new(),
        }
    }

    /// Builds the unit: `[Unit]`, `[Service]`, `[Install]`.
    #[must_use]
    pub fn unit(&self) -> Unit {
        let mut sections = vec![
            section(
                "Unit",
                [
                    ("Description", self.description.clone()),
                    ("Documentation", self.documentation.clone()),
                ],
            ),
            self.service(),
        ];
        if !self.wanted_by.is_empty() {
            let wanted_by = self.wanted_by.iter().map(|name| ("WantedBy", known(name.as_str())));
            sections.push(section("Install", wanted_by));
        }
        for (name, directive) in &self.additions {
            add(&mut sections, name, directive);
        }
        Unit { sections }
    }

    /// Renders the unit file; see [`Unit::render`].
    #[must_use]
    pub fn render(&self) -> String {
        self.unit().render()
    }

    fn service(&self) -> Section {
        let account = |name: &AccountName| known(name.as_str());
        let directives = [
            ("ExecStart", Some(self.command())),
            ("Restart", Some(known(self.restart.as_str()))),
            ("RestartSec", Some(known(seconds(self.restart_delay)))),
            ("User", self.user.as_ref().map(account)),
            ("Group", self.group.as_ref().map(account)),
        ];
        let directives = directives.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let mut section = section("Service", directives);
        section.directives.extend(self.hardening.directives());
        section
    }

    fn command(&self) -> Value {
        let mut executable = String::new();
        self.executable.quote_into(&mut executable);
        Value::folded(std::iter::once(executable).chain(self.flags.pieces()).collect())
    }
}

/// The condition on which systemd restarts a service that has ended. See
/// [systemd.service(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.service.html#Restart=).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Never.
    No,
    /// After any end, unless systemd has stopped the service on request.
    Always,
    /// After a clean exit.
    OnSuccess,
    /// After an unclean exit status, a signal, a timeout or a missed watchdog.
    OnFailure,
    /// After the events of [`Restart::OnFailure`] except an unclean exit status.
    OnAbnormal,
    /// After an uncaught signal.
    OnAbort,
    /// After a missed watchdog.
    OnWatchdog,
}

impl Restart {
    /// Returns the value of `Restart=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
            Self::OnAbnormal => "on-abnormal",
            Self::OnAbort => "on-abort",
            Self::OnWatchdog => "on-watchdog",
        }
    }
}

/// Formats a time span for systemd.time(7) in the largest exact unit. systemd counts microseconds
/// in 64 bits; longer spans are `infinity`.
fn seconds(span: Duration) -> String {
    match (span.as_micros(), span.subsec_micros()) {
        (micros, _) if micros >= u64::MAX.into() => "infinity".into(),
        (_, 0) => span.as_secs().to_string(),
        (_, subsec) if subsec % 1000 == 0 => format!("{}ms", span.as_millis()),
        (micros, _) => format!("{micros}us"),
    }
}

/// Creates a value that is valid by construction: no line breaks, no blanks at its ends, no final
/// backslash.
fn known(text: impl Into<String>) -> Value {
    Value::folded(vec![text.into()])
}

fn section(
    name: &'static str,
    directives: impl IntoIterator<Item = (&'static str, Value)>,
) -> Section {
    let directives = directives
        .into_iter()
        .map(|(key, value)| Directive { key: Key::known(key), value })
        .collect();
    Section { name: SectionName::known(name), directives }
}

fn add(sections: &mut Vec<Section>, name: &SectionName, directive: &Directive) {
    if let Some(section) = sections.iter_mut().find(|section| section.name == *name) {
        section.directives.push(directive.clone());
        return;
    }
    let install = sections.iter().position(|section| section.name.as_str() == "Install");
    let new = Section { name: name.clone(), directives: vec![directive.clone()] };
    sections.insert(install.unwrap_or(sections.len()), new);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of the tutorial, sections 4.1 to 4.3.
    const TUTORIAL: [(&str, &str); 3] = [
        ("192.168.1.204", include_str!("../testdata/k8s-master-01.service")),
        ("192.168.1.205", include_str!("../testdata/k8s-master-02.service")),
        ("192.168.1.206", include_str!("../testdata/k8s-master-03.service")),
    ];

    fn tutorial(address: &str) -> ControllerManagerUnit {
        let kubeconfig = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
        let (ca, ca_key) =
            ("/opt/kubernetes/pki/ca/cert/ca.pem", "/opt/kubernetes/pki/ca/cert/ca-key.pem");
        // Unsorted, as an operator might write them.
        let flags = Flags::from_pairs([
            ("v", "2"),
            ("kubeconfig", kubeconfig),
            ("authentication-kubeconfig", kubeconfig),
            ("authorization-kubeconfig", kubeconfig),
            ("bind-address", address),
            ("allocate-node-cidrs", "true"),
            ("cluster-cidr", "172.20.0.0/16"),
            ("cluster-name", "kubernetes"),
            ("cluster-signing-cert-file", ca),
            ("cluster-signing-key-file", ca_key),
            ("leader-elect", "true"),
            ("node-cidr-mask-size", "24"),
            ("root-ca-file", ca),
            ("service-account-private-key-file", ca_key),
            ("service-cluster-ip-range", "10.68.0.0/16"),
            ("use-service-account-credentials", "true"),
        ]);
        let executable = ExecutablePath::try_from("/opt/kubernetes/bin/kube-controller-manager");
        ControllerManagerUnit::new(executable.unwrap(), flags.unwrap())
    }

    #[test]
    fn the_tutorial_is_rendered_byte_for_byte() {
        for (address, expected) in TUTORIAL {
            assert_eq!(tutorial(address).render(), expected);
        }
    }

    #[test]
    fn additions_go_to_their_sections_and_new_sections_before_install() {
        let mut unit = tutorial("::");
        unit.flags = Flags::new();
        for (section, key, value) in
            [("Service", "User", "kube"), ("X-Site", "Rack", "7"), ("Unit", "After", "a.target")]
        {
            unit.additions.push((
                SectionName::parse(section).unwrap(),
                Directive::parse(key, value).unwrap(),
            ));
        }
        unit.wanted_by.push(UnitName::parse("kubernetes.target").unwrap());
        assert_eq!(
            unit.render(),
            "[Unit]\n\
             Description=Kubernetes Controller Manager\n\
             Documentation=https://github.com/GoogleCloudPlatform/kubernetes\n\
             After=a.target\n\n\
             [Service]\n\
             ExecStart=/opt/kubernetes/bin/kube-controller-manager\n\
             Restart=always\n\
             RestartSec=5\n\
             User=kube\n\n\
             [X-Site]\n\
             Rack=7\n\n\
             [Install]\n\
             WantedBy=multi-user.target\n\
             WantedBy=kubernetes.target\n"
        );
    }

    #[test]
    fn a_sandbox_stands_between_the_account_and_the_additions() {
        let addition = Directive::parse("ReadWritePaths", "/var/log/kubernetes").unwrap();
        let unit = ControllerManagerUnit {
            user: Some(AccountName::parse("kube").unwrap()),
            group: Some(AccountName::parse("kubernetes").unwrap()),
            hardening: Hardening::Strict,
            additions: vec![(SectionName::known("Service"), addition.clone())],
            ..tutorial("::")
        };
        let directives = &unit.unit().sections[1].directives;
        let (tutorials, ours) = directives.split_at(3);
        assert_eq!(tutorials, tutorial("::").unit().sections[1].directives);
        let (account, rest) = ours.split_at(2);
        let account: Vec<_> = account.iter().map(ToString::to_string).collect();
        assert_eq!(account, ["User=kube", "Group=kubernetes"]);
        let sandbox = Hardening::Strict.directives();
        assert_eq!(rest, sandbox.chain([addition]).collect::<Vec<_>>());
    }

    #[test]
    fn without_wanted_by_there_is_no_install_section() {
        let unit = ControllerManagerUnit { wanted_by: Vec::new(), ..tutorial("::") };
        assert!(!unit.render().contains("[Install]"));
    }

    #[test]
    fn delays_are_written_exactly() {
        for (span, text) in [
            (Duration::from_secs(5), "5"),
            (Duration::ZERO, "0"),
            (Duration::from_millis(1500), "1500ms"),
            (Duration::from_micros(1_000_001), "1000001us"),
            (Duration::MAX, "infinity"),
        ] {
            assert_eq!(seconds(span), text);
        }
    }
}
