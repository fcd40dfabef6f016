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
        writeln!(
            out,
            "Nothing to do: {at}/{} and {at}/{} are up to date.",
            service.name, timer.name
        )?;
    }
    let systemctl = match manager {
        Manager::System => "systemctl",
        Manager::User => "systemctl --user",
    };
    writeln!(out, "Enable the timer with:")?;
    writeln!(out, "  {systemctl} daemon-reload")?;
    writeln!(out, "  {systemctl} enable --now {}", timer.name)?;
    let agent = "A timer has no SSH agent: the SSH private key must be usable without an agent.";
    writeln!(out, "{agent}")?;
    if manager == Manager::User {
        writeln!(
            out,
            "A user timer runs only while you are logged in; run `loginctl enable-linger` to run the timer always."
        )?;
    }
    Ok(())
}
