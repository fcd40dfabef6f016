//! The stand-in for kube-apiserver.
//!
//! Flags have kube-apiserver's names and meaning. `--standin-data-dir` takes the place of etcd;
//! without it, nothing outlives the process. `--standin-startup-delay` simulates the start time of
//! a real server. `--standin-peers IP:PORT,…` names the other API servers, which real servers learn
//! from etcd.

mod audit;
mod bootstrap;
mod checks;
mod discovery;
pub(crate) mod endpoints;
mod identity;
mod kinds;
mod objects;
mod openid;
mod rbac;
mod request;
mod reviews;
mod server;
mod status;
mod store;
mod token_request;
mod tokens;
mod watching;

use std::net::{IpAddr, SocketAddr};
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
    let version = Version::of_environment();
    let tokens = tokens::Tokens::read(flags, data.as_deref(), version)?;
    let authenticator = identity::Authenticator::new(&cas, tokens, version)?;
    let listens = listens(flags)?;
    let servers = servers(flags, listens)?;
    let store = store::Store::open(data.as_deref())?;
    let own = servers.first().copied().unwrap_or(listens);
    let api = Arc::new(Server::new(store, authenticator, audit, own));
    api.bootstrap(&ca_text, &servers)?;

    // The port is not open before the delay is over.
    let seconds = flags.duration("standin-startup-delay", std::time::Duration::ZERO);
    tokio::time::sleep(seconds).await;
    let listener = TcpListener::bind(listens)
        .await
        .map_err(|error| format!("failed to listen on {listens}: {error}"))?;
    log::line('I', &format!("Serving securely on {listens}"));
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

/// Returns the address and the port to listen on.
fn listens(flags: &Parsed) -> Result<SocketAddr, String> {
    let address: IpAddr = flags.text("bind-address").unwrap_or("0.0.0.0").parse().unwrap();
    let port = flags.text("secure-port").unwrap_or("6443").parse();
    let port = port.map_err(|_| "--secure-port must be between 1 and 65535".to_owned())?;
    Ok(SocketAddr::new(address, port))
}

/// Returns the address to publish, followed by the addresses of the peers. Without
/// `--advertise-address`, a server that listens on all addresses publishes none.
fn servers(flags: &Parsed, listens: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let advertised = flags.text("advertise-address").filter(|address| !address.is_empty());
    let address = advertised.map_or(listens.ip(), |address| address.trim().parse().unwrap());
    let own = SocketAddr::new(address, listens.port());
    let peers = flags.list("standin-peers").unwrap_or_default();
    let peers = peers.iter().map(|peer| {
        peer.parse().map_err(|_| format!("--standin-peers: {peer:?} is not an address with a port"))
    });
    let own = (!own.ip().is_unspecified()).then_some(Ok(own));
    own.into_iter().chain(peers).collect()
}

const PROGRAM: &str = "kube-apiserver";

const FLAGS: &[Flag] = &[
    Flag::new("advertise-address", Type::Ip),
    Flag::new("api-audiences", Type::List),
    Flag::new("audit-log-path", Type::Text),
    Flag::new("bind-address", Type::Ip),
    Flag::new("client-ca-file", Type::Text),
    Flag::new("help", Type::Bool),
    Flag::new("secure-port", Type::Int32),
    Flag::new("service-account-issuer", Type::Text),
    Flag::new("service-account-key-file", Type::Text),
    Flag::new("service-account-signing-key-file", Type::Text),
    Flag::new("standin-data-dir", Type::Text),
    Flag::new("standin-peers", Type::List),
    Flag::new("standin-startup-delay", Type::Duration),
    Flag::new("tls-cert-file", Type::Text),
    Flag::new("tls-private-key-file", Type::Text),
    Flag::new("version", Type::Version),
];
