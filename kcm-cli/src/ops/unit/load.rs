//! Reads a unit file on this machine with the drop-ins beside it and its environment files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kcm_systemd::{Surroundings, UnitName, is_drop_in};

use crate::cluster::layout::UNIT;
use crate::error::Error;
use crate::observed::effective::EffectiveUnit;
use crate::pki::OperatorError;
use crate::transport::{FoundUnit, UnitSource, environment};
use crate::util::explanation::Explanation;
use crate::util::files::{Disk, read_small};

const FILE: &str = "the unit";

/// Reads a unit, the drop-ins in the folder `FILE.d` beside it, and the environment files, whose
/// paths start at `root`.
///
/// # Errors
/// If a file cannot be read, or the file name is that of another unit type. A missing environment
/// file is not an error.
pub(super) fn load(file: &Path, root: &Path) -> Result<EffectiveUnit, Error> {
    let unit = name(file)?;
    let main = source(file)?;
    let mut drop_ins = Vec::new();
    for path in drop_ins_beside(file)? {
        drop_ins.push(source(&path)?);
    }
    let around = Surroundings::of(unit.clone());
    if !root.is_dir() {
        let reason = "not a directory; write the path of an existing directory";
        return Err(OperatorError::content("--root", root, reason).into());
    }
    let mut disk = Disk::machine(root);
    let environment = environment(&mut disk, std::iter::once(&main).chain(&drop_ins), &around)
        .map_err(|error| OperatorError::File { what: "EnvironmentFile=", error })?;
    let found = FoundUnit { file: Some(main), drop_ins, environment };
    let missing = || OperatorError::content(FILE, file, "not a unit; correct the path");
    Ok(EffectiveUnit::new(&found, &unit, None).ok_or_else(missing)?)
}

/// Returns the error of a unit whose effect cannot be determined.
pub(super) fn unclear(file: &Path, why: impl Into<Explanation>) -> Error {
    OperatorError::content(FILE, file, why).into()
}

/// Returns the name of the unit. A file with any other name counts as the unit of
/// kube-controller-manager.
fn name(file: &Path) -> Result<UnitName, Error> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.parse::<UnitName>() {
        Ok(name) if name.unit_type() == "service" => Ok(name),
        Ok(other) => {
            let reason = format!(
                "a unit of type {}; kcm supports only the directives of service units",
                other.unit_type()
            );
            Err(unclear(file, reason))
        }
        Err(_) => UNIT.parse().map_err(|_| unclear(file, "not a unit name; rename the file")),
    }
}

fn source(path: &Path) -> Result<UnitSource, Error> {
    let is_masked = fs::canonicalize(path).is_ok_and(|real| real == Path::new("/dev/null"));
    let content = if is_masked { Ok(zeroize::Zeroizing::default()) } else { read_small(path) };
    let content = content.map_err(|error| OperatorError::unreadable(FILE, path, &error))?;
    Ok(UnitSource { path: path.display().to_string(), target: None, content: Some(content) })
}

/// Returns the drop-ins in `FILE.d`, in systemd's order.
fn drop_ins_beside(file: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folder = file.as_os_str().to_owned();
    folder.push(".d");
    let folder = PathBuf::from(folder);
    let unreadable = |error: io::Error| OperatorError::unreadable("drop-ins", &folder, &error);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error).into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_str().is_some_and(is_drop_in) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
