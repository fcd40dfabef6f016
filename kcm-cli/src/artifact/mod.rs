//! The files that kcm manages on a master, and the service that reads them.

pub(crate) mod certificate_reload;
pub mod generation;
mod service;
pub(crate) mod view;

pub use service::DesiredService;
pub(crate) use service::SigningFiles;
