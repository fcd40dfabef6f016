//! The stand-in for kube-controller-manager.
//!
//! It starts in the order of the real one: flags, kubeconfig, port, delegated authentication, health, election. What
//! only controllers read (root CA, service account key, signing pair, CIDRs) it reads as the real one does: when it
//! leads. With `--use-service-account-credentials` its controllers act under service account tokens; without, they act
//! under the kubeconfig's identity, which the stock role refuses nearly everything.

mod controllers;
mod election;
mod files;
mod health;
mod options;
mod workloads;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::client::Client;
use super::flags::{self, Parsed};
use super::kubeconfig::Kubeconfig;
use super::version::Version;
use super::{log, random, tls};
use election::Elector;
use health::Health;
use options::Options;

/// Runs it with these arguments, until it ends.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let version = Version::of_environment();
    let known = flags::controller_manager(version.minor);
    let parsed = match flags::parse(PROGRAM, &known, arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(text) = flags::asked_for(&parsed, &known, version) {
        return flags::print(&text);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let options = Options::check(&parsed, version)?;
        run(&parsed, &options).await
    });
    // What still waits for the network must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::line('E', &format!("\"command failed\" err={error:?}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Parsed, options: &Options) -> Result<(), String> {
    log::line('I', &format!("\"Starting\" version=\"{}\"", options.version));
    let failed = |error: std::io::Error| error.to_string();
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate()).map_err(failed)?,
        interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
    };
    tokio::select! {
        result = work(flags, options) => return result,
        () = signals.next() => (),
    }
    log::line('I', "\"Requested to terminate. Exiting.\"");
    // Seen on the real one: from 0.05 to 2 seconds, mostly short.
    let seconds = 0.05 + 1.95 * random::fraction().powi(4);
    tokio::select! {
        () = sleep(Duration::from_secs_f64(seconds)) => Ok(()),
        () = signals.next() => Err("a second signal".to_owned()),
    }
}

/// Ends only with an error.
async fn work(flags: &Parsed, options: &Options) -> Result<(), String> {
    let kubeconfig = flags.path("kubeconfig").ok_or_else(|| {
        "invalid configuration: no configuration has been provided, try setting \
         KUBERNETES_MASTER environment variable"
            .to_owned()
    })?;
    let kubeconfig = Kubeconfig::load(&kubeconfig)?;
    let health = Arc::new(Health::default());
    let serving = match options.secure_port {
        0 => None,
        port => {
            let served = Arc::new(served(flags)?);
            let at = (options.bind_address, port);
            let listener = TcpListener::bind(at).await.map_err(|error| {
                format!("failed to create listener: failed to listen on {at:?}: {error}")
            })?;
            Some((listener, served))
        }
    };
    for name in ["client-ca-file", "requestheader-client-ca-file"] {
        if let Some(path) = flags.path(name) {
            tls::certificates_of(&path).map_err(|error| format!("--{name}: {error}"))?;
        }
    }
    delegated_authentication(flags).await?;
    if let Some(path) = flags.path("authorization-kubeconfig") {
        Kubeconfig::load(&path)
            .map_err(|e| format!("failed to get delegated authorization kubeconfig: {e}"))?;
    }
    if let Some((listener, served)) = serving {
        tokio::spawn(health::reread(served.clone()));
        tokio::spawn(health::serve(listener, served, health.clone())?);
    }
    if !options.election.is_on {
        return controllers::run(flags, options, &kubeconfig).await;
    }
    // client-go gives each request half of the renew deadline.
    let patience = (options.election.renew_deadline / 2).max(Duration::from_secs(1));
    let client = Client::new(kubeconfig.clone(), patience);
    let mut elector = Elector::new(client, options.election.clone(), health)?;
    elector.acquire().await;
    tokio::select! {
        () = elector.renew() => Err("leaderelection lost".to_owned()),
        result = controllers::run(flags, options, &kubeconfig) => result,
    }
}

fn served(flags: &Parsed) -> Result<tls::Served, String> {
    match (flags.path("tls-cert-file"), flags.path("tls-private-key-file")) {
        (Some(certificate), Some(key)) => tls::Served::from_files(&certificate, &key),
        (None, None) => {
            log::line('I', "Generated self-signed cert in-memory");
            tls::Served::self_signed()
        }
        _ => Err("tls-cert-file and tls-private-key-file must be given together".to_owned()),
    }
}

/// What makes the real one exit when it reaches no API server at start.
async fn delegated_authentication(flags: &Parsed) -> Result<(), String> {
    let Some(path) = flags.path("authentication-kubeconfig") else { return Ok(()) };
    let kubeconfig = Kubeconfig::load(Path::new(&path))
        .map_err(|e| format!("failed to get delegated authentication kubeconfig: {e}"))?;
    if flags.is_on("authentication-skip-lookup", false) {
        return Ok(());
    }
    let client = Client::new(kubeconfig, Duration::from_secs(30));
    let why = match client.get(AUTHENTICATION).await {
        Ok((200, _)) => return Ok(()),
        Ok((_, status)) => status["message"].as_str().unwrap_or_default().to_owned(),
        Err(error) => error,
    };
    let why = format!("unable to load configmap based request-header-client-ca-file: {why}");
    let is_tolerated = flags.is_on("authentication-tolerate-lookup-failure", false);
    if is_tolerated || flags.path("requestheader-client-ca-file").is_some() {
        log::line('W', &why);
        return Ok(());
    }
    Err(why)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

const PROGRAM: &str = "kube-controller-manager";
const AUTHENTICATION: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
