//! Tests on masters in memory, through the library.

pub(crate) mod contract;
pub(crate) mod create_ca;
pub(crate) mod distribute;
pub(crate) mod drill;
pub(crate) mod logs;
pub(crate) mod masters;
pub(crate) mod observe;
pub(crate) mod rollout;
