//! Runs `kcm certs timer`: writes a systemd service and timer on this machine.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use super::cluster_file;
use super::exit::{Exit, Failure};
use crate::cli::args::{CertsTimerArguments, CommonArguments};
use crate::cli::report;
use crate::ops::timer::{CertificateTimer, Manager, TIMER_MARK, UnitText, certificate_timer};
use crate::util::files::{FileError, Mode};

pub(super) fn write(
    arguments: &CertsTimerArguments,
    common: &CommonArguments,
) -> Result<Exit, Failure> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| failed(path, &error));
    if common.is_standard_stream() {
        let message = "-f -: the units need the path of a cluster file; name one with -f";
        return Err(Failure::new(Exit::Usage, message));
    }
    let file = absolute(&common.file)?;
    let cluster = cluster_file::read(&file)?;
    let manager =
        if rustix::process::geteuid().is_root() { Manager::System } else { Manager::User };
    let directory = match &arguments.directory {
        Some(directory) => absolute(directory)?,
        None => usual_directory(manager)?,
    };
    let program = std::env::current_exe().map_err(|error| failed(Path::new("kcm"), &error))?;
    let timer = CertificateTimer {
        name: arguments.name.clone(),
        manager,
        program,
        cluster_file: file,
        textfile: arguments.textfile.as_deref().map(absolute).transpose()?,
        renew: arguments.renew,
        due_succeeds: arguments.due_succeeds,
        on_calendar: arguments.on_calendar.clone(),
    };
    let units = certificate_timer(&timer, &cluster)
        .map_err(|error| Failure::new(Exit::Usage, error.explanation()))?;
    check_calendar(timer.on_calendar.trim())?;
    let is_written = write_both(&directory, &units)?;
    report::timer(&directory, &units, manager, is_written)?;
    Ok(Exit::Done)
}

/// Checks a time with `systemd-analyze calendar`, if it is installed.
///
/// systemd ignores an invalid `OnCalendar=` value, and the timer would never run.
fn check_calendar(time: &str) -> Result<(), Failure> {
    let asked = Command::new("systemd-analyze").args(["calendar", "--", time]).output();
    match asked {
        Ok(output) if !output.status.success() => {
            let message = format!(
                "--on-calendar: `systemd-analyze calendar` rejects `{time}`; write a time in systemd.time(7) syntax, such as `daily` or `Mon *-*-* 06:00`"
            );
            Err(Failure::new(Exit::Usage, message))
        }
        // Without systemd on this machine, the units are for another machine.
        _ => Ok(()),
    }
}

fn usual_directory(manager: Manager) -> Result<PathBuf, Failure> {
    if manager == Manager::System {
        return Ok("/etc/systemd/system".into());
    }
    let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = of("XDG_CONFIG_HOME").or_else(|| of("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("systemd/user")).ok_or_else(|| {
        let message =
            "cannot determine the folder of user units: neither XDG_CONFIG_HOME nor HOME is an absolute path; specify the folder with --directory";
        Failure::new(Exit::Usage, message)
    })
}

/// Writes both units or neither. Returns `false` if both already have this content.
fn write_both(directory: &Path, units: &[UnitText; 2]) -> Result<bool, Failure> {
    let mut fresh = Vec::new();
    for unit in units {
        let path = directory.join(unit.name.as_str());
        let before = match fs::read(&path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path, &error)),
        };
        match before {
            Some(before) if before == unit.text.as_bytes() => {}
            Some(before) if !before.starts_with(TIMER_MARK.as_bytes()) => {
                let message = format!(
                    "{}: kcm did not create this file; move the file away, or choose another --name",
                    path.display()
                );
                return Err(Failure::new(Exit::Failed, message));
            }
            before => fresh.push((path, before, unit.text.as_bytes())),
        }
    }
    if fresh.is_empty() {
        return Ok(false);
    }
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    let mut staged = Vec::new();
    for (path, before, text) in fresh {
        let file = stage(directory, text).map_err(|error| failed(&path, &error))?;
        staged.push((path, before, file));
    }
    let mut placed: Vec<(PathBuf, Option<Vec<u8>>)> = Vec::new();
    for (path, before, file) in staged {
        if let Err(error) = file.persist(&path) {
            for (path, before) in placed {
                // A unit that cannot be restored is still a complete file.
                let _ = match before {
                    None => fs::remove_file(&path),
                    Some(before) => stage(directory, &before)
                        .and_then(|file| file.persist(&path).map(drop).map_err(|it| it.error)),
                };
            }
            return Err(failed(&path, &error.error));
        }
        placed.push((path, before));
    }
    Ok(true)
}

fn stage(directory: &Path, text: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(Mode::PUBLIC.bits()))
        .tempfile_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, FileError::from_io(path.display(), error).explanation())
}
