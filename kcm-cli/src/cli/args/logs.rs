//! Arguments of `kcm logs`.

use std::time::Duration;

use clap::Args;
use kcm_pki::GoDuration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::SelectArguments;
use crate::ops::logs::{LogsQuestion, Pattern};

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Wait for new messages until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Start this long ago, such as 15m, or at this time, such as 2026-11-25T12:00:00Z
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = since)]
    since: Since,
    /// Show only messages that match this regular expression (RE2 syntax, `(?i)` ignores case); the
    /// match runs on this machine
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::parse)]
    grep: Option<Pattern>,
}

impl LogsArguments {
    pub(crate) fn question(&self, now: OffsetDateTime) -> LogsQuestion {
        let since = match self.since {
            Since::Ago(time) => now.checked_sub(time.try_into().unwrap_or(time::Duration::MAX)),
            Since::At(time) => Some(time),
        };
        let since = since.unwrap_or(OffsetDateTime::UNIX_EPOCH).max(OffsetDateTime::UNIX_EPOCH);
        LogsQuestion { since, follow: self.follow, grep: self.grep.clone() }
    }
}

/// The time of the first message to show.
#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(Duration),
    At(OffsetDateTime),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(Since::At(time));
    }
    let ago = text
        .parse::<GoDuration>()
        .map_err(|error| format!("{error}; or specify a time, such as `2026-11-25T12:00:00Z`"))?;
    Ok(Since::Ago(ago.into()))
}
