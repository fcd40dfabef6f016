//! Runs `kcm cert`: keys, certificate requests and certificates by hand.

use std::io;
use std::path::Path;

use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Invocation;
use super::exit::{Exit, Failure};
use crate::cli::args::{CertVerb, Form, OutArguments, ShowArguments, SignArguments};
use crate::cli::report::{self, CertificateFiles};
use crate::error::Error;
use crate::ops::cert::{
    CertificateDetails, CertificateList, Input, Made, issue_new, new_ca, read_csr, read_request,
    read_subject, request, sign, verify,
};
use crate::pki::{NamedPaths, OperatorError, with_help};
use crate::transport::{StreamAddress, presented_by};
use crate::util::words::in_full;

const FILE: &str = "the certificate file";
/// Time limit for a connection.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn run(verb: CertVerb, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let now = OffsetDateTime::now_utc();
    match verb {
        CertVerb::NewCa(arguments) => {
            let csr = Input::new(&arguments.csr);
            let issuer = arguments.issuer();
            if issuer.is_none() && arguments.has_passphrase() {
                let message = "--passphrase-file, --passphrase-env: valid only with --ca";
                return Err(Failure::new(Exit::Usage, message));
            }
            if let Some(name) = &arguments.out.out {
                refuse_to_replace(&NamedPaths::new(name).map_err(Error::from)?)?;
            }
            make(arguments.out, (invocation, now), true, move || {
                let csr = read_csr(&csr)?;
                let issuer = issuer.map(|it| it.open(&super::ask_for_passphrase)).transpose()?;
                new_ca(csr, issuer.as_ref(), now)
            })
            .await
        }
        CertVerb::Request(arguments) => {
            let csr = Input::new(&arguments.csr);
            make(arguments.out, (invocation, now), true, move || request(read_csr(&csr)?)).await
        }
        CertVerb::Issue(arguments) => {
            let (csr, signing) = (Input::new(&arguments.csr), arguments.signing);
            let issue = move || {
                let csr = read_csr(&csr)?;
                issue_new(
                    signing.files().open(&super::ask_for_passphrase)?,
                    csr,
                    signing.hostname,
                    now,
                )
            };
            make(arguments.out, (invocation, now), true, issue).await
        }
        CertVerb::Sign(SignArguments { request, subject, signing, out }) => {
            let sign = move || {
                let subject = subject.as_deref().map(read_subject).transpose()?;
                let request = read_request(&Input::new(&request))?;
                let hosts = signing.hostname.clone().unwrap_or_default();
                sign(
                    signing.files().open(&super::ask_for_passphrase)?,
                    request,
                    (subject, hosts),
                    now,
                )
            };
            make(out, (invocation, now), false, sign).await
        }
        CertVerb::Show(arguments) => show(&arguments, invocation, now).await,
        CertVerb::Verify(arguments) => {
            let verified = verify(&arguments.verification(), now)?;
            report::verified(invocation.common.output, &verified)?;
            Ok(if verified.is_due { Exit::ToDo } else { Exit::Done })
        }
    }
}

/// Requires that no CA key is replaced: certificates that a lost key signed cannot be renewed.
///
/// First completes the files of an interrupted run, so that its key never stays without its
/// certificate.
fn refuse_to_replace(paths: &NamedPaths) -> Result<(), Failure> {
    let was_interrupted = paths.complete().map_err(Error::from)?;
    if !std::fs::exists(&paths.key).unwrap_or(true) {
        return Ok(());
    }
    let reason = if was_interrupted {
        "belongs to the CA of an interrupted run, whose files are complete now; use this CA, or move its files away"
    } else {
        "exists already, and kcm does not replace the key of a CA; choose another name, or move the file away"
    };
    Err(Error::from(OperatorError::configuration("--out", &paths.key, reason)).into())
}

/// Runs `work`, and writes what it made: to files, or to standard output.
async fn make(
    OutArguments { out }: OutArguments,
    (invocation, now): (Invocation<'_>, OffsetDateTime),
    has_key: bool,
    work: impl FnOnce() -> Result<Made, Error> + Send + 'static,
) -> Result<Exit, Failure> {
    let form = invocation.common.output;
    let usage = |message: &str| Err(Failure::new(Exit::Usage, message));
    match (&out, form) {
        (Some(_), Form::Cfssl) => {
            return usage("-o cfssl: prints what --out writes to files; use one of them");
        }
        (None, Form::Human) if has_key => {
            return usage(
                "the new key needs a file: add --out NAME; or print everything with -o cfssl",
            );
        }
        (None, Form::Json | Form::Yaml | Form::Jsonl) => {
            return usage("this format describes files: add --out NAME; or use -o cfssl");
        }
        _ => {}
    }
    let paths = out.as_deref().map(NamedPaths::new).transpose().map_err(Error::from)?;
    // The generation of a key can take a minute, and must not delay an interrupt.
    let work = tokio::task::spawn_blocking(work);
    let made = tokio::select! {
        biased;
        () = invocation.interrupt.asked() => Err(Error::Interrupted),
        made = work => made.map_err(io::Error::other)?,
    }?;
    report::warnings(&made.warnings)?;
    match paths {
        Some(paths) => {
            paths.store(&made.content()).map_err(Error::from)?;
            report::made(form, &CertificateFiles::new(&made, &paths, now))?;
        }
        None if form == Form::Cfssl => report::text(&made.cfssl_json())?,
        None => report::text(&made.content().certificate.unwrap_or_default())?,
    }
    Ok(Exit::Done)
}

async fn show(
    arguments: &ShowArguments,
    invocation: Invocation<'_>,
    at: OffsetDateTime,
) -> Result<Exit, Failure> {
    let path = arguments.source.as_path();
    let certificates = match address(path).filter(|_| !path.exists()) {
        Some(address) => presented(&address).await.map_err(|reason| {
            Failure::new(Exit::Failed, format!("{address}: cannot read the certificates: {reason}"))
        })?,
        None => read(path)?,
    };
    let list = CertificateList {
        source: path.display().to_string(),
        at,
        certificates: certificates.iter().map(|it| CertificateDetails::new(it, at)).collect(),
    };
    report::certificate_list(invocation.common.output, &list)?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Vec<kcm_pki::Certificate>, Failure> {
    let bytes = Input::new(path).read(FILE).map_err(Error::from)?;
    Ok(kcm_pki::Certificate::all_from_pem(&bytes).map_err(|error| {
        let help = "name a file with certificates in PEM format, or a server as HOST:PORT";
        Error::from(OperatorError::content(FILE, path, with_help(&error, help)))
    })?)
}

/// Reads `HOST:PORT`; an IPv6 address is in brackets.
fn address(text: &Path) -> Option<StreamAddress> {
    let (host, port) = text.to_str()?.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.unwrap_or(host);
    let is_host = !host.is_empty() && (bracketed.is_some() || !host.contains([':', '/']));
    is_host.then_some(StreamAddress { host: host.to_owned(), port: port.parse().ok()? })
}

/// Returns the certificates that a TLS server presents. Nothing is verified.
async fn presented(address: &StreamAddress) -> Result<Vec<kcm_pki::Certificate>, String> {
    let connected = timeout(PATIENCE, TcpStream::connect((address.host.as_str(), address.port)));
    let stream = connected
        .await
        .map_err(|_| format!("no connection within {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    let chain = presented_by(Box::new(stream), address).await?;
    let read = |der: &Vec<u8>| kcm_pki::Certificate::from_der(der).map_err(|it| in_full(&it));
    chain.iter().map(read).collect()
}
