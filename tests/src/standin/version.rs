//! The version that the stand-ins report.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// A Kubernetes version, `v1.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) minor: u32,
    pub(super) patch: u32,
}

impl Version {
    /// Returns the version in `KCM_STANDIN_VERSION`, else the one at the end of the program's file,
    /// else 1.36.2.
    pub(super) fn of_environment() -> Self {
        let given = std::env::var("KCM_STANDIN_VERSION").ok().or_else(of_program);
        given.map_or(Self { minor: 36, patch: 2 }, |text| {
            Self::parse(&text).unwrap_or_else(|| panic!("{text:?} is no version like v1.36.2"))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (minor, patch) = text.strip_prefix("v1.")?.split_once('.')?;
        Some(Self { minor: minor.parse().ok()?, patch: patch.parse().ok()? })
    }

    /// Returns the output of `--version=raw`: Go's format of the struct.
    pub(super) fn raw(self) -> String {
        let info = self.info();
        let fields = ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"];
        let fields = fields.into_iter().chain(["goVersion", "compiler", "platform"]);
        let fields = fields.map(|name| {
            let (first, rest) = name.split_at(1);
            format!("{}{rest}:{}", first.to_uppercase(), info[name])
        });
        format!("version.Info{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }

    /// Returns the response of `/version`.
    pub(super) fn info(self) -> serde_json::Value {
        serde_json::json!({
            "major": "1",
            "minor": self.minor.to_string(),
            "gitVersion": self.to_string(),
            "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": "standin",
            "compiler": "rustc",
            "platform": "linux/amd64",
        })
    }
}

/// Mark at the end of a program's file, followed by the version that the program reports.
///
/// Bytes after the last section of an ELF file have no other effect.
pub(crate) const MARK: &str = "\nKCM_STANDIN_VERSION=";

fn of_program() -> Option<String> {
    let mut program = File::open("/proc/self/exe").ok()?;
    program.seek(SeekFrom::End(-64)).ok()?;
    let mut end = Vec::new();
    program.read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    end.split_once(MARK).map(|(_, version)| version.to_owned())
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "v1.{}.{}", self.minor, self.patch)
    }
}
