//! The stand-in for kube-apiserver.
//!
//! Flags have kube-apiserver's names and meaning. `--standin-data-dir` takes the place of etcd;
//! without it, nothing outlives the process. `--standin-startup-delay` simulates the start time of
//! a real server.

mod audit;
mod checks;
mod discovery;
mod identity;
mod kinds;
mod objects;
mod rbac;
mod request;
mod reviews;
mod server;
mod status;
mod store;
mod watching;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use super::flags::{self, Flag, Parsed, Type};
use super::version::Version;
use super::{http, log, tls};
use server::Server;

/// Runs the server with these arguments until SIGTERM or SIGINT.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let parsed = match flags::parse(PROGRAM, FLAGS, arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(text) = flags::asked_for(&parsed, FLAGS, Version::of_environment(), &[]) {
        return flags::print(&text);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(run(&parsed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::line('E', &format!("\"command failed\" err={error:?}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Parsed) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let file = |name: &str| flags.path(name).ok_or_else(|| format!("--{name} must be given"));
    let (certificate, key) = (file("tls-cert-file")?, file("tls-private-key-file")?);
    let cas = tls::certificates_of(&file("client-ca-file")?)?;
    let ca_text = String::from_utf8_lossy(&tls::read(&file("client-ca-file")?)?).into_owned();
    let served = Arc::new(tls::Served::from_files(&certificate, &key)?);
    let config = tls::server(served.clone(), Some(&cas))?;

    let data = flags.path("standin-data-dir");
    let audit = audit::Audit::open(flags.path("audit-log-path").as_deref())?;
    let secret = token_secret(data.as_deref())?;
    let authenticator = identity::Authenticator::new(&cas, &secret, Version::of_environment())?;
    let store = store::Store::open(data.as_deref())?;
    let api = Arc::new(Server::new(store, authenticator, audit));
    api.bootstrap(&ca_text)?;

    // The port is not open before the delay is over.
    let seconds = flags.duration("standin-startup-delay", std::time::Duration::ZERO);
    tokio::time::sleep(seconds).await;
    let address: IpAddr = flags.text("bind-address").unwrap_or("0.0.0.0").parse().unwrap();
    let port: u16 = flags
        .text("secure-port")
        .unwrap_or("6443")
        .parse()
        .map_err(|_| "--secure-port must be between 1 and 65535".to_owned())?;
    let listener = TcpListener::bind((address, port))
        .await
        .map_err(|error| format!("failed to listen on {address}:{port}: {error}"))?;
    log::line('I', &format!("Serving securely on {address}:{port}"));
    let handle = move |peer, request| {
        let api = api.clone();
        async move { api.answer(peer, request).await }
    };
    tokio::select! {
        () = http::serve(listener, TlsAcceptor::from(Arc::new(config)), handle) => (),
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Ok(())
}

/// Reads or creates the key of the service account tokens, which is stored with the data.
fn token_secret(data: Option<&Path>) -> Result<Vec<u8>, String> {
    let path = data.map(|data| data.join("token-key"));
    if let Some(secret) = path.as_ref().and_then(|path| std::fs::read(path).ok()) {
        return Ok(secret);
    }
    let mut secret = vec![0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|error| error.to_string())?;
    if let Some(path) = path {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(&PathBuf::from("/"))).map_err(failed)?;
        std::fs::write(&path, &secret).map_err(failed)?;
    }
    Ok(secret)
}

const PROGRAM: &str = "kube-apiserver";

const FLAGS: &[Flag] = &[
    Flag::new("audit-log-path", Type::Text),
    Flag::new("bind-address", Type::Ip),
    Flag::new("client-ca-file", Type::Text),
    Flag::new("help", Type::Bool),
    Flag::new("secure-port", Type::Int32),
    Flag::new("standin-data-dir", Type::Text),
    Flag::new("standin-startup-delay", Type::Duration),
    Flag::new("tls-cert-file", Type::Text),
    Flag::new("tls-private-key-file", Type::Text),
    Flag::new("version", Type::Version),
];
