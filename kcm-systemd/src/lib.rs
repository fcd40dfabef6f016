//! systemd units for Kubernetes components.
//!
//! - Renders the unit of kube-controller-manager so that systemd loads it and the process receives
//!   exactly the given arguments, with any bytes: [`ControllerManagerUnit`], [`quote_argument`].
//! - Renders a sandbox for kube-controller-manager: [`Hardening`].
//! - Parses unit files as systemd 252 does, and reports parts that systemd silently drops:
//!   [`UnitFile`], [`CommandLine`].
//! - Compares the effective settings of two units of kube-controller-manager, including drop-ins
//!   and variables: [`EffectiveService`].
//! - Computes the links that `systemctl enable` creates: [`Install`], [`enable_links`].
//! - Lints the flags, controllers and feature gates of kube-controller-manager by version:
//!   [`Flags`], [`lookup`], [`lint_flags`]. [`KubernetesVersion::known`] lists the versions.
//!
//! The crate does not communicate with systemd, and does not read or write files. It does not
//! access a clock, file system, network or process, and the same input gives the same bytes. It
//! does not check that the paths and units named in a unit exist, and it supports only the
//! directives of service units.
//!
//! ```
//! use kcm_systemd::{ControllerManagerUnit, ExecutablePath, Flags, UnitFile};
//!
//! let flags = Flags::from_pairs([("v", "2"), ("cluster-name", "my \"first\" cluster")])?;
//! let executable = ExecutablePath::try_from("/opt/kubernetes/bin/kube-controller-manager")?;
//! let text = ControllerManagerUnit::new(executable, flags).render();
//! assert_eq!(text, r#"[Unit]
//! Description=Kubernetes Controller Manager
//! Documentation=https://github.com/GoogleCloudPlatform/kubernetes
//!
//! [Service]
//! ExecStart=/opt/kubernetes/bin/kube-controller-manager \
//!   "--cluster-name=my \"first\" cluster" \
//!   --v=2
//! Restart=always
//! RestartSec=5
//!
//! [Install]
//! WantedBy=multi-user.target
//! "#);
//!
//! let file = UnitFile::parse(&text);
//! assert!(file.findings.is_empty());
//! let (_, line) = file.commands("ExecStart").next().expect("there is one");
//! assert_eq!(line.commands[0].arguments[0].to_str(), Some("--cluster-name=my \"first\" cluster"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account_name;
mod argument;
mod controller_manager;
mod controllers;
mod environment;
mod environment_text;
mod exec;
mod executable;
mod finding;
mod flags;
mod gates;
mod hardening;
mod install;
mod lint;
mod meaning;
mod nearest;
mod reader;
mod search;
mod text;
mod unit;
mod unit_name;

pub use crate::account_name::AccountName;
pub use crate::argument::{Argument, ArgumentError, quote_argument};
pub use crate::controller_manager::{ControllerManagerUnit, Restart};
pub use crate::environment::{EnvironmentFile, Surroundings};
pub use crate::environment_text::{Assignment, EnvironmentText};
pub use crate::exec::{CommandLine, ExecCommand, Prefixes, Privileges};
pub use crate::executable::ExecutablePath;
pub use crate::finding::{Effect, Finding, FindingCode};
pub use crate::flags::{
    FlagError, FlagHistory, FlagKind, FlagName, Flags, KubernetesVersion, VersionError, known_in,
    lookup, nearest,
};
pub use crate::hardening::Hardening;
pub use crate::install::{Install, InstallError, Link, enable_links};
pub use crate::lint::{FlagLint, LintCode, LintVersions, Severity, lint_flags};
pub use crate::meaning::{EffectiveService, EffectiveServiceError};
pub use crate::reader::{Entry, UnitFile};
pub use crate::search::{UNIT_FOLDERS, drop_in_folders, drop_ins_in_order, is_drop_in};
pub use crate::unit::{Directive, Key, Section, SectionName, Unit, UnitError, Value};
pub use crate::unit_name::{UnitName, UnitNameKind};
