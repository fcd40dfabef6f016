//! The text of a new, commented cluster file for `kcm init`.

use std::path::Path;

use crate::cluster::{Cluster, ClusterFileError};

/// The answers for a new cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// URL of the API server as the masters reach it.
    pub server: String,
    /// Range of Pod addresses.
    pub cluster_cidr: String,
    /// Range of Service addresses.
    pub service_cidr: String,
    /// Name and address of each master.
    pub masters: Vec<(String, String)>,
    /// Login name on the masters.
    pub user: Option<String>,
    /// True if kcm may create a root CA, for a trial.
    pub create_ca: bool,
}

/// Returns the text of a commented cluster file. `origin` names it in errors.
///
/// # Errors
/// If an answer is not a valid value of its key.
pub fn init(answers: &Init, origin: &Path) -> Result<String, ClusterFileError> {
    let masters = answers.masters.iter().fold(String::new(), |list, (name, address)| {
        format!("{list}  - {{name: {}, address: {}}}\n", quoted(name), quoted(address))
    });
    let create_ca = if answers.create_ca {
        "  createCa: true        # creates a root CA if no CA and no deployment exists: for tests\n"
    } else {
        "  # createCa: true      # creates a root CA if no CA and no deployment exists: for tests\n"
    };
    let ssh = match &answers.user {
        Some(user) => format!("ssh:\n  user: {}\n{SSH}", quoted(user)),
        None => format!("# ssh:\n#   user: kube\n{}", SSH.replace("  # ", "#   ")),
    };
    let text = format!(
        "{HEAD}cluster:
  server: {}   # URL of the API server for the masters: the load balancer
  clusterCidr: {}
  serviceClusterIpRange: {}
  # name: kubernetes
  # nodeCidrMaskSize: 24
pki:                    # paths on this machine, absolute or relative to this file
  caCert: pki/ca/cert/ca.pem
  caKey: pki/ca/cert/ca-key.pem
{create_ca}{PKI}masters:                # kcm processes the masters in this order, the leader last
{masters}{ssh}{REST}",
        quoted(&answers.server),
        quoted(&answers.cluster_cidr),
        quoted(&answers.service_cidr),
    );
    Cluster::parse(&text, origin)?;
    Ok(text)
}

const HEAD: &str = "\
# kcm's cluster file: a highly available kube-controller-manager on your own masters.
# Commented-out keys show the defaults. `kcm plan` shows the changes, `kcm apply` makes them.
apiVersion: kcm/v1
";

const PKI: &str = "  # csr: csr.json                 # cfssl CSR file; default: the built-in CSR
  # signingConfig: ca-config.json # cfssl signing config
  # profile: kubernetes           # a profile of the signing config
  # keyAlgorithm: rsa-2048        # or rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521
  # lifetime: 87600h
  # renewBefore: 720h
  # servingCertificate: false
  # directory: pki/kube-controller-manager/cert
";

const SSH: &str = "  # sudo: passwordless          # or password (one prompt), or none
  # hostKeys: strict              # or accept-new: accepts unknown keys on the first connection
  # connectTimeout: 10s
";

const REST: &str = "\
# kubernetesVersion: v1.36.2      # default: the version of the binary on the masters
# lint:
#   allow:                        # accepted findings of `kcm lint`
#     - {code: cis-1.3.2, reason: pprof is used}
# controllerManager:
#   bindAddress: host             # or loopback, any, or an IP address
#   flags:                        # flags to add or change; null removes a flag; a master can override them
#     profiling: false
# kubeconfig:
#   credentials: embedded         # or embedded-only: no separate files; or files: renewal without a restart
# systemd:
#   user: kube-controller-manager # an account on the masters; default: root
#   group: kube-controller-manager # default: the primary group of the user
#   hardening: none               # or strict: sandboxes the service with systemd
#   directives:                   # additional directives of the unit, by section
#     Service:
#       LimitNOFILE: 65536
# api:
#   via: master                   # or direct: from this machine
# install:
#   root: /opt/kubernetes
#   binary: kube-controller-manager # uploaded to every master; default: already installed
#   distributeCa: false           # true also uploads the CA certificate and the CA key
#   owner: kube:kube              # owner of the uploaded files; default: systemd.user, else root with sudo, else ssh.user
#   paths:                        # paths of single files: unit, binary, kubeconfig, caCert, caKey, cert, key
#     unit: /etc/systemd/system/kube-controller-manager.service
#   compare: bytes                # or semantic: keeps a semantically equal unit or kubeconfig
";

/// Returns a plain YAML scalar if that is safe, else a JSON string, which is valid YAML.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c))
        && !text.ends_with(':');
    let is_address = text.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_ipv4())
        || text.parse::<ipnet::IpNet>().is_ok_and(|net| net.addr().is_ipv4());
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    );
    if (is_plain && !is_word) || is_address {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Init {
        Init {
            server: "https://192.168.1.210:6443".to_owned(),
            cluster_cidr: "172.20.0.0/16".to_owned(),
            service_cidr: "10.68.0.0/16".to_owned(),
            masters: vec![("k8s-master-01".to_owned(), "192.168.1.204".to_owned())],
            user: Some("kube".to_owned()),
            create_ca: false,
        }
    }

    #[test]
    fn what_is_written_says_what_was_answered() {
        let text = init(&answers(), Path::new("kcm.yaml")).unwrap();
        let cluster = Cluster::parse(&text, Path::new("kcm.yaml")).unwrap();
        assert_eq!(cluster.masters[0].address.to_string(), "192.168.1.204");
        assert_eq!(cluster.masters[0].ssh.user.as_ref().unwrap().as_str(), "kube");
        assert!(!cluster.pki.create_ca);
    }

    #[test]
    fn what_is_commented_out_is_a_file_too_and_means_the_same() {
        what_is_commented_out_means_the_same(&answers(), Some("kube"));
        // The whole section is commented out, and shows a login name.
        what_is_commented_out_means_the_same(&Init { user: None, ..answers() }, None);
    }

    fn what_is_commented_out_means_the_same(answers: &Init, user: Option<&str>) {
        let text = init(answers, Path::new("kcm.yaml")).unwrap();
        let uncommented: String = text
            .lines()
            .filter(|line| !line.starts_with("# kcm's") && !line.starts_with("# Commented"))
            .map(|line| match line.trim_start().strip_prefix("# ") {
                Some(_) => line.replacen("# ", "", 1) + "\n",
                None => format!("{line}\n"),
            })
            .collect::<String>()
            .replace("  csr: csr.json ", "  # ")
            .replace("  signingConfig: ca-config.json ", "  # ")
            .replace("  profile: kubernetes ", "  # ")
            .replace("  user: kube-controller-manager ", "  # ")
            .replace("  group: kube-controller-manager ", "  # ")
            .replace("  binary: kube", "  # ")
            .replace("  owner: kube:kube ", "  # ");
        let mut all = Cluster::parse(&uncommented, Path::new("kcm.yaml")).unwrap();
        assert_eq!(all.masters[0].ssh.user.as_ref().unwrap().as_str(), "kube");
        all.masters[0].ssh.user = user.map(|user| user.parse().unwrap());
        let short = Cluster::parse(&text, Path::new("kcm.yaml")).unwrap();
        assert_eq!(all.node_masks, short.node_masks);
        assert_eq!(all.name, short.name);
        assert_eq!(all.pki.directory, short.pki.directory);
        assert_eq!(all.install.root, short.install.root);
        assert_eq!(all.masters[0].bind_address, short.masters[0].bind_address);
        assert_eq!(all.install.distribute_ca, short.install.distribute_ca);
        assert_eq!(all.masters[0].ssh, short.masters[0].ssh);
        assert_eq!(all.install.owner, short.install.owner);
        assert_eq!(all.masters[0].flags.len(), 1);
        assert_eq!(all.service.directives.len(), 1);
        all.service.directives.clear();
        assert_eq!(all.service, short.service);
    }

    #[test]
    fn an_answer_that_would_be_other_yaml_is_quoted() {
        let mut odd = answers();
        odd.user = Some("yes".to_owned());
        let text = init(&odd, Path::new("kcm.yaml")).unwrap();
        assert!(text.contains("user: \"yes\""), "{text}");
        odd.server = "https://a\nmasters: []".to_owned();
        assert!(init(&odd, Path::new("kcm.yaml")).is_err());
    }
}
