//! The command line: clap types, and their conversion to the library's types.

mod adopt;
mod cert;
mod certs;
mod drill;
mod init;
mod kubeconfig;
mod kubeconfig_file;
mod lint;
mod logs;
mod rotate;
mod schema;
mod smoke;
mod status;
mod timer;
mod unit;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kcm_pki::GoDuration;
use kcm_systemd::KubernetesVersion;

use crate::context::Consent;
use crate::ops::remove::From;

pub(crate) use adopt::AdoptArguments;
pub(crate) use cert::{CertVerb, OutArguments, ShowArguments, SignArguments};
pub(crate) use certs::{
    CertsCheckArguments, CertsImportArguments, CertsRenewArguments, CertsRequestArguments,
    CertsVerb,
};
pub(crate) use drill::DrillArguments;
pub(crate) use init::InitArguments;
pub(crate) use kubeconfig::KubeconfigArguments;
pub(crate) use kubeconfig_file::{
    KubeconfigBuildArguments, KubeconfigCheckArguments, KubeconfigShowArguments, KubeconfigVerb,
};
pub(crate) use lint::LintArguments;
pub(crate) use logs::LogsArguments;
pub(crate) use rotate::{
    RotateArguments, RotateCaArguments, RotateServiceAccountKeyArguments, RotateVerb,
};
pub(crate) use schema::{DocumentKind, SchemaArguments};
pub(crate) use smoke::SmokeArguments;
pub(crate) use status::StatusArguments;
pub(crate) use timer::CertsTimerArguments;
pub(crate) use unit::{UnitCheckArguments, UnitDiffArguments, UnitRenderArguments, UnitVerb};

/// Install and maintain a highly available kube-controller-manager on your own masters
#[derive(Debug, Parser)]
#[command(name = "kcm", version = version(), max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The version of kcm, and the Kubernetes versions that it supports.
pub(crate) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let (oldest, newest) = (KubernetesVersion::OLDEST_KNOWN, KubernetesVersion::NEWEST_KNOWN);
        format!("{} (Kubernetes {oldest} to {newest})", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    failed, nothing changed; `status`, `kubeconfig check` or `unit check` found an error
  2    invalid usage or cluster file; `lint` found an error
  3    `plan --check`, `adopt`: changes; `certs check`, `cert verify`: due certificates;
       `unit diff`: differences; `status`, `lint`, `kubeconfig check`, `unit check`: warnings
  4    partly done; the report lists the result of each master
  130  interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a commented cluster file from a few answers
    Init(InitArguments),
    /// Write a cluster file for masters that were set up by hand; change no master, fetch no key
    Adopt(AdoptArguments),
    /// Check the cluster file offline: flags, values, controllers and feature gates of each
    /// Kubernetes version
    Lint(LintArguments),
    /// Show what would change on each master; write nothing
    Plan(PlanArguments),
    /// Make every master match the cluster file
    Apply(ApplyVerbArguments),
    /// Show a plan file, as `kcm plan --out` showed the plan
    Show(ShowPlanArguments),
    /// Restore the state of the masters before their last change
    Rollback(RollbackArguments),
    /// Remove kube-controller-manager from masters; keep the CA and all files that kcm did not
    /// create
    Remove(RemoveArguments),
    /// Show the stage of each key rotation, or carry out the next stage of one; exit with 3 if a
    /// stage is left
    Rotate(RotateArguments),
    /// Show the health of all masters: services, leader, drift, certificates, clocks
    Status(StatusArguments),
    /// Show the kube-controller-manager journals of all masters, merged by time; -o json prints one
    /// object per line
    Logs(LogsArguments),
    /// Check that the controllers work: leader, Deployment, service account, quota, etcd
    Smoke(SmokeArguments),
    /// Test the failover: stop the leader, wait for the next one, measure the gap, restore
    /// everything
    Drill(DrillArguments),
    /// Check and renew certificates
    #[command(subcommand)]
    Certs(CertsVerb),
    /// Create keys, certificate requests and certificates by hand, as cfssl does; show and verify
    /// certificates
    #[command(subcommand)]
    Cert(CertVerb),
    /// Build, show and check a kubeconfig on this machine
    #[command(subcommand)]
    Kubeconfig(KubeconfigVerb),
    /// Render, check and compare systemd units on this machine
    #[command(subcommand)]
    Unit(UnitVerb),
    /// Print the JSON schema of the cluster file, for editors, or of a document of -o json
    Schema(SchemaArguments),
    /// Print the version of kcm and the Kubernetes versions that it knows
    Version,
}

/// Heading of the options of every command.
const GLOBAL: &str = "Global options";

/// Options of every command, before or after its name.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArguments {
    /// Path of the cluster file; `-` is standard input, or standard output of init and adopt
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "KCM_FILE",
        default_value = "kcm.yaml",
        global = true,
        help_heading = GLOBAL
    )]
    pub(crate) file: PathBuf,
    /// Format of the result on standard output
    #[arg(
        short,
        long,
        value_name = "FORM",
        value_enum,
        default_value_t = Form::Human,
        global = true,
        help_heading = GLOBAL
    )]
    pub(crate) output: Form,
    /// Show each exchange with a master on standard error, without content
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,
}

impl CommonArguments {
    /// True if the cluster file is standard input or output.
    pub(crate) fn is_standard_stream(&self) -> bool {
        self.file.as_os_str() == "-"
    }
}

/// Folders in place of masters.
#[derive(Debug, Default, Args)]
pub(crate) struct RootArguments {
    /// Use the folder DIR/<master> in place of each master: write files and enable the unit there,
    /// start nothing, use no network
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

/// Consent to restarts and removals.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct YesArguments {
    /// Restart and remove running services without asking for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// A selection of masters by name.
#[derive(Debug, Args)]
pub(crate) struct SelectArguments {
    /// Limit the command to this master; repeat for more
    #[arg(long = "master", value_name = "NAME")]
    pub(crate) masters: Vec<String>,
    /// Skip this master, for example one that is unreachable; repeat for more
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<String>,
}

/// Masters, or folders in their place, selected by name.
#[derive(Debug, Args)]
pub(crate) struct FleetArguments {
    #[command(flatten)]
    pub(crate) root: RootArguments,
    #[command(flatten)]
    pub(crate) select: SelectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PlanOfApplyArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Replace the CA of a running cluster; safe only after every component trusts both CAs
    #[arg(long)]
    replace_ca: bool,
    /// Replace the key that a running service signs tokens with; safe only after every API server
    /// trusts both keys
    #[arg(long)]
    replace_service_account_key: bool,
    /// Remove the CA key from masters on which no flag of kube-controller-manager names it; safe only
    /// if no other component of the master reads the file
    #[arg(long)]
    remove_ca_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyVerbArguments {
    /// Execute exactly this plan, a file of `kcm plan --out`; refuse it with 3 if anything changed
    #[arg(value_name = "FILE", conflicts_with_all = ["root", "masters", "skip", "replace_ca", "replace_service_account_key", "remove_ca_key"])]
    pub(crate) plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) apply: ApplyArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub(crate) plan: PlanOfApplyArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
}

impl PlanOfApplyArguments {
    pub(crate) fn consent(&self) -> Consent {
        Consent {
            replace_ca: self.replace_ca,
            replace_service_account_key: self.replace_service_account_key,
            remove_ca_key: self.remove_ca_key,
            ..Consent::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    pub(crate) root: RootArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
    /// Remove kube-controller-manager from this master; repeat for more
    #[arg(long = "master", value_name = "NAME", required_unless_present = "all")]
    masters: Vec<String>,
    /// Remove kube-controller-manager from all masters
    #[arg(long, conflicts_with = "masters")]
    all: bool,
    /// Skip this master, for example one that is unreachable; repeat for more
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<String>,
    /// Remove kube-controller-manager even if no other healthy master remains
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
    pub(crate) apply: PlanOfApplyArguments,
    /// Exit with 3 if there are changes, or warnings about a master
    #[arg(long)]
    pub(crate) check: bool,
    /// Also write a plan file, for `kcm apply FILE` after an approval
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Refuse the plan file after this time, such as 8h [default: 24h]
    #[arg(long, value_name = "DURATION", requires = "out", value_parser = str::parse::<GoDuration>)]
    pub(crate) valid_for: Option<GoDuration>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowPlanArguments {
    /// A file of `kcm plan --out`
    #[arg(value_name = "FILE")]
    pub(crate) plan_file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Human-readable text
    Human,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// One JSON object per line: the events as they happen, then the result
    Jsonl,
    /// SARIF 2.1.0, for code scanning (lint only)
    Sarif,
    /// PEM in the JSON of cfssl, for cfssljson (cert only); it contains the new key
    Cfssl,
}
