//! What the flags mean together.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::controllers::names;
use crate::standin::flags::Parsed;
use crate::standin::version::Version;

/// The flags that were checked before anything started.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) version: Version,
    pub(super) bind_address: IpAddr,
    pub(super) secure_port: u16,
    pub(super) election: Election,
    pub(super) controllers: Vec<String>,
}

/// The flags of the election.
#[derive(Clone, Debug)]
pub(super) struct Election {
    pub(super) is_on: bool,
    pub(super) lease_duration: Duration,
    pub(super) renew_deadline: Duration,
    pub(super) retry_period: Duration,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Options {
    /// Checks what `kube-controller-manager` checks before it starts; all errors come at once.
    pub(super) fn check(flags: &Parsed, version: Version) -> Result<Self, String> {
        let mut errors = Vec::new();
        let controllers = flags.list("controllers").unwrap_or_else(|| vec!["*".to_owned()]);
        for name in &controllers {
            let bare = name.strip_prefix('-').unwrap_or(name);
            if bare != "*" && !names::is_known(bare, version.minor) {
                errors.push(format!("{bare:?} is not in the list of known controllers"));
            }
        }
        if version.minor >= 27 {
            let lock = flags.text("leader-elect-resource-lock").unwrap_or("leases");
            if lock != "leases" {
                errors.push(format!(
                    "leader-elect-resource-lock value must be \"leases\", not {lock:?}"
                ));
            }
        }
        let provider = flags.text("cloud-provider").unwrap_or_default();
        if version.minor >= 31 && !matches!(provider, "" | "external") {
            errors.push(format!(
                "cloud-provider: unknown cloud provider {provider:?}; \"external\" or none"
            ));
        }
        errors.extend(signing(flags));
        let format = flags.text("logging-format").unwrap_or("text");
        if !matches!(format, "text" | "json") {
            errors.push(format!("format: Invalid value: {format:?}: Unsupported log format"));
        }
        let port = flags.number("secure-port").unwrap_or(10257);
        let secure_port = u16::try_from(port).unwrap_or_else(|_| {
            errors.push(format!("--secure-port {port} must be between 0 and 65535, inclusive"));
            0
        });
        let election = Election::read(flags);
        errors.extend(election.check());
        if !errors.is_empty() {
            return Err(errors.join(", "));
        }
        let address = flags.text("bind-address").map(str::trim);
        let any = Ipv4Addr::UNSPECIFIED.into();
        let bind_address = address.map_or(any, |address| address.parse().unwrap());
        Ok(Self { version, bind_address, secure_port, election, controllers })
    }

    /// Whether a controller runs: as k8s.io/controller-manager's `IsControllerEnabled`.
    pub(super) fn is_enabled(&self, name: &str) -> bool {
        let says = |prefix: &str, listed: &str| {
            listed.strip_prefix(prefix).is_some_and(|listed| names::canonical(listed) == name)
        };
        for listed in &self.controllers {
            if says("-", listed) {
                return false;
            }
            if says("", listed) {
                return true;
            }
        }
        self.controllers.iter().any(|listed| listed == "*")
    }
}

impl Election {
    fn read(flags: &Parsed) -> Self {
        let seconds = |name: &str, default| {
            flags.duration(&format!("leader-elect-{name}"), Duration::from_secs(default))
        };
        let text = |name: &str, default: &str| flags.text(name).unwrap_or(default).to_owned();
        Self {
            is_on: flags.is_on("leader-elect", true),
            lease_duration: seconds("lease-duration", 15),
            renew_deadline: seconds("renew-deadline", 10),
            retry_period: seconds("retry-period", 2),
            namespace: text("leader-elect-resource-namespace", "kube-system"),
            name: text("leader-elect-resource-name", "kube-controller-manager"),
        }
    }

    fn check(&self) -> Vec<String> {
        if !self.is_on {
            return Vec::new();
        }
        let mut errors = Vec::new();
        if self.lease_duration <= self.renew_deadline {
            errors.push("leaseDuration must be greater than renewDeadline".to_owned());
        }
        if self.renew_deadline <= self.retry_period.mul_f64(1.2) {
            errors.push("renewDeadline must be greater than retryPeriod*JitterFactor".to_owned());
        }
        let all = [self.lease_duration, self.renew_deadline, self.retry_period];
        if all.contains(&Duration::ZERO) {
            errors.push("the durations of --leader-elect must be greater than zero".to_owned());
        }
        errors
    }
}

fn signing(flags: &Parsed) -> Vec<String> {
    const SIGNERS: [&str; 4] =
        ["kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown"];
    let mut errors = Vec::new();
    let has = |name: &str| flags.path(&format!("cluster-signing-{name}-file")).is_some();
    let specific: Vec<&str> = SIGNERS
        .into_iter()
        .filter(|signer| has(&format!("{signer}-cert")) || has(&format!("{signer}-key")))
        .collect();
    for signer in &specific {
        if !(has(&format!("{signer}-cert")) && has(&format!("{signer}-key"))) {
            errors.push(format!(
                "cannot specify only one of --cluster-signing-{signer}-{{cert,key}}-file"
            ));
        }
    }
    if (has("cert") || has("key")) && !specific.is_empty() {
        errors.push(
            "cannot specify --cluster-signing-{cert,key}-file and other \
             --cluster-signing-*-{cert,key}-file flags at the same time"
                .to_owned(),
        );
    }
    errors
}
