//! Arguments of `kcm rotate`.

use clap::{Args, Subcommand};

use super::{SelectArguments, YesArguments};

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[command(subcommand)]
    pub(crate) what: Option<RotateVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RotateVerb {
    /// Replace the key that signs service account tokens: carry out the next stage (announce,
    /// switch, retire) if the stage before it is proven; exit with 3 if a stage is left
    ServiceAccountKey(RotateServiceAccountKeyArguments),
    /// Replace the CA: carry out the next stage (trust, issue, drop) if the stage before it is
    /// proven; exit with 3 if a stage is left
    Ca(RotateCaArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RotateServiceAccountKeyArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
    /// Start a rotation with a new key if none is in progress
    #[arg(long)]
    pub(crate) new: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateCaArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
    /// Start a rotation with a new CA if none is in progress
    #[arg(long)]
    pub(crate) new: bool,
    /// Show all stages and the plan of the next one; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
