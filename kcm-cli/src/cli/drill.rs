//! Runs `kcm drill`.

use std::io;
use std::path::Path;

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, with_fleet};
use crate::cli::args::DrillArguments;
use crate::cli::report::{self, Report};
use crate::context::{Consent, Run};
use crate::kube::Credentials;
use crate::ops::drill::{DrillReport, DrillRequest, ProbeRequest, drill};
use crate::util::files::{FileError, words};

pub(super) async fn run(
    arguments: DrillArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let request = request(&arguments);
    // The leader is stopped only if the timeline can be written.
    let picture = arguments.svg.as_deref().map(Picture::begin).transpose()?;
    let show = async |run: Run<'_>, report: &Report| {
        let shown = drill(run, &request).await?;
        let kept = picture.map_or(Ok(()), |picture| picture.keep(&shown));
        report.drill(&shown)?;
        kept.map(|()| exit(&shown))
    };
    with_fleet(invocation, masters, show).await
}

fn exit(report: &DrillReport) -> Exit {
    Exit::of_proof(report.is_put_back(), report.is_interrupted, report.is_passed())
}

fn request(arguments: &DrillArguments) -> DrillRequest {
    let probe = arguments.admin.named().map(|kubeconfig| ProbeRequest {
        credentials: Credentials::Kubeconfig(kubeconfig),
        timeout: arguments.timeout.into(),
    });
    DrillRequest {
        method: arguments.method(),
        extent: arguments.extent(),
        even_the_last: arguments.even_the_last,
        probe,
    }
}

/// A timeline that the drill will write.
struct Picture<'a> {
    file: &'a Path,
    fresh: report::FreshFile,
}

impl<'a> Picture<'a> {
    fn begin(file: &'a Path) -> Result<Self, Failure> {
        let fresh = report::FreshFile::beside(file).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => {
                    "the parent folder does not exist; create the folder".to_owned()
                }
                io::ErrorKind::IsADirectory => {
                    "is a directory; specify a file in this directory".to_owned()
                }
                _ => words(&error),
            };
            let file = file.display();
            Failure::new(Exit::Usage, format!("cannot write the timeline: {file}: {why}"))
        })?;
        Ok(Self { file, fresh })
    }

    fn keep(self, shown: &DrillReport) -> Result<(), Failure> {
        let kept = self.fresh.persist(&shown.to_svg());
        kept.map_err(|error| {
            let error = FileError::from_io(self.file.display(), &error);
            Failure::new(exit(shown).or_failed(), format!("cannot write the timeline: {error}"))
        })
    }
}
