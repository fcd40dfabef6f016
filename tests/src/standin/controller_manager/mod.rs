//! The stand-in for kube-controller-manager.
//!
//! It starts in the order of the real program: flags, gates, values, kubeconfig, port, delegated
//! authentication, health, election. Like the real program, it reads the files of controllers (root
//! CA, service account key, signing pair) and CIDRs only as the leader.
//!
//! With `--use-service-account-credentials`, its controllers use service account tokens. Otherwise
//! they use the kubeconfig's identity, to which the bootstrap role denies nearly everything.

mod config;
mod controllers;
mod election;
mod files;
mod gates;
mod health;
mod options;
mod signals;
mod values;
mod workloads;

use std::convert::Infallible;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;

use super::client::Client;
use super::flags::{self, Parsed};
use super::kubeconfig::Kubeconfig;
use super::version::Version;
use super::{log, random, tls};
use election::Elector;
use gates::Gates;
use health::Health;
use options::Options;
use signals::Signals;

/// The end of the process, other than by a signal.
#[derive(Debug)]
enum End {
    /// A signal with the feature gate that makes it an orderly end.
    Stopped,
    /// A failed start, or a failure of the running process.
    Failed(String),
    /// An error in the configuration that only the leader reads.
    Controllers(String),
    /// A panic as in Go, on values that no earlier check rejects.
    Panics(String),
}

impl From<String> for End {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// Runs the program with these arguments until it ends.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    if arguments.first().is_some_and(|first| first == DIES) {
        signals::die();
    }
    let version = Version::of_environment();
    let known = flags::controller_manager(version.minor);
    let listed = gates::listed(version.minor);
    let parsed = flags::parse(PROGRAM, &known, arguments).and_then(|parsed| {
        if gates::is_parse_error(version.minor)
            && let Err(errors) = Gates::read(&parsed, version.minor)
        {
            let given = parsed.text("feature-gates").unwrap_or_default();
            let why = errors.concat();
            return Err(format!("invalid argument {given:?} for \"--feature-gates\" flag: {why}"));
        }
        Ok(parsed)
    });
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{}\nError: {error}", flags::usage(&known, &listed));
            return ExitCode::FAILURE;
        }
    };
    if let Some(text) = flags::asked_for(&parsed, &known, version, &listed) {
        return flags::print(&text);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let end = runtime.block_on(async {
        let options = Options::check(&parsed, version)?;
        run(&parsed, &options).await
    });
    // Pending network operations must not delay the end of the process.
    runtime.shutdown_background();
    let Err(end) = end;
    end.report(version)
}

impl End {
    /// Logs the reason in upstream's format; returns the exit code.
    fn report(self, version: Version) -> ExitCode {
        match self {
            Self::Stopped => ExitCode::SUCCESS,
            Self::Failed(error) => {
                log::line('E', &format!("\"command failed\" err={error:?}"));
                ExitCode::FAILURE
            }
            Self::Controllers(error) => match version.minor {
                ..27 => {
                    log::line('F', &format!("error starting controllers: {error}"));
                    ExitCode::from(255)
                }
                27..35 => {
                    log::line('E', &format!("\"Error starting controllers\" err={error:?}"));
                    ExitCode::FAILURE
                }
                _ => {
                    log::line('E', &format!("\"Error building controllers\" err={error:?}"));
                    log::line('E', "\"leaderelection lost\"");
                    ExitCode::FAILURE
                }
            },
            Self::Panics(why) => {
                eprintln!("panic: {why}\n\ngoroutine 1 [running]:");
                ExitCode::from(2)
            }
        }
    }
}

/// Runs until an error or a signal.
///
/// Without the release of the Lease on exit, upstream handles no signals, so that the process dies
/// of one.
async fn run(flags: &Parsed, options: &Options) -> Result<Infallible, End> {
    log::line('I', &format!("\"Starting\" version=\"{}\"", options.version));
    let mut signals = Signals::new()?;
    let identity = election::identity()?;
    tokio::select! {
        result = work(flags, options, &identity) => return result,
        () = signals.next() => (),
    }
    // Observed with the real program: 0.05 to 2 seconds, mostly short.
    let rest = Duration::from_secs_f64(0.05 + 1.95 * random::fraction().powi(4));
    let orderly = async {
        if options.gates.releases_lease() {
            // Controllers stop before the release of the Lease, and other work follows it.
            sleep(rest / 2).await;
            release(flags, options, identity).await;
            sleep(rest / 2).await;
        } else {
            sleep(rest).await;
        }
    };
    tokio::select! {
        () = orderly => (),
        () = signals.next() => signals::die_of_it(),
    }
    if options.gates.releases_lease() {
        log::line('I', "\"leaderelection stopped\"");
        return Err(End::Stopped);
    }
    signals::die_of_it()
}

async fn release(flags: &Parsed, options: &Options, identity: String) {
    let kubeconfig = flags.path("kubeconfig").map(|path| Kubeconfig::load(&path));
    let Some(Ok(kubeconfig)) = kubeconfig.filter(|_| options.election.is_on) else { return };
    let client = Client::new(kubeconfig, options.election.patience());
    let health = Arc::new(Health::default());
    let mut elector = Elector::new(client, options.election.clone(), health, identity);
    match elector.release().await {
        Ok(()) => (),
        Err(why) => log::line('E', &why),
    }
}

/// Runs the service; returns only on an error.
async fn work(flags: &Parsed, options: &Options, identity: &str) -> Result<Infallible, End> {
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
    config::check(flags)?;
    if let Some((listener, served)) = serving {
        tokio::spawn(health::reread(served.clone()));
        tokio::spawn(health::serve(listener, served, health.clone())?);
        if let Some(why) = config::no_http2(flags) {
            let at = std::net::SocketAddr::new(options.bind_address, options.secure_port);
            return Err(End::Panics(format!("Stopped listening on {at} due to error: {why}")));
        }
    }
    if !options.election.is_on {
        return controllers::run(flags, options, &kubeconfig).await.map_err(End::Controllers);
    }
    if let Some(why) = options.election.panic() {
        return Err(End::Panics(why.to_owned()));
    }
    let client = Client::new(kubeconfig.clone(), options.election.patience());
    let mut elector = Elector::new(client, options.election.clone(), health, identity.to_owned());
    elector.acquire().await;
    tokio::select! {
        () = elector.renew() => {
            log::line('E', "\"leaderelection lost\"");
            Err(End::Failed("leaderelection lost".to_owned()))
        }
        result = controllers::run(flags, options, &kubeconfig) => result.map_err(End::Controllers),
    }
}

fn served(flags: &Parsed) -> Result<tls::Served, String> {
    match (flags.path("tls-cert-file"), flags.path("tls-private-key-file")) {
        (Some(certificate), Some(key)) => tls::Served::from_files(&certificate, &key),
        (None, None) => {
            log::line('I', "Generated self-signed cert in-memory");
            tls::Served::self_signed()
        }
        (None, Some(_)) => Err("missing filename for serving cert".to_owned()),
        (Some(_), None) => Err("missing filename for serving key".to_owned()),
    }
}

/// Reads the `ConfigMap` of delegated authentication. Like the real program, fails if the API
/// server does not answer.
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

const PROGRAM: &str = "kube-controller-manager";
/// Only argument of a process that must die of SIGTERM at once.
const DIES: &str = "--standin-dies";
const AUTHENTICATION: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
