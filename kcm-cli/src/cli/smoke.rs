//! Runs `kcm smoke`.

use std::io;
use std::path::Path;

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, with_fleet};
use crate::cli::args::SmokeArguments;
use crate::cli::report::Report;
use crate::context::{Consent, Run};
use crate::kube::Credentials;
use crate::ops::smoke::{EtcdRequest, SmokeReport, SmokeRequest, smoke};
use crate::pki::Pair;
use crate::util::files::{FileError, read_small};

pub(super) async fn run(
    arguments: SmokeArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let request = request(&arguments)?;
    let prove = async |run: Run<'_>, report: &Report| {
        let found = smoke(run, &request).await?;
        report.smoke(&found)?;
        Ok(exit(&found))
    };
    with_fleet(invocation, masters, prove).await
}

fn exit(report: &SmokeReport) -> Exit {
    Exit::of_proof(report.left_behind.is_empty(), report.is_interrupted, report.is_passed())
}

fn request(arguments: &SmokeArguments) -> Result<SmokeRequest, Failure> {
    let SmokeArguments { admin, timeout, etcd, etcd_cacert, etcd_cert, etcd_key, .. } = arguments;
    let etcd = match (etcd_cacert, etcd_cert, etcd_key) {
        (Some(ca), Some(certificate), Some(key)) => Some(EtcdRequest {
            endpoints: etcd.clone(),
            ca: read(ca)?,
            pair: Pair { certificate: read(certificate)?, key: read(key)?.into() },
        }),
        _ => None,
    };
    Ok(SmokeRequest {
        credentials: Credentials::Kubeconfig(admin.as_kubectl()),
        etcd,
        timeout: (*timeout).into(),
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = read_small(file).and_then(|bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|_| io::ErrorKind::InvalidData.into())
    });
    text.map_err(|error| {
        let error = FileError::from_io(file.display(), &error);
        Failure::new(Exit::Usage, format!("{error}; specify a PEM file"))
    })
}
