//! Runs `kcm certs check` and `kcm certs renew`.

use std::path::Path;
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, carry_out, timer, with_fleet};
use crate::cli::args::{
    CertsCheckArguments, CertsImportArguments, CertsRenewArguments, CertsRequestArguments,
    CertsVerb,
};
use crate::cli::report::{self, End, Report};
use crate::context::{Consent, Run};
use crate::event::{Event, EventSink as _};
use crate::ops::apply::prepare;
use crate::ops::certs::{
    CertificateCheck, SignedFile, check_certificates, import_certificates, request_certificates,
};
use crate::ops::renew::{Renewal, plan_renewal};
use crate::util::files::{FileError, read_small_or_stdin};

pub(super) async fn run(verb: CertsVerb, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    match verb {
        CertsVerb::Check(arguments) => check(&arguments, invocation).await,
        CertsVerb::Renew(arguments) => renew(&arguments, invocation).await,
        CertsVerb::Request(arguments) => request(&arguments, invocation).await,
        CertsVerb::Import(arguments) => import(&arguments, invocation).await,
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

async fn request(
    arguments: &CertsRequestArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::of(&arguments.fleet, Consent::default());
    let request = async |run: Run<'_>, report: &Report| {
        report.requests(&request_certificates(run, arguments.force).await?)?;
        Ok(Exit::Done)
    };
    with_fleet(invocation, masters, request).await
}

async fn import(
    arguments: &CertsImportArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let CertsImportArguments { files, apply } = arguments;
    let files = files.iter().map(|path| signed_file(path)).collect::<Result<Vec<_>, _>>()?;
    let masters = Masters::of(&apply.plan.fleet, apply.plan.consent());
    let import = async |run: Run<'_>, report: &Report| {
        let imported = import_certificates(run, &files)?;
        for text in imported.iter().flat_map(|it| it.warnings.clone()) {
            report.event(&Event::Warning { text });
        }
        report::imported(&imported);
        let prepared = Box::pin(prepare(run)).await?;
        carry_out(run, report, prepared, (End::AsTheFileSays, apply.confirm)).await
    };
    with_fleet(invocation, masters, import).await
}

/// Reads a certificate from a file, or from standard input.
fn signed_file(path: &Path) -> Result<SignedFile, Failure> {
    let content = read_small_or_stdin(path).map_err(|error| {
        Failure::new(Exit::Failed, FileError::from_io(path.display(), &error).to_string())
    })?;
    Ok(SignedFile { path: path.to_owned(), content: content.to_vec() })
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
