//! The configuration for `ssh`: kcm's mandatory settings, then the user's own.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::cluster::{HostKeys, Jump, Ssh};

/// Renders the configuration for one master. The first value of a keyword counts (`ssh_config(5)`),
/// so kcm's settings come before the user's files.
pub(super) fn render(ssh: &Ssh) -> io::Result<String> {
    let mut text = String::new();
    for jump in &ssh.jump {
        text += &jump_host(jump)?;
    }
    let host_keys = match ssh.host_keys {
        HostKeys::Strict => "yes",
        HostKeys::AcceptNew => "accept-new",
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "Host *\n  StrictHostKeyChecking {host_keys}\n  ConnectTimeout {}\n{INSISTED}",
        ssh.connect_timeout.as_secs()
    );
    let own = [PathBuf::from("~/.ssh/config"), PathBuf::from("/etc/ssh/ssh_config")];
    let files = ssh.config_file.as_ref().map_or(&own[..], std::slice::from_ref);
    for file in files {
        let _ = writeln!(text, "  Include {}", quoted(file)?);
    }
    Ok(text)
}

/// Mandatory settings: no prompts, visible errors, and no forwarding, sharing or writing on this
/// machine.
const INSISTED: &str = "  BatchMode yes
  LogLevel INFO
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ClearAllForwardings yes
  ForwardAgent no
  ForwardX11 no
  PermitLocalCommand no
  UpdateHostKeys no
  ControlPath none
  RemoteCommand none
  RequestTTY no
";

/// Renders the key of a jump host: `ssh -J` has no place for it.
fn jump_host(jump: &Jump) -> io::Result<String> {
    Ok(match &jump.identity_file {
        Some(key) => {
            format!("Host {}\n  IdentityFile {}\n  IdentitiesOnly yes\n", jump.host, quoted(key)?)
        }
        None => String::new(),
    })
}

/// Renders a jump host for `ssh -J`.
pub(super) fn jump_argument(jump: &Jump) -> String {
    let user = jump.user.as_ref().map_or_else(String::new, |user| format!("{}@", user.as_str()));
    let host = jump.host.to_string();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = jump.port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{user}{host}{port}")
}

/// Renders a path for `ssh_config(5)`: quoted and absolute, with `%` escaped. Other special
/// characters are rejected.
fn quoted(path: &Path) -> io::Result<String> {
    let home = path.starts_with("~");
    let path = if home { path.to_owned() } else { std::path::absolute(path)? };
    let unusable = || {
        let problem = format!(
            "{}: ssh configuration files do not support the characters in this path; use another path",
            path.display()
        );
        io::Error::other(problem)
    };
    let text = path.to_str().ok_or_else(unusable)?;
    if text.contains(['"', '\n', '\\']) || text.contains("${") {
        return Err(unusable());
    }
    Ok(format!("\"{}\"", if home { text.to_owned() } else { text.replace('%', "%%") }))
}
