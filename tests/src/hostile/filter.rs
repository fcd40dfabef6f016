//! The filter between a command's output and sshd, which works line by line.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::thread::sleep;
use std::time::Duration;

use super::line;
use super::words;
use super::{Kind, Plan, Random};

/// Size of a flood in bytes.
const FLOOD: usize = 30 << 20;
/// Size in bytes of each write of a flood.
const PIECE: usize = 64 << 10;
/// Delay of each line of a slow answer, and the number of delayed lines.
const SLOW: (Duration, usize) = (Duration::from_millis(150), 40);
/// Length of a stall: longer than kcm may wait.
const SILENCE: Duration = Duration::from_secs(150);
/// Number of lines among which an answer ends, is flooded or stalls.
const EARLY: usize = 40;

/// Changes the output of one command.
pub(super) struct Filter {
    kind: Kind,
    random: Random,
    /// Average number of lines per changed line.
    rate: usize,
    /// The line, counted from 0, at which an answer ends, is flooded or stalls.
    moment: usize,
    line: usize,
    /// A line that is written after the next one.
    held: Option<Vec<u8>>,
}

impl Filter {
    /// Creates the filter of an exchange; `None` if the exchange passes unchanged.
    pub(super) fn new(plan: Plan, command: &str) -> Option<Self> {
        // Some seeds leave exchanges unchanged, so that tests also reach the code after a valid
        // answer.
        let spares = Random::new(plan.seed, "spares").below(3) + 1;
        let mut random = Random::new(plan.seed, &without_marks(command));
        if !random.once_in(spares) {
            return None;
        }
        let rate = match plan.kind {
            Kind::Host => 1,
            _ => [1, 2, 3, 8, 20, 40][random.below(6)],
        };
        // kcm asks for the address of sshd when nothing listens at the address that a changed state
        // reports. That answer is flooded.
        let is_address = plan.kind == Kind::State && command.starts_with("echo kcm ");
        let kind = if is_address { Kind::Flood } else { plan.kind };
        let moment = if is_address { 0 } else { random.below(EARLY) };
        Some(Self { kind, random, rate, moment, line: 0, held: None })
    }

    /// Passes on the command's output; returns an exit code if the filter ends the exchange itself.
    pub(super) fn run(mut self, said: impl Read) -> Option<i32> {
        let mut said = BufReader::new(said);
        let mut out = io::stdout().lock();
        let mut line = Vec::new();
        if self.kind == Kind::Noise && self.noise(&mut out).is_err() {
            return Some(141);
        }
        while matches!(said.read_until(b'\n', &mut line), Ok(1..)) {
            match self.say(&line, &mut out).and_then(|goes_on| out.flush().map(|()| goes_on)) {
                Ok(true) => {}
                Ok(false) => return Some([0, 1, 127, 137, 255][self.random.below(5)]),
                Err(_) => return Some(141),
            }
            self.line += 1;
            line.clear();
        }
        let held = self.held.take().unwrap_or_default();
        let _ = out.write_all(&held);
        if self.kind == Kind::Noise {
            let _ = self.noise(&mut out);
        }
        let _ = out.flush();
        None
    }

    /// Writes a line; returns `false` if it is the last.
    fn say(&mut self, line: &[u8], out: &mut impl Write) -> io::Result<bool> {
        let is_moment = self.line == self.moment;
        match self.kind {
            Kind::Ended if is_moment => {
                let cut = self.random.below(line.len());
                out.write_all(&line[..cut])?;
                return Ok(false);
            }
            Kind::Flood if is_moment => self.flood(out)?,
            Kind::Silent if is_moment => sleep(SILENCE),
            Kind::Slow if self.line < SLOW.1 => sleep(SLOW.0),
            _ => {}
        }
        let is_struck = self.random.once_in(self.rate);
        if self.kind == Kind::Lines && is_struck {
            return self.garble(line, out).map(|()| true);
        }
        if is_struck && !is_mark(line) {
            let (body, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |it| (it, b"\n"));
            let mut changed = line::changed(body, self.kind, &mut self.random);
            changed.extend(end);
            out.write_all(&changed)?;
        } else {
            out.write_all(line)?;
        }
        if let Some(held) = self.held.take() {
            out.write_all(&held)?;
        }
        Ok(true)
    }

    fn garble(&mut self, line: &[u8], out: &mut impl Write) -> io::Result<()> {
        match self.random.below(4) {
            0 => Ok(()),
            1 => out.write_all(line).and_then(|()| out.write_all(line)),
            2 => out.write_all(&line[..self.random.below(line.len())]),
            _ => {
                let before = self.held.replace(line.to_vec()).unwrap_or_default();
                out.write_all(&before)
            }
        }
    }

    fn flood(&mut self, out: &mut impl Write) -> io::Result<()> {
        let piece: Vec<u8> = match self.random.below(4) {
            0 => vec![b'A'; PIECE],
            1 => vec![0xff; PIECE],
            2 => b"k8s-master-02: EVILMARK is done\n".repeat(PIECE / 32),
            _ => vec![b'\n'; PIECE],
        };
        for _ in 0..FLOOD / PIECE {
            out.write_all(&piece)?;
        }
        Ok(())
    }

    fn noise(&mut self, out: &mut impl Write) -> io::Result<()> {
        for _ in 0..=self.random.below(4) {
            let line = [&words::any(&mut self.random)[..], b"\n"].concat();
            if self.random.once_in(2) {
                out.write_all(&line)?;
            } else {
                io::stderr().write_all(&line)?;
            }
        }
        out.flush()
    }
}

/// Reports whether a line is a marker that encloses an answer.
fn is_mark(line: &[u8]) -> bool {
    line.starts_with(b"kcm-")
}

/// Removes from a command its random markers, which differ in each run.
fn without_marks(command: &str) -> String {
    let mut parts = command.split("kcm-");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    plain.extend(parts.map(|part| part.trim_start_matches(|it: char| it.is_ascii_hexdigit())));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_a_command_are_changed_alike() {
        let command = |mark: &str| format!("sh -c 'echo kcm-{mark}; eval \"$(head -c 9)\"'");
        let (one, other) = (command("00ff"), command("77aa"));
        assert_eq!(without_marks(&one), without_marks(&other));
        assert_ne!(without_marks(&one), without_marks("sh -c 'echo kcm-00ff'"));
    }
}
