//! The programs of a control plane: real binaries or stand-ins.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::is_program;
use crate::peers;
use crate::standin::version::MARK;

/// The programs of a control plane.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub(super) api_server: PathBuf,
    pub(super) controller_manager: PathBuf,
    /// The store of a real API server. A stand-in needs none.
    pub(super) etcd: Option<PathBuf>,
}

impl Binaries {
    /// Returns the real programs if `KCM_LAB_KUBE_BIN` names their folder, else stand-ins built
    /// from this checkout.
    ///
    /// # Panics
    /// If `KCM_LAB_KUBE_BIN` is set and a program is missing. Falling back to a stand-in would hide
    /// that.
    #[must_use]
    pub fn find() -> Self {
        match std::env::var_os("KCM_LAB_KUBE_BIN") {
            Some(folder) => Self::real(Path::new(&folder)),
            None => Self::standins(),
        }
    }

    /// Builds and returns the stand-ins.
    #[must_use]
    pub fn standins() -> Self {
        let folder = built();
        Self {
            api_server: folder.join("standin-kube-apiserver"),
            controller_manager: folder.join("standin-kube-controller-manager"),
            etcd: None,
        }
    }

    fn real(folder: &Path) -> Self {
        let program = |name: &str| {
            let path = folder.join(name);
            assert!(is_program(&path), "KCM_LAB_KUBE_BIN: {} is no program", path.display());
            path
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        let etcd = folders.map(|folder| folder.join("etcd")).find(|path| is_program(path));
        Self {
            api_server: program("kube-apiserver"),
            controller_manager: program("kube-controller-manager"),
            etcd: Some(etcd.expect("KCM_LAB_KUBE_BIN needs etcd, there or in PATH")),
        }
    }

    /// Reports whether the programs are the real ones.
    #[must_use]
    pub fn are_real(&self) -> bool {
        self.etcd.is_some()
    }

    /// Path of the program to install at `/opt/kubernetes/bin/kube-controller-manager` of a
    /// machine.
    #[must_use]
    pub fn controller_manager_binary(&self) -> &Path {
        &self.controller_manager
    }

    /// Writes a stand-in for kube-controller-manager of another version, such as `v1.35.1`, to
    /// `path`.
    ///
    /// Its flags, `--version` and digest differ.
    ///
    /// # Panics
    /// If the programs are the real ones.
    pub fn write_controller_manager(&self, version: &str, path: &Path) {
        self.write(&self.controller_manager, version, path);
    }

    /// Replaces kube-apiserver with a stand-in of another version, written to `path`.
    ///
    /// # Panics
    /// If the programs are the real ones.
    #[must_use]
    pub fn with_api_server(self, version: &str, path: &Path) -> Self {
        self.write(&self.api_server, version, path);
        Self { api_server: path.to_owned(), ..self }
    }

    /// Pads the stand-in for kube-controller-manager with 100 MB, about the size of the real one,
    /// and writes it to `path`.
    ///
    /// The padded stand-in also takes as long as the real one to report its version and its flags.
    /// Real programs stay as they are.
    #[must_use]
    pub fn with_real_size(self, path: &Path) -> Self {
        if self.are_real() {
            return self;
        }
        let mut pad = Command::new("sh");
        let script = r#"{ cat "$1" && head -c 100000000 /dev/zero | tr '\0' x && printf %s "$2"; } >"$3" && chmod 0755 "$3""#;
        pad.args(["-c", script, "pad"]).arg(&self.controller_manager);
        peers::run(pad.arg(format!("{MARK}v1.36.2")).arg(path));
        Self { controller_manager: path.to_owned(), ..self }
    }

    fn write(&self, program: &Path, version: &str, path: &Path) {
        assert!(!self.are_real(), "a real program has one version");
        // A separate process writes the file. Otherwise a child that another thread forks could
        // inherit the descriptor, and executing the file would fail with ETXTBSY.
        let mut write = Command::new("sh");
        write.args(["-c", "cp -- \"$1\" \"$3\" && printf %s \"$2\" >> \"$3\"", "write"]);
        write.arg(program).arg(format!("{MARK}{version}")).arg(path);
        peers::run(&mut write);
    }
}

/// Builds the stand-ins and returns their folder.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // A test is in `<profile>/deps/`. Other programs, such as the stand-ins, are in
        // `<profile>/`.
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().unwrap();
        let profile = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace"]);
        build.args(["--bin", "standin-kube-apiserver"]);
        build.args(["--bin", "standin-kube-controller-manager"]);
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        peers::run(&mut build);
        profile.to_owned()
    })
}
