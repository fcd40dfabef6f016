//! Runs `kcm certs check` and `kcm certs renew`.

use std::path::Path;
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, carry_out, timer, with_fleet};
use crate::cli::args::{CertsCheckArguments, CertsRenewArguments, CertsVerb};
use crate::cli::report::{self, End, Report};
use crate::context::{Consent, Run};
use crate::ops::certs::{CertificateCheck, check_certificates};
use crate::ops::renew::{Renewal, plan_renewal};

pub(super) async fn run(verb: CertsVerb, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    match verb {
        CertsVerb::Check(arguments) => check(&arguments, invocation).await,
        CertsVerb::Renew(arguments) => renew(&arguments, invocation).await,
        CertsVerb::Timer(arguments) => timer::write(&arguments, invocation.common),
    }
}

async fn check(
    arguments: &CertsCheckArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::of(&arguments.fleet, Consent::default());
    let check = async |run: Run<'_>, report: &Report| {
        let within = arguments.within.map(Duration::from);
        let check = check_certificates(run, within).await?;
        report_check(&check, report, arguments.textfile.as_deref())
    };
    with_fleet(invocation, masters, check).await
}

async fn renew(
    arguments: &CertsRenewArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let CertsRenewArguments { fleet, confirm, force, same_key, within, textfile } = arguments;
    let masters = Masters::of(fleet, Consent::default());
    let within = within.map(Duration::from);
    let renewal = Renewal { force: *force, same_key: *same_key, within };
    let renew = async |run: Run<'_>, report: &Report| {
        let prepared = plan_renewal(run, renewal).await?;
        let exit = carry_out(run, report, prepared, (End::Renewed, *confirm)).await?;
        if let Some(file) = textfile {
            leave_metrics(&check_certificates(run, within).await?, file)?;
        }
        Ok(exit)
    };
    with_fleet(invocation, masters, renew).await
}

fn report_check(
    check: &CertificateCheck,
    report: &Report,
    textfile: Option<&Path>,
) -> Result<Exit, Failure> {
    report.certificates(check)?;
    if let Some(file) = textfile {
        leave_metrics(check, file)?;
    }
    Ok(match (check.is_due(), check.is_complete()) {
        (true, _) => Exit::ToDo,
        (false, true) => Exit::Done,
        (false, false) => Exit::Failed,
    })
}

fn leave_metrics(check: &CertificateCheck, file: &Path) -> Result<(), Failure> {
    report::certificate_metrics(check, file).map_err(|error| Failure::of_metrics(file, &error))
}
