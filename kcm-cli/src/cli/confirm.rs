//! Confirmation before a running service is restarted or removed.

use std::io::{self, IsTerminal as _};

use super::exit::{Exit, Failure};
use crate::cli::args::YesArguments;
use crate::cli::report::{self, Report};
use crate::rollout::Prepared;

/// Shows a plan that interrupts running services, and asks whether to execute it.
///
/// Does not ask if it interrupts none, with `--yes`, or if standard input is not a terminal.
pub(super) async fn ask(
    report: &Report,
    prepared: &Prepared,
    confirm: YesArguments,
) -> Result<(), Failure> {
    let masters: Vec<_> = prepared.interrupted_masters().collect();
    if masters.is_empty() || confirm.yes || !is_terminal() {
        return Ok(());
    }
    report.plan_to_confirm(prepared)?;
    let question = format!(
        "This restarts or stops kube-controller-manager on {}. Continue? [y/N] ",
        masters.join(", ")
    );
    if answers_yes(&question).await? {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "not confirmed; no master has changed"))
}

/// Refuses to continue without `--yes` where no question can be asked.
pub(super) fn or_terminal(confirm: YesArguments) -> Result<(), Failure> {
    if confirm.yes || is_terminal() {
        return Ok(());
    }
    let message = "standard input is not a terminal, so kcm cannot ask for confirmation; add --yes";
    Err(Failure::new(Exit::Usage, message))
}

/// Asks a question on the terminal.
pub(super) async fn answers_yes(question: &str) -> io::Result<bool> {
    report::ask(question)?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.map_err(io::Error::other)??;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// True if kcm can ask: standard input and standard error are a terminal.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
