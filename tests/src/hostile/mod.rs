//! A hostile master: a login shell that runs each command and changes its output.
//!
//! It changes nothing unless the file [`PLAN`] exists. A deterministic generator then decides the
//! change to each exchange from the plan's seed and the command. A run can thus be repeated.

mod filter;
mod line;
mod random;
mod words;

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;

use filter::Filter;
pub use random::Random;
pub use words::{COMMAND, FORGED, MARK, STYLED};

/// Path on a machine of the file with the [`Plan`].
pub const PLAN: &str = "/etc/hostile-plan";

/// The kind of change to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Puts hostile bytes into base64 fields.
    Coded,
    /// Puts hostile text without blanks into other fields.
    Plain,
    /// Replaces numbers and times with extreme or malformed ones.
    Number,
    /// Drops, repeats, truncates or swaps lines.
    Lines,
    /// Ends the answer early.
    Ended,
    /// Inserts 30 MiB of lines, or of one line without an end.
    Flood,
    /// Replaces the host name, possibly with that of the leader, and adds flags to processes.
    Host,
    /// Replaces states of units, processes and files, or adds flags to processes.
    State,
    /// Reports failures that did not happen, with hostile text.
    Failure,
    /// Writes hostile lines before and after the answer, on both streams.
    Noise,
    /// Delays lines.
    Slow,
    /// Stalls for longer than kcm may wait.
    Silent,
}

impl Kind {
    /// Kinds that take hardly longer than an honest answer.
    pub const QUICK: &[Self] = Self::ALL.split_at(10).0;
    /// All kinds, the quick ones first.
    const ALL: [Self; 12] = [
        Self::Coded,
        Self::Plain,
        Self::Number,
        Self::Lines,
        Self::Ended,
        Self::Flood,
        Self::Host,
        Self::State,
        Self::Failure,
        Self::Noise,
        Self::Slow,
        Self::Silent,
    ];
}

/// The behaviour of a hostile master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Seed of every choice that the kind leaves open.
    pub seed: u64,
    /// Kind of change.
    pub kind: Kind,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.seed, self.kind)
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no plan: {text:?}");
        let (seed, kind) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let kind = Kind::ALL.into_iter().find(|it| format!("{it:?}") == kind).ok_or_else(wrong)?;
        Ok(Self { seed: seed.parse().map_err(|_| wrong())?, kind })
    }
}

/// Runs the command that sshd passes to a login shell as `-c COMMAND`, and changes its output as
/// planned.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let mut shell = Command::new("/bin/sh");
    shell.args(arguments);
    let filter = match arguments {
        [option, command] if option == "-c" => {
            planned().and_then(|plan| Filter::new(plan, command))
        }
        _ => None,
    };
    let Some(filter) = filter else {
        let _ = shell.exec();
        return ExitCode::from(127);
    };
    let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
    let said = child.stdout.take().unwrap();
    let early = filter.run(said);
    let code = early.or_else(|| child.wait().ok().and_then(|status| status.code()));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}

fn planned() -> Option<Plan> {
    fs::read_to_string(PLAN).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        for kind in Kind::ALL {
            let plan = Plan { seed: 77, kind };
            assert_eq!(plan.to_string().parse(), Ok(plan));
        }
        assert!("77".parse::<Plan>().is_err());
    }
}
