//! The human-readable report of `kcm certs timer`.

use std::io::{self, Write};
use std::path::Path;

use crate::ops::timer::{Manager, UnitText};

pub(super) fn written(
    out: &mut dyn Write,
    directory: &Path,
    [service, timer]: &[UnitText; 2],
    manager: Manager,
    is_written: bool,
) -> io::Result<()> {
    let at = directory.display();
    if is_written {
        writeln!(out, "wrote {at}/{} and {at}/{}", service.name, timer.name)?;
    } else {
        writeln!(out, "Nothing to do: {at}/{} and {at}/{} are there.", service.name, timer.name)?;
    }
    let systemctl = match manager {
        Manager::System => "systemctl",
        Manager::User => "systemctl --user",
    };
    writeln!(out, "They are switched on with:")?;
    writeln!(out, "  {systemctl} daemon-reload")?;
    writeln!(out, "  {systemctl} enable --now {}", timer.name)?;
    let agent = "There is no ssh agent in a timer: the key that ssh uses must open without one.";
    writeln!(out, "{agent}")?;
    if manager == Manager::User {
        writeln!(
            out,
            "It runs while you are logged in; `loginctl enable-linger` makes it always."
        )?;
    }
    Ok(())
}
