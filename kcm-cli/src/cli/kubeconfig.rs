//! Runs `kcm kubeconfig`.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use kcm_kubeconfig::AccessError;
use time::OffsetDateTime;

use super::exit::{Exit, Failure};
use super::report;
use crate::cli::args::{
    Form, KubeconfigBuildArguments, KubeconfigCheckArguments, KubeconfigShowArguments,
    KubeconfigVerb,
};
use crate::ops::kubeconfig::{
    KubeconfigCheckRequest, WriteKubeconfig, build_kubeconfig, check_kubeconfig, view_kubeconfig,
    write_kubeconfig,
};
use crate::util::files::{FileError, read_small_or_stdin};
use crate::util::words::harmless;

pub(super) fn run(verb: KubeconfigVerb, form: Form) -> Result<Exit, Failure> {
    match verb {
        KubeconfigVerb::Build(arguments) => build(&arguments),
        KubeconfigVerb::Show(arguments) => show(&arguments, form),
        KubeconfigVerb::Check(arguments) => check(&arguments, form),
    }
}

fn build(arguments: &KubeconfigBuildArguments) -> Result<Exit, Failure> {
    let built = build_kubeconfig(&arguments.request())?;
    let shows_key = built.has_key && arguments.out.is_none() && io::stdout().is_terminal();
    if shows_key {
        let message = "the kubeconfig contains the private key, and standard output is a terminal; write a file with --out FILE, or print the key with --out -";
        return Err(Failure::new(Exit::Usage, message));
    }
    report::findings(&built.warnings);
    match arguments.file() {
        None => report::content(&built.text)?,
        Some(file) => {
            let (replace, now) = (arguments.replace, OffsetDateTime::now_utc());
            let is_written = write_kubeconfig(&built, WriteKubeconfig { file, replace, now })?;
            report::kubeconfig_built(file, is_written);
        }
    }
    Ok(Exit::Done)
}

fn show(arguments: &KubeconfigShowArguments, form: Form) -> Result<Exit, Failure> {
    let file = &arguments.kubeconfig;
    let is_stdin = file.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let failed = |problem: String| Failure::new(Exit::Failed, harmless(&problem));
    let content = read_small_or_stdin(file);
    let content = content.map_err(|error| failed(FileError::from_io(&name, &error).to_string()))?;
    let text = std::str::from_utf8(&content)
        .map_err(|_| failed(format!("{name}: not UTF-8; save the file as UTF-8")))?;
    let view = view_kubeconfig(&name, text).map_err(|error| {
        let problem = format!("{name}: {error}");
        failed(format!("{problem}; {}", AccessError::from(error).help()))
    })?;
    report::kubeconfig_view(&view, form)?;
    Ok(Exit::Done)
}

fn check(arguments: &KubeconfigCheckArguments, form: Form) -> Result<Exit, Failure> {
    let check = check_kubeconfig(KubeconfigCheckRequest {
        file: &arguments.kubeconfig,
        ca: arguments.ca.as_deref().map(Path::new),
        server: arguments.server.as_ref(),
        within: arguments.within.map(Duration::from),
        now: OffsetDateTime::now_utc(),
    })?;
    report::kubeconfig_check(&check, form)?;
    Ok(Exit::of_check(check.worst()))
}
