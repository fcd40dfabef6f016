//! Asking a run to stop where it is safe.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Asks a run to stop at its next safe point: before the next master, never in the middle of one.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_asked: AtomicBool,
    told: Notify,
}

impl Interrupt {
    /// Nobody has asked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_asked: AtomicBool::new(false), told: Notify::const_new() }
    }

    /// Asks. Cannot be taken back.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Waits until somebody asks: for what can stop anywhere.
    pub async fn asked(&self) {
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let told = self.told.notified();
            if self.is_asked() {
                return;
            }
            told.await;
        }
    }
}
