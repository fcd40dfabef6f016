//! The parser of a master's answer.

mod failures;
mod services;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};
use zeroize::Zeroizing;

use crate::transport::interpret::{folders, stage_folders};
use crate::transport::{
    Activity, Batch, Enablement, Examine, Examined, Inspect, Inspected, Observation, Operation,
    OperationError, OperationFailure, Output, PathState, Probe, ProbeReply, Replies, Reply,
    UnitAction, UnitState, UntrustedFolder,
};
use crate::util::files::{FileErrorKind, Mode, Owner, RemotePath, Room};
use crate::util::words::harmless;
use failures::{changed, failure, naming_what_was_expected, unit_changed};
use services::{
    account, connections, found_unit, process, program, settled, strangers, unreadable, version,
};

/// First year that a master's clock can show.
const EPOCH_YEAR: i32 = 1970;
const END_OF_CLOCKS: i32 = 9000;

/// The error of an answer that does not match the batch: the master's shell or tools are not as kcm
/// expects.
#[derive(Debug)]
pub(super) struct Garbled {
    /// The expected item.
    expected: &'static str,
    /// The text found instead.
    found: String,
}

impl std::fmt::Display for Garbled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found: String = self.found.chars().take(80).collect();
        let found = harmless(&found);
        write!(
            f,
            "unexpected output of the shell on the master: \"{found}\", expected {}",
            self.expected
        )
    }
}

/// The reason the next reply is missing.
enum Stop {
    Failed(OperationError),
    Garbled(Garbled),
}

type Step<T> = Result<T, Stop>;

/// Parses the answer to `batch`.
pub(super) fn replies(batch: &Batch, text: &str) -> Result<Replies, Garbled> {
    let mut answer = Answer { lines: text.lines() };
    let mut done = Vec::with_capacity(batch.operations.len());
    for (index, operation) in batch.operations.iter().enumerate() {
        match answer.reply(operation) {
            Ok(reply) => done.push(reply),
            Err(Stop::Garbled(garbled)) => return Err(garbled),
            Err(Stop::Failed(error)) => {
                let error = naming_what_was_expected(error, operation);
                let failed = OperationFailure { index, operation: operation.name(), error };
                return Ok(Replies { done, failed: Some(failed) });
            }
        }
    }
    Ok(Replies { done, failed: None })
}

struct Answer<'a> {
    lines: std::str::Lines<'a>,
}

impl<'a> Answer<'a> {
    /// Returns the rest of the next line, which must begin with `word`, or the failure in its
    /// place.
    fn line(&mut self, word: &'static str) -> Step<&'a str> {
        let line = self.lines.next().unwrap_or_default();
        match line.split_once(' ').unwrap_or((line, "")) {
            (found, rest) if found == word => Ok(rest),
            ("failed", rest) => Err(failure(rest)),
            ("changed", rest) => Err(changed(rest)),
            ("untrusted", rest) => Err(Stop::Failed(untrusted_folder(rest)?.to_error())),
            ("unitChanged", rest) => Err(unit_changed(rest)),
            _ => Err(garbled(word, line)),
        }
    }

    fn reply(&mut self, operation: &Operation) -> Step<Reply> {
        let reply = match operation {
            Operation::Probe(probe) => Reply::Probe(self.probe(probe)?),
            Operation::Read(_) => Reply::Read(match self.line("content")? {
                "-" => None,
                content => Some(Zeroizing::new(decode(content)?)),
            }),
            Operation::CheckFolders(_) => Reply::CheckedFolders(self.folders()?),
            Operation::FindUnit(_) => Reply::FoundUnit(found_unit(|| self.line("unitFiles"))?),
            Operation::Examine(examine) => Reply::Examined(self.examined(examine)?),
            Operation::Inspect(inspect) => Reply::Inspected(self.inspected(inspect)?),
            Operation::Stage(_) => Reply::Staged { made: self.made()? },
            Operation::Unstage(_) => Reply::Unstaged,
            Operation::Commit(_) => Reply::Committed,
            Operation::Unit(UnitAction::Stop { .. } | UnitAction::Kill { .. }) => {
                Reply::Stopped { gone: moment(self.line("gone")?)? }
            }
            Operation::Unit(_) => Reply::Unit,
            Operation::Settle(settle) => {
                let mut settled = settled(self.line("settled")?)?;
                if settle.connections {
                    settled.connections = Some(connections(self.line("connected")?)?);
                }
                Reply::Settled(settled)
            }
            Operation::NoteProgram(_) => Reply::Noted,
            Operation::Exec(_) => Reply::Exec(self.output()?),
        };
        self.line("done").map(|_| reply)
    }

    fn probe(&mut self, probe: &Probe) -> Step<ProbeReply> {
        let host = self.line("host")?;
        let (is_root, hostname) = host.split_once(' ').ok_or_else(|| garbled("a host", host))?;
        let paths = probe.paths.iter().map(|_| path_state(self.line("path")?));
        let paths = paths.collect::<Step<_>>()?;
        let rooms = folders(&probe.paths).into_iter();
        let rooms = rooms.map(|folder| Ok((folder, room(self.line("room")?)?)));
        let rooms = rooms.collect::<Step<_>>()?;
        let mut leftovers = Vec::new();
        for folder in stage_folders(&probe.paths) {
            if self.line("leftover")? == "1" {
                leftovers.push(folder);
            }
        }
        let unit = self.unit()?;
        let processes = self.processes()?;
        let accounts = probe.accounts.iter().map(|_| account(self.line("account")?));
        let accounts = accounts.collect::<Step<_>>()?;
        let hostname = Some(hostname.to_owned());
        let can_set_owner = is_root == "1";
        Ok(ProbeReply {
            hostname,
            can_set_owner,
            paths,
            rooms,
            leftovers,
            unit,
            processes,
            accounts,
        })
    }

    fn unit(&mut self) -> Step<UnitState> {
        let mut properties = Vec::new();
        loop {
            match self.line("unit")? {
                "end" => return unit_state(&Properties(properties)),
                property => properties.extend(property.split_once('=')),
            }
        }
    }

    fn processes(&mut self) -> Step<Observation<Vec<u32>>> {
        let said = self.line("processes")?;
        match said.split_once(' ').unwrap_or((said, "")) {
            ("known", numbers) => {
                numbers.split_whitespace().map(number).collect::<Step<_>>().map(Observation::Known)
            }
            ("unknown", _) => Ok(Observation::Unknown(
                "only root can inspect the processes of other users".to_owned(),
            )),
            _ => Err(garbled("processes", said)),
        }
    }

    fn examined(&mut self, examine: &Examine) -> Step<Examined> {
        let clock = Some(moment(self.line("clock")?)?);
        let program = match &examine.program {
            Some(_) => Some(program(self.line("program")?)?),
            None => None,
        };
        let strangers = strangers(self.line("strangers")?)?;
        let unreadable = unreadable(self.line("unreadable")?)?;
        Ok(Examined { clock, program, strangers, unreadable })
    }

    fn inspected(&mut self, inspect: &Inspect) -> Step<Inspected> {
        let clock = moment(self.line("clock")?)?;
        let version = match &inspect.program {
            Some(_) => Some(version(self.line("version")?)?),
            None => None,
        };
        Ok(Inspected { clock, version, process: process(self.line("process")?)? })
    }

    fn folders(&mut self) -> Step<Vec<UntrustedFolder>> {
        let mut folders = Vec::new();
        loop {
            match self.line("folder")? {
                "end" => return Ok(folders),
                folder => folders.push(untrusted_folder(folder)?),
            }
        }
    }

    fn made(&mut self) -> Step<Vec<RemotePath>> {
        let mut made = Vec::new();
        loop {
            match self.line("made")? {
                "" => return Ok(made),
                path => made.push(RemotePath::new(path).map_err(|_| garbled("a path", path))?),
            }
        }
    }

    fn output(&mut self) -> Step<Output> {
        let status = number::<i32>(self.line("exit")?)?;
        Ok(Output {
            // A shell reports a signal as 128 plus its number.
            status: (!(129..=192).contains(&status)).then_some(status),
            stdout: decode(self.line("out")?)?,
            stderr: decode(self.line("err")?)?,
        })
    }
}

fn path_state(said: &str) -> Step<PathState> {
    let words: Vec<_> = said.split_whitespace().collect();
    match words[..] {
        ["absent"] => Ok(PathState::Absent),
        ["file", digest, mode, uid, gid, size, changed] => Ok(PathState::File {
            digest: format!("sha256:{digest}").parse().map_err(|_| garbled("a digest", digest))?,
            size: number(size)?,
            mode: octal(mode)?,
            owner: owner(uid, gid)?,
            changed: moment(changed)?,
        }),
        ["unread", mode, uid, gid, size, changed] => Ok(PathState::Unread {
            size: number(size)?,
            mode: octal(mode)?,
            owner: owner(uid, gid)?,
            changed: moment(changed)?,
        }),
        ["folder", mode, uid, gid] => {
            Ok(PathState::Folder { mode: octal(mode)?, owner: owner(uid, gid)? })
        }
        ["link", target] => {
            Ok(PathState::Link { target: String::from_utf8_lossy(&decode(target)?).into_owned() })
        }
        ["other"] => Ok(PathState::Other),
        _ => Err(garbled("the state of a path", said)),
    }
}

fn untrusted_folder(said: &str) -> Step<UntrustedFolder> {
    let words: Vec<_> = said.split(' ').collect();
    let [is_foreign, mode, uid, gid, path] = words[..] else {
        return Err(garbled("a folder", said));
    };
    let path = String::from_utf8_lossy(&decode(path)?).into_owned();
    let path = RemotePath::new(path).map_err(|_| garbled("the path of a folder", said))?;
    let (owner, mode) = (owner(uid, gid)?, octal(mode)?);
    Ok(UntrustedFolder { path, owner, mode, is_foreign: is_foreign == "1" })
}

fn room(said: &str) -> Step<Room> {
    let (available, obstacle) =
        said.split_once(' ').ok_or_else(|| garbled("free disk space", said))?;
    Ok(Room {
        available: number(available)?,
        obstacle: match obstacle {
            "none" => None,
            "readOnly" => Some(FileErrorKind::ReadOnly),
            "permissionDenied" => Some(FileErrorKind::PermissionDenied),
            _ => return Err(garbled("an obstacle", obstacle)),
        },
    })
}

/// The properties of a unit, as `systemctl show` and similar commands print them.
struct Properties<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Properties<'a> {
    fn value(&self, name: &'static str) -> Step<&'a str> {
        let found = self.0.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value).ok_or_else(|| garbled(name, "a unit without this property"))
    }
}

fn unit_state(properties: &Properties<'_>) -> Step<UnitState> {
    let enablement = match properties.value("Enablement")? {
        "enabled" => Enablement::Enabled,
        "masked" | "masked-runtime" => Enablement::Masked,
        "" => Enablement::Absent,
        _ => Enablement::Disabled,
    };
    let result = || properties.value("Result").map(str::to_owned);
    let activity = match (properties.value("ActiveState")?, properties.value("SubState")?) {
        ("active" | "reloading", _) => Activity::Active {
            invocation: properties.value("InvocationID")?.to_owned(),
            main_pid: number(properties.value("MainPID")?)?,
            since: since(properties)?,
        },
        // The unit ended with an error, and systemd may be about to restart it.
        ("failed", _) | (_, "auto-restart" | "auto-restart-queued") => {
            let returns = properties.value("ActiveState")? != "failed";
            Activity::Failed { result: result()?, returns }
        }
        _ => Activity::Inactive,
    };
    let needs_reload = properties.value("NeedDaemonReload")? == "yes";
    // An empty property may be missing.
    let drop_ins = properties.value("DropInPaths").unwrap_or_default().split_whitespace();
    let drop_ins = drop_ins.map(str::to_owned).collect();
    let restarts = number(properties.value("NRestarts")?)?;
    Ok(UnitState { enablement, activity, needs_reload, drop_ins, restarts })
}

fn garbled(expected: &'static str, found: &str) -> Stop {
    Stop::Garbled(Garbled { expected, found: found.to_owned() })
}

fn decode(text: &str) -> Step<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| garbled("base64", text))
}

fn number<N: std::str::FromStr>(text: &str) -> Step<N> {
    text.parse().map_err(|_| garbled("a number", text))
}

fn octal(text: &str) -> Step<Mode> {
    u32::from_str_radix(text, 8).map(Mode::from_bits).map_err(|_| garbled("a mode", text))
}

fn owner(uid: &str, gid: &str) -> Step<Owner> {
    Ok(Owner { uid: number(uid)?, gid: number(gid)? })
}

/// Parses seconds since 1970 with nine decimals, as `stat -c %.9Z` prints them.
fn moment(text: &str) -> Step<OffsetDateTime> {
    let wrong = || garbled("a time", text);
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "000000000"));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(seconds) || !is_number(decimals) || decimals.len() != 9 {
        return Err(wrong());
    }
    let (seconds, nanoseconds) = (seconds.parse::<i128>(), decimals.parse::<i128>());
    let nanoseconds = seconds.ok().zip(nanoseconds.ok());
    let nanoseconds = nanoseconds
        .and_then(|(seconds, rest)| seconds.checked_mul(1_000_000_000)?.checked_add(rest));
    nanoseconds.and_then(of_nanoseconds).ok_or_else(wrong)
}

/// Returns a time that a clock can show. Adding a duration to it stays within [`OffsetDateTime`].
fn of_nanoseconds(since_1970: i128) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(since_1970).ok()?;
    (EPOCH_YEAR..END_OF_CLOCKS).contains(&time.year()).then_some(time)
}

/// Returns the time since which a unit is active, to the microsecond. It comes from the bus where
/// `systemctl` reports only seconds.
fn since(properties: &Properties<'_>) -> Step<OffsetDateTime> {
    if let Ok(microseconds) = properties.value("Since") {
        let nanoseconds = number::<i128>(microseconds)?.checked_mul(1000);
        let since = nanoseconds.and_then(of_nanoseconds);
        return since.ok_or_else(|| garbled("a time", microseconds));
    }
    let form = format_description!(
        "[weekday repr:short] [year]-[month]-[day] [hour]:[minute]:[second].[subsecond] UTC"
    );
    let text = properties.value("ActiveEnterTimestamp")?;
    let since = PrimitiveDateTime::parse(text, form).ok();
    let since = since.and_then(|since| of_nanoseconds(since.assume_utc().unix_timestamp_nanos()));
    since.ok_or_else(|| garbled("a time", text))
}
