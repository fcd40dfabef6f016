//! A master in hostile hands: a login shell that carries out what it is told and changes the answer.
//!
//! It changes nothing unless a plan lies at [`PLAN`]. Then a deterministic generator decides what it does to each exchange, from
//! the plan's seed and the command, so that a run can be repeated.

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

/// Where the plan lies on a machine: a file with a [`Plan`].
pub const PLAN: &str = "/etc/hostile-plan";

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Fields in base64 get base64 of hostile bytes.
    Coded,
    /// Other fields get hostile text without blanks.
    Plain,
    /// Numbers and times out of every range.
    Number,
    /// Lines dropped, doubled, swapped, cut.
    Lines,
    /// The answer ends early.
    Ended,
    /// 30 MB of lines, or one line without an end.
    Flood,
    /// Another host name, also those of the other masters, and so of who leads.
    Host,
    /// Other states of units, processes and files; flags that claim to lead elsewhere.
    State,
    /// Failures that did not happen, in hostile words.
    Failure,
    /// Hostile lines before and after the answer, on both streams.
    Noise,
    /// Lines that come slowly.
    Slow,
    /// An answer that never ends.
    Silent,
}

impl Kind {
    /// All that take no longer than an honest answer, or not much.
    pub const QUICK: &[Self] = Self::ALL.split_at(10).0;
    /// The quick ones first.
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

/// What a hostile master does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything that the kind leaves open.
    pub seed: u64,
    /// What is done.
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

/// Carries out what sshd asks of a login shell: `-c COMMAND`.
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
