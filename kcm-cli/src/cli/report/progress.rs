//! Progress on a terminal: one line for each master, with its current work and the time that it takes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::event::Event;

/// The interval in which the time on a line advances.
const TICK: Duration = Duration::from_millis(250);
const UPLOAD: &str = "{prefix}  uploading {bar:24} {bytes} of {total_bytes}, {elapsed}";
const COMMIT: &str =
    "{prefix}  {spinner} changing files and waiting for a healthy service, {elapsed}";

/// The lines at the end of the terminal. Other lines of the report appear above them.
pub(super) struct Progress {
    lines: MultiProgress,
    masters: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Progress {
    /// Returns the lines; `None` if standard error is not a terminal.
    pub(super) fn on_terminal() -> Option<Self> {
        let masters = Mutex::new(BTreeMap::new());
        io::stderr().is_terminal().then(|| Self { lines: MultiProgress::new(), masters })
    }

    /// Shows an event, if it changes a line; `write` writes events that have a line of their own.
    pub(super) fn event(&self, event: &Event, write: impl FnOnce()) {
        match event {
            Event::Uploading { master, sent, total } => {
                let line = self.line(master, UPLOAD);
                line.set_length(*total);
                line.set_position(*sent);
            }
            Event::Committing { master } => drop(self.line(master, COMMIT)),
            Event::Staged { master, .. }
            | Event::Committed { master }
            | Event::Unverified { master, .. }
            | Event::RolledBack { master, .. }
            | Event::Failed { master, .. } => {
                self.end(master);
                self.lines.suspend(write);
            }
            _ => self.lines.suspend(write),
        }
    }

    fn masters(&self) -> MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.masters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the line of a master, begun now if it has none.
    fn line(&self, master: &str, template: &str) -> ProgressBar {
        let begin = || {
            let line = self.lines.add(ProgressBar::no_length());
            // The templates are constants, and a unit test parses them.
            line.set_style(style(template));
            line.set_prefix(master.to_owned());
            line.enable_steady_tick(TICK);
            line
        };
        self.masters().entry(master.to_owned()).or_insert_with(begin).clone()
    }

    fn end(&self, master: &str) {
        if let Some(line) = self.masters().remove(master) {
            line.finish_and_clear();
            self.lines.remove(&line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // A line that an error left behind must not stay below the report.
        self.masters().values().for_each(ProgressBar::finish_and_clear);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        assert!([UPLOAD, COMMIT].iter().all(|it| ProgressStyle::with_template(it).is_ok()));
    }

    #[test]
    fn a_line_ends_with_the_work_of_its_master() {
        let progress =
            Progress { lines: MultiProgress::new(), masters: Mutex::new(BTreeMap::new()) };
        progress.lines.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        let master = || "m1".to_owned();
        let (mut written, total) = (0, 10);
        progress.event(&Event::Uploading { master: master(), sent: 5, total }, || written += 1);
        let line = progress.masters().get("m1").cloned().unwrap();
        assert_eq!((line.position(), line.length(), written), (5, Some(10), 0));
        progress.event(&Event::Staged { master: master(), files: 1 }, || written += 1);
        assert!(progress.masters().is_empty() && written == 1);
        progress.event(&Event::Committing { master: master() }, || written += 1);
        progress.event(&Event::Failed { master: master(), error: master() }, || written += 1);
        assert!(progress.masters().is_empty() && written == 2);
    }
}
