//! Extensions of certificates and of certificate requests.

mod read;
mod write;

pub(crate) use self::{
    read::Extensions,
    write::{
        BasicConstraints, write_basic_constraints, write_critical, write_hosts, write_implicit,
        write_named_bits, write_plain,
    },
};
