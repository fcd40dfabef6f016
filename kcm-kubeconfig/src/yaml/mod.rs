//! YAML as kubectl reads and writes it.
//!
//! kubectl speaks YAML 1.1 by way of goyaml.v2. `granit-parser` reads: it tells how a scalar was quoted, on which depends
//! whether `on`, `0x1F` or `1:30` is a text, and where it stands. Printing is own code, because no library quotes and folds as
//! goyaml.v2 does.

mod resolve;
mod timestamp;

pub(crate) mod read;
pub(crate) mod write;

pub(crate) use resolve::{Plain, resolve};
