//! Arguments of `kcm unit`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kcm_systemd::{AccountName, ArgumentError, ExecutablePath, Hardening, KubernetesVersion};

#[derive(Debug, Subcommand)]
pub(crate) enum UnitVerb {
    /// Print the unit that apply writes to a master, or a unit with the given flags
    Render(UnitRenderArguments),
    /// Report what systemd drops or changes in units, and check the flags of
    /// kube-controller-manager; exit with 1 for errors, and with 3 for warnings
    Check(UnitCheckArguments),
    /// Compare two units by their effect, with their drop-ins and environment files; exit with 3 if
    /// they differ
    Diff(UnitDiffArguments),
}

#[derive(Debug, Args)]
pub(crate) struct UnitRenderArguments {
    /// Print the unit of this master of the cluster file
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "program",
        conflicts_with = "program"
    )]
    pub(crate) master: Option<String>,
    /// Print a unit that runs this kube-controller-manager with the flags after `--`
    #[arg(long, value_name = "PATH", value_parser = executable)]
    pub(crate) program: Option<ExecutablePath>,
    /// User of the service [default: root]
    #[arg(long, value_name = "NAME", value_parser = account, conflicts_with = "master")]
    pub(crate) user: Option<AccountName>,
    /// Group of the service [default: the primary group of the user]
    #[arg(long, value_name = "NAME", value_parser = account, conflicts_with = "master")]
    pub(crate) group: Option<AccountName>,
    /// Sandbox of the service
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t, conflicts_with = "master")]
    pub(crate) hardening: HardeningArgument,
    /// Flags of kube-controller-manager
    #[arg(last = true, value_name = "FLAG", conflicts_with = "master")]
    pub(crate) flags: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct UnitCheckArguments {
    /// Unit files; drop-ins are read from the folder FILE.d beside each
    #[arg(value_name = "FILE", required = true)]
    pub(crate) units: Vec<PathBuf>,
    /// Check the flags for this version of Kubernetes; repeat for more [default: all known
    /// versions]
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<KubernetesVersion>)]
    pub(crate) kubernetes: Vec<KubernetesVersion>,
    #[command(flatten)]
    pub(crate) environment: EnvironmentRootArguments,
}

#[derive(Debug, Args)]
pub(crate) struct UnitDiffArguments {
    /// First unit file; drop-ins are read from the folder FILE.d beside it
    #[arg(value_name = "FILE1")]
    pub(crate) first: PathBuf,
    /// Second unit file, likewise
    #[arg(value_name = "FILE2")]
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) environment: EnvironmentRootArguments,
}

/// The root of environment files.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentRootArguments {
    /// Folder at which the paths of `EnvironmentFile=` start, such as a copy of a master's files
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
}

/// The sandbox of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HardeningArgument {
    /// No sandbox
    #[default]
    None,
    /// All restrictions under which kube-controller-manager works
    Strict,
}

impl From<HardeningArgument> for Hardening {
    fn from(argument: HardeningArgument) -> Self {
        match argument {
            HardeningArgument::None => Self::None,
            HardeningArgument::Strict => Self::Strict,
        }
    }
}

fn executable(path: &str) -> Result<ExecutablePath, ArgumentError> {
    ExecutablePath::try_from(path)
}

fn account(name: &str) -> Result<AccountName, <AccountName as std::str::FromStr>::Err> {
    name.parse()
}
