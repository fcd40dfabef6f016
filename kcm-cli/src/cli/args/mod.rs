//! The command line: what can be typed, turned into what the library takes.

mod adopt;
mod certs;
mod drill;
mod init;
mod lint;
mod logs;
mod smoke;
mod status;
mod timer;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kcm_systemd::KubernetesVersion;

use crate::context::Consent;
use crate::ops::remove::From;

pub(crate) use adopt::AdoptArguments;
pub(crate) use certs::{CertsCheckArguments, CertsRenewArguments, CertsVerb};
pub(crate) use drill::DrillArguments;
pub(crate) use init::InitArguments;
pub(crate) use lint::{LintArguments, LintForm};
pub(crate) use logs::LogsArguments;
pub(crate) use smoke::SmokeArguments;
pub(crate) use status::StatusArguments;
pub(crate) use timer::CertsTimerArguments;

/// Puts a highly available kube-controller-manager on your own masters and keeps it there.
#[derive(Debug, Parser)]
#[command(name = "kcm", version = version(), max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The version of kcm, and the versions of Kubernetes that it knows.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let (oldest, newest) = (KubernetesVersion::OLDEST_KNOWN, KubernetesVersion::NEWEST_KNOWN);
        format!("{} (Kubernetes {oldest} to {newest})", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    failed, nothing changed; `status` found an error
  2    wrong usage, or a mistake in the cluster file; `lint` found an error
  3    `plan --check` or `adopt` found changes, `certs check` what is due, `status` or `lint` a warning
  4    partly done; the report says which masters
  130  interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Writes a commented cluster file from a few answers
    Init(InitArguments),
    /// Writes a cluster file for masters that were set up by hand, which then stay as they are; fetches no key
    Adopt(AdoptArguments),
    /// Check the cluster file offline: flags, their values, controllers and feature gates, by version of Kubernetes
    Lint(LintArguments),
    /// Says what would change on each master; writes nothing anywhere
    Plan(PlanArguments),
    /// Makes every master what the cluster file says
    Apply(ApplyArguments),
    /// Brings back what the masters had before their last change
    Rollback(SelectArguments),
    /// Takes kube-controller-manager off masters; leaves what kcm did not place, and the CA
    Remove(RemoveArguments),
    /// Says how everything is: services, leader, drift, certificates, clocks; exits with the worst of it
    Status(StatusArguments),
    /// Shows the journals of kube-controller-manager on all masters, merged by time; -o json: one object a line
    Logs(LogsArguments),
    /// Proves that the controllers work: who leads, a Deployment, a service account, a quota, etcd's keys
    Smoke(SmokeArguments),
    /// Tries the failover: ends the leader, sees another take over, measures the gap, puts everything back
    Drill(DrillArguments),
    /// Looks after certificates
    #[command(subcommand)]
    Certs(CertsVerb),
    /// Prints the JSON schema of the cluster file, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct FleetArguments {
    /// The cluster file
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// Takes the folder DIR/<master> for each master: files are written and the unit is enabled there,
    /// nothing is started, the network is never touched
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// How the result is written to standard output
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Human)]
    pub(crate) output: Form,
}

/// Masters by name.
#[derive(Debug, Args)]
pub(crate) struct SelectArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Works on this master alone; repeat for more
    #[arg(long = "master", value_name = "NAME")]
    pub(crate) masters: Vec<String>,
    /// Leaves this master out, so that one that is dead does not block the others; repeat for more
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Replaces the CA of a cluster that runs. Safe only once everybody trusts both
    #[arg(long)]
    replace_ca: bool,
    /// Replaces the key that a running service signs tokens with. Safe only once every API server trusts both
    #[arg(long)]
    replace_service_account_key: bool,
}

impl ApplyArguments {
    pub(crate) fn consent(&self) -> Consent {
        Consent {
            replace_ca: self.replace_ca,
            replace_service_account_key: self.replace_service_account_key,
            ..Consent::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Takes it off this master; repeat for more
    #[arg(long = "master", value_name = "NAME", required_unless_present = "all")]
    masters: Vec<String>,
    /// Takes it off all masters
    #[arg(long, conflicts_with = "masters")]
    all: bool,
    /// Leaves this master out, so that one that is dead does not block the others; repeat for more
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<String>,
    /// Also where no other master is left that is healthy
    #[arg(long)]
    even_the_last: bool,
}

impl RemoveArguments {
    pub(crate) fn from(&self) -> From {
        if self.all { From::All } else { From::These(self.masters.clone()) }
    }

    pub(crate) fn consent(&self) -> Consent {
        Consent { remove_last: self.even_the_last, ..Consent::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) apply: ApplyArguments,
    /// Exits with 3 if there are changes, or warnings about a master
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Human,
    /// One JSON document
    Json,
}
