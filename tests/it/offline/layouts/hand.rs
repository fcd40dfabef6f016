//! Masters with a manual setup, as folders.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_pki::{
    CertificateAuthority, CsrFile, KeyAlgorithm, LeafRequest, OutlivesCa, PrivateKey, Usages,
};
use kcm_tests::{CommandOutput, Workspace, ca, peers, serial};
use time::OffsetDateTime;

pub(crate) const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const KUBECONFIG: &str = "/etc/kubernetes/kcm.kubeconfig";
const FOLDER: &str = "/etc/kubernetes/ssl";
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);
pub(crate) const USER: &str = "system:kube-controller-manager";
pub(crate) const USAGES: [&str; 4] = ["signing", "key encipherment", "client auth", "server auth"];

/// A certificate and its key as PEM.
#[derive(Clone)]
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) fn root(name: &str) -> Pem {
    let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, name);
    Pem { certificate, key }
}

/// Returns a client certificate from `authority` for `names`, the JSON of the field in a CSR.
pub(crate) fn leaf(authority: &Pem, common_name: &str, names: &str, usages: &[&str]) -> Pem {
    let csr = format!(
        r#"{{"CN": "{common_name}", "names": {names}, "key": {{"algo": "ecdsa", "size": 256}}}}"#
    );
    let csr = CsrFile::parse(&csr).unwrap().value;
    let signer =
        CertificateAuthority::load(authority.certificate.as_bytes(), authority.key.as_bytes());
    let key = PrivateKey::generate(csr.key).unwrap();
    let request = LeafRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: Usages::parse(usages.iter().copied()).unwrap(),
        lifetime: YEAR,
        outlives_ca: OutlivesCa::Clamp,
    };
    let now = OffsetDateTime::now_utc();
    let issued = signer.unwrap().issue(&request, key.public_key(), serial(), now).unwrap();
    Pem { certificate: issued.certificate.to_pem(), key: key.to_pem().to_string() }
}

/// Setup of one master.
#[derive(Clone)]
pub(crate) struct Master {
    pub(crate) server: String,
    pub(crate) flags: Vec<(&'static str, String)>,
    /// Lines about the CA in the kubeconfig's cluster.
    pub(crate) authority: String,
    pub(crate) identity: Pem,
    /// Names below the folder, with contents.
    pub(crate) files: Vec<(&'static str, String)>,
}

/// Two masters and their CA.
pub(crate) struct Hand {
    pub(crate) workspace: Workspace,
    pub(crate) ca: Pem,
    pub(crate) masters: Vec<Master>,
}

pub(crate) fn embedded(pem: &str) -> String {
    format!("certificate-authority-data: {}", STANDARD.encode(pem))
}

impl Hand {
    pub(crate) fn new() -> Self {
        let ca = root("kubernetes");
        let names = r#"[{"O": "system:kube-controller-manager"}]"#;
        let identity = leaf(&ca, USER, names, &USAGES);
        let file = |name: &str| format!("{FOLDER}/{name}");
        let flags = vec![
            ("bind-address", "127.0.0.1".to_owned()),
            ("allocate-node-cidrs", "true".to_owned()),
            ("cluster-cidr", "172.20.0.0/16".to_owned()),
            ("cluster-signing-cert-file", file("ca.pem")),
            ("cluster-signing-key-file", file("ca-key.pem")),
            ("kubeconfig", KUBECONFIG.to_owned()),
            ("leader-elect", "true".to_owned()),
            ("root-ca-file", file("ca.pem")),
            ("service-account-private-key-file", file("sa.key")),
            ("service-cluster-ip-range", "10.68.0.0/16".to_owned()),
            ("use-service-account-credentials", "true".to_owned()),
        ];
        let files = vec![
            ("ca.pem", ca.certificate.clone()),
            ("ca-key.pem", ca.key.clone()),
            ("sa.key", root("sa").key),
        ];
        let master = Master {
            server: "https://10.0.0.10:6443".to_owned(),
            flags,
            authority: embedded(&ca.certificate),
            identity,
            files,
        };
        let masters = vec![master.clone(), master];
        Self { workspace: Workspace::empty(), ca, masters }
    }

    /// Applies a change to all masters.
    pub(crate) fn each(mut self, change: impl Fn(&mut Master)) -> Self {
        self.masters.iter_mut().for_each(change);
        self
    }

    /// Writes all files of the masters.
    pub(crate) fn lay_out(&self) {
        for (number, master) in (1..).zip(&self.masters) {
            let put = |path: &str, content: &str, mode: u32| {
                let at = format!("out/m{number}{path}");
                self.workspace.write(&at, content);
                let mode = fs::Permissions::from_mode(mode);
                fs::set_permissions(self.workspace.file(&at), mode).unwrap();
            };
            put(UNIT, &master.unit(), 0o644);
            put(KUBECONFIG, &master.kubeconfig(), 0o600);
            for (name, content) in &master.files {
                let mode = if name.contains("key") { 0o600 } else { 0o644 };
                put(&format!("{FOLDER}/{name}"), content, mode);
            }
            let wants = self.workspace.on_master(
                &format!("m{number}"),
                "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service",
            );
            fs::create_dir_all(wants.parent().unwrap()).unwrap();
            symlink(UNIT, wants).unwrap();
        }
    }

    /// Runs `kcm adopt` with `further` arguments.
    pub(crate) fn adopt(&self, further: &[&str]) -> CommandOutput {
        let masters = (1..=self.masters.len()).map(|n| format!("--master=m{n}=10.0.0.1{n}"));
        let masters: Vec<_> = masters.collect();
        let masters: Vec<_> = masters.iter().map(String::as_str).collect();
        let ran =
            self.workspace.kcm(&[&["adopt", "--root", "out"], &masters[..], further].concat());
        if ran.code != 1 && self.workspace.file("pki/ca/cert").exists() {
            self.workspace.write("pki/ca/cert/ca-key.pem", &self.ca.key);
            let at = self.workspace.file("pki/ca/cert/ca-key.pem");
            fs::set_permissions(at, fs::Permissions::from_mode(0o600)).unwrap();
        }
        ran
    }

    /// Writes the files, adopts them, and asserts that `plan` and `apply` have nothing to do.
    /// Returns the cluster file.
    pub(crate) fn adopted_wholly(&self, what: &str) -> String {
        self.lay_out();
        let ran = self.adopt(&[]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        let before = kcm_tests::Tree::of(&self.workspace.file("out"));
        for arguments in [&["plan", "--check", "--root", "out"][..], &["apply", "--root", "out"]] {
            let ran = self.workspace.kcm(arguments);
            assert_eq!(ran.code, 0, "{what}: {ran:?}");
        }
        assert!(before == kcm_tests::Tree::of(&self.workspace.file("out")), "{what}: it changed");
        self.workspace.read("kcm.yaml")
    }

    /// Returns the certificates in a field of a master's kubeconfig.
    pub(crate) fn in_kubeconfig(&self, master: &str, field: &str) -> String {
        let text = fs::read_to_string(self.workspace.on_master(master, KUBECONFIG)).unwrap();
        let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(field));
        let data = values.next().unwrap().trim_start_matches(": ");
        String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("openssl");
        let output = peers::output(command.current_dir(self.workspace.path()).args(arguments));
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

impl Master {
    pub(crate) fn set(&mut self, flag: &'static str, value: &str) {
        self.flags.retain(|(name, _)| *name != flag);
        self.flags.push((flag, value.to_owned()));
    }

    pub(crate) fn unset(&mut self, flag: &str) {
        self.flags.retain(|(name, _)| *name != flag);
    }

    fn unit(&self) -> String {
        let mut text = "[Unit]\nDescription=Kubernetes Controller Manager\n\n[Service]\nExecStart=/opt/kube/bin/kube-controller-manager".to_owned();
        for (name, value) in &self.flags {
            let _ = write!(text, " \\\n  --{name}={value}");
        }
        text + "\nRestart=on-failure\nRestartSec=5\n\n[Install]\nWantedBy=multi-user.target\n"
    }

    fn kubeconfig(&self) -> String {
        let Pem { certificate, key } = &self.identity;
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    {}\n    server: {}\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: kube-controller-manager\n  name: default\ncurrent-context: default\nusers:\n- name: kube-controller-manager\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            self.authority,
            self.server,
            STANDARD.encode(certificate),
            STANDARD.encode(key)
        )
    }
}
