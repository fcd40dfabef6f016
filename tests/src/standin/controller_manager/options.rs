//! Options that result from all flags together.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::controllers::names;
use super::gates::Gates;
use super::values;
use crate::standin::flags::Parsed;
use crate::standin::version::Version;

/// The options, checked before anything starts.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) version: Version,
    pub(super) bind_address: IpAddr,
    pub(super) secure_port: u16,
    pub(super) election: Election,
    pub(super) controllers: Vec<String>,
    pub(super) gates: Gates,
}

/// The options of leader election.
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
    /// Makes the checks of `kube-controller-manager` before it reads or contacts anything: gates,
    /// logging, then all other flags.
    ///
    /// All errors of one step are reported together.
    pub(super) fn check(flags: &Parsed, version: Version) -> Result<Self, String> {
        let minor = version.minor;
        let gates = Gates::read(flags, minor).map_err(|errors| aggregate(&errors))?;
        let errors = values::logging(flags, minor, &gates);
        if !errors.is_empty() {
            return Err(aggregate(&errors));
        }
        let controllers = flags.list("controllers").unwrap_or_else(|| vec!["*".to_owned()]);
        let names = controllers.iter().filter(|name| *name != "*");
        let names = names.map(|name| name.strip_prefix('-').unwrap_or(name));
        let unknown = names.filter(|name| !names::is_known(name, minor, &gates));
        let mut errors: Vec<_> = unknown
            .map(|name| format!("{name:?} is not in the list of known controllers"))
            .collect();
        errors.extend(values::validate(flags, minor));
        if !errors.is_empty() {
            return Err(aggregate(&errors));
        }
        let port = flags.number("secure-port").unwrap_or(10257);
        let secure_port = u16::try_from(port).map_err(|error| error.to_string())?;
        let election = Election::read(flags);
        let address = flags.text("bind-address").map(str::trim).filter(|it| !it.is_empty());
        let any = Ipv4Addr::UNSPECIFIED.into();
        let bind_address = address.map_or(any, |address| address.parse().unwrap());
        Ok(Self { version, bind_address, secure_port, election, controllers, gates })
    }

    /// Reports whether a controller runs, as `IsControllerEnabled` of k8s.io/controller-manager.
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
        self.controllers.iter().any(|listed| listed == "*") && !names::is_off_by_default(name)
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

    /// Timeout of each request as in client-go: half of the renew deadline, at least 1 s.
    pub(super) fn patience(&self) -> Duration {
        (self.renew_deadline / 2).max(Duration::from_secs(1))
    }

    /// Returns the message of the panic at the start of the election, if durations are invalid. No
    /// earlier check rejects them.
    pub(super) fn panic(&self) -> Option<&'static str> {
        if self.lease_duration <= self.renew_deadline {
            Some("leaseDuration must be greater than renewDeadline")
        } else if self.renew_deadline <= self.retry_period.mul_f64(1.2) {
            Some("renewDeadline must be greater than retryPeriod*JitterFactor")
        } else if self.retry_period.is_zero() {
            Some("retryPeriod must be greater than zero")
        } else {
            None
        }
    }
}

/// Formats errors as Go's aggregate does.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}
