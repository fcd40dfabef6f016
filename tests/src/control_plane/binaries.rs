//! Which programs a control plane is made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::is_program;
use crate::peers;
use crate::standin::version::MARK;

/// The programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub(super) api_server: PathBuf,
    pub(super) controller_manager: PathBuf,
    /// The real server's store; a stand-in needs none.
    pub(super) etcd: Option<PathBuf>,
}

impl Binaries {
    /// The real ones if `KCM_LAB_KUBE_BIN` names their folder, else the stand-ins, built from this checkout.
    ///
    /// # Panics
    /// If the folder is named and one is missing: who names it does not want a stand-in.
    #[must_use]
    pub fn find() -> Self {
        match std::env::var_os("KCM_LAB_KUBE_BIN") {
            Some(folder) => Self::real(Path::new(&folder)),
            None => Self::standins(),
        }
    }

    /// The stand-ins.
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

    /// Whether they are the real ones.
    #[must_use]
    pub fn are_real(&self) -> bool {
        self.etcd.is_some()
    }

    /// What to put at `/opt/kubernetes/bin/kube-controller-manager` of a machine.
    #[must_use]
    pub fn controller_manager_binary(&self) -> &Path {
        &self.controller_manager
    }

    /// A stand-in for kube-controller-manager of another version (such as `v1.35.1`), written to `path`: its flags,
    /// `--version` and digest differ. There is none of the real one.
    pub fn write_controller_manager(&self, version: &str, path: &Path) {
        self.write(&self.controller_manager, version, path);
    }

    /// The same with a kube-apiserver of another version, written to `path`.
    #[must_use]
    pub fn with_api_server(self, version: &str, path: &Path) -> Self {
        self.write(&self.api_server, version, path);
        Self { api_server: path.to_owned(), ..self }
    }

    /// The same with a kube-controller-manager as long as the real one is, 100 MB, written to `path`; it takes as long as
    /// the real one to tell its version and its flags, too.
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
        // In a process of its own: a file that this one has open to write, a child of another thread may still hold
        // when it is to be run.
        let mut write = Command::new("sh");
        write.args(["-c", "cp -- \"$1\" \"$3\" && printf %s \"$2\" >> \"$3\"", "write"]);
        write.arg(program).arg(format!("{MARK}{version}")).arg(path);
        peers::run(&mut write);
    }
}

/// The folder of the stand-ins.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // A test lies in `<profile>/deps/`, a program in `<profile>/`, and there cargo puts the stand-ins.
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
