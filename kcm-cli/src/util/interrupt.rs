//! Requests to stop a run at a safe point.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A request to stop a run at its next safe point: before the next master, never during one.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_requested: AtomicBool,
    told: Notify,
}

impl Interrupt {
    /// Creates an interrupt that is not requested yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_requested: AtomicBool::new(false), told: Notify::const_new() }
    }

    /// Requests the stop. A request cannot be withdrawn.
    pub fn ask(&self) {
        self.is_requested.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// True if a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Relaxed)
    }

    /// Waits for a request, for work that can stop anywhere.
    pub async fn asked(&self) {
        loop {
            // Registers before the check, so that no notification is lost in between.
            let told = self.told.notified();
            if self.is_requested() {
                return;
            }
            told.await;
        }
    }
}
