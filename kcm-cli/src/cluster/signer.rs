//! The command that signs certificate requests.

use std::path::PathBuf;
use std::time::Duration;

use kcm_pki::GoDuration;

use super::scalar::scalar;
use super::value::invalid;

/// A command that signs certificate requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCommand {
    /// The program: a name that is looked up in `PATH`, or a path.
    pub program: String,
    /// The arguments of the program.
    pub arguments: Vec<String>,
    /// Time in which the command must end.
    pub timeout: Duration,
    /// Working directory of the command: the folder of the cluster file.
    pub folder: PathBuf,
}

/// Default of the time in which a command must end.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandWord(pub(super) String);

scalar!(CommandWord, "a word of a command", "sign-with-vault", |text| {
    if text.contains('\0') {
        return Err(invalid::<Self>(text, "remove the NUL byte"));
    }
    Ok(Self(text.to_owned()))
});

/// The time in which a command must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignerTimeout(pub(super) Duration);

scalar!(SignerTimeout, "a timeout", "1m", |text| {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3600);
    let duration = text.parse::<GoDuration>().map(GoDuration::as_duration).ok();
    duration
        .filter(|duration| bounds.contains(duration))
        .map(Self)
        .ok_or_else(|| invalid::<Self>(text, "write a time from 1s to 1h, as in 1m"))
});
