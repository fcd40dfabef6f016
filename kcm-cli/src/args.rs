//! The command line: what can be typed, turned into what the library takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kcm_pki::GoDuration;

use crate::init::Init;
use crate::remove::From;
use crate::run::Consent;

/// Puts a highly available kube-controller-manager on your own masters and keeps it there.
#[derive(Debug, Parser)]
#[command(name = "kcm", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    failed, nothing changed
  2    wrong usage, or a mistake in the cluster file
  3    `plan --check` found changes, `certs check` what is due
  4    partly done; the report says which masters
  130  interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Writes a commented cluster file from a few answers
    Init(InitArguments),
    /// Says what would change on each master; writes nothing anywhere
    Plan(PlanArguments),
    /// Makes every master what the cluster file says
    Apply(ApplyArguments),
    /// Brings back what the masters had before their last change
    Rollback(SelectArguments),
    /// Takes kube-controller-manager off masters; leaves what kcm did not place, and the CA
    Remove(RemoveArguments),
    /// Looks after certificates
    #[command(subcommand)]
    Certs(CertsVerb),
    /// Prints the JSON schema of the cluster file, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertsVerb {
    /// Says how long every certificate lasts, here and on the masters; exits with 3 if one is due
    Check(CertsCheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CertsCheckArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// What ends within this time is due, as in 720h [default: pki.renewBefore, or the last 30 days, but
    /// no more than the last third of its life]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
    /// Also writes it as metrics, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
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
    /// Exits with 3 if there are changes
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

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The cluster file to write; it must not exist
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// URL of the API server as the masters reach it: the load balancer
    #[arg(long, value_name = "URL", default_value = "https://192.168.1.210:6443")]
    server: String,
    /// Range of Pod addresses
    #[arg(long, value_name = "CIDR", default_value = "172.20.0.0/16")]
    cluster_cidr: String,
    /// Range of Service addresses
    #[arg(long, value_name = "CIDR", default_value = "10.68.0.0/16")]
    service_cidr: String,
    /// A master; repeat for each. Without any, the tutorial's three
    #[arg(long = "master", value_name = "NAME=ADDRESS", value_parser = master, default_values = TUTORIAL)]
    masters: Vec<(String, String)>,
    /// Login name on the masters
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Makes a root CA if there is none and nothing is deployed: for first tries
    #[arg(long)]
    create_ca: bool,
}

impl InitArguments {
    pub(crate) fn answers(&self) -> Init {
        Init {
            server: self.server.clone(),
            cluster_cidr: self.cluster_cidr.clone(),
            service_cidr: self.service_cidr.clone(),
            masters: self.masters.clone(),
            user: self.user.clone(),
            create_ca: self.create_ca,
        }
    }
}

/// The tutorial's masters: addresses to replace by one's own.
const TUTORIAL: [&str; 3] =
    ["k8s-master-01=192.168.1.204", "k8s-master-02=192.168.1.205", "k8s-master-03=192.168.1.206"];

fn master(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, address)) if !name.is_empty() && !address.is_empty() => {
            Ok((name.to_owned(), address.to_owned()))
        }
        _ => Err("write NAME=ADDRESS, as in k8s-master-01=192.168.1.204".to_owned()),
    }
}
