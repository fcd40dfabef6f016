//! Tests of every order of events, every interruption and generated input, on masters in memory.

pub(crate) mod enumerated;
pub(crate) mod handover;
pub(crate) mod properties;
