//! Reads and prints YAML as kubectl does.
//!
//! kubectl uses YAML 1.1 by means of goyaml.v2. `granit-parser` parses: it reports quoting, which
//! decides whether `on`, `0x1F` or `1:30` is a text, and positions. The printer is part of this
//! crate, because no library quotes and folds like goyaml.v2.

mod resolve;
mod timestamp;

pub(crate) mod read;
pub(crate) mod write;

pub(crate) use resolve::{Plain, resolve};
