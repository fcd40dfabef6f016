//! The files that kcm manages on a master, and the service that reads them.

mod service;

pub use service::DesiredService;
