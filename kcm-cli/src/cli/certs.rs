//! `kcm certs`.

use std::path::Path;
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::{Masters, with_fleet};
use crate::args::{CertsCheckArguments, CertsVerb};
use crate::certs::{CertificateCheck, check_certificates};
use crate::files::FileError;
use crate::interrupt::Interrupt;
use crate::report::{self, Report};
use crate::run::{Consent, Run};

pub(super) async fn run(verb: CertsVerb, interrupt: &Interrupt) -> Result<Exit, Failure> {
    match verb {
        CertsVerb::Check(arguments) => check(&arguments, interrupt).await,
    }
}

async fn check(arguments: &CertsCheckArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let masters = Masters::of(&arguments.select, Consent::default());
    let check = async |run: Run<'_>, report: &Report| {
        let within = arguments.within.map(Duration::from);
        let check = check_certificates(run, within).await?;
        report_check(&check, report, arguments.textfile.as_deref())
    };
    with_fleet(masters, interrupt, check).await
}

fn report_check(
    check: &CertificateCheck,
    report: &Report,
    textfile: Option<&Path>,
) -> Result<Exit, Failure> {
    report.certificates(check)?;
    if let Some(file) = textfile {
        report::certificate_metrics(check, file).map_err(|error| {
            let error = FileError::from_io(file.display(), &error);
            Failure::new(Exit::Failed, format!("the metrics cannot be written: {error}"))
        })?;
    }
    Ok(match (check.is_due(), check.is_complete()) {
        (true, _) => Exit::ToDo,
        (false, true) => Exit::Done,
        (false, false) => Exit::Failed,
    })
}
