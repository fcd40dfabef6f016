//! Tests on machines that run a real sshd or systemd, and with servers on loopback.

pub(crate) mod api;
pub(crate) mod deploy;
pub(crate) mod faults;
pub(crate) mod hostile;
pub(crate) mod machines;
pub(crate) mod ssh;
pub(crate) mod standin;
pub(crate) mod units;
