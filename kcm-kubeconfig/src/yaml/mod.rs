//! YAML as kubectl reads and writes it.
//!
//! Why not a YAML library: kubectl speaks YAML 1.1 by way of goyaml.v2. Whether `on`, `0x1F` or `1:30` is a text
//! depends on how it was quoted, which serde's data model does not carry, as it carries neither places of values nor
//! comments nor aliases; and no library quotes and folds on the way out as goyaml.v2 does. The dialect read here is
//! the part of YAML that people and tools write kubeconfigs in; the rest (anchors, tags, directives) is refused by
//! name. The tests hold it against a full YAML implementation.

mod resolve;
mod timestamp;

pub(crate) mod read;
pub(crate) mod write;

pub(crate) use resolve::{Plain, resolve};
