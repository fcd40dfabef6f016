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
        "  createCa: true        # makes a root CA if there is none and nothing is deployed: for first tries\n"
    } else {
        "  # createCa: true      # makes a root CA if there is none and nothing is deployed: for first tries\n"
    };
    let ssh = match &answers.user {
        Some(user) => format!("ssh:\n  user: {}\n{SSH}", quoted(user)),
        None => format!("# ssh:\n#   user: kube\n{}", SSH.replace("  # ", "#   ")),
    };
    let text = format!(
        "{HEAD}cluster:
  server: {}   # the API server as the masters reach it: the load balancer
  clusterCidr: {}
  serviceClusterIpRange: {}
  # name: kubernetes
  # nodeCidrMaskSize: 24
pki:                    # on this machine; relative paths start at this file's folder
  caCert: pki/ca/cert/ca.pem
  caKey: pki/ca/cert/ca-key.pem
{create_ca}{PKI}masters:                # their order is the order of everything kcm does
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
# What is commented out shows the default. `kcm plan` says what would change, `kcm apply` does it.
apiVersion: kcm/v1
";

const PKI: &str =
    "  # csr: csr.json                 # cfssl CSR file; default: the tutorial's subject
  # signingConfig: ca-config.json # cfssl signing config
  # profile: kubernetes           # the profile in it
  # keyAlgorithm: rsa-2048        # or rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521
  # lifetime: 87600h
  # renewBefore: 720h
  # servingCertificate: false
  # directory: pki/kube-controller-manager/cert
";

const SSH: &str = "  # sudo: passwordless          # or password (asked for once), or none
  # hostKeys: strict              # or accept-new: unknown ones are accepted at first contact
  # connectTimeout: 10s
";

const REST: &str = "\
# kubernetesVersion: v1.36.2      # what runs; default: the program on the masters is asked
# lint:
#   allow:                        # findings of `kcm lint` that are accepted
#     - {code: cis-1.3.2, reason: pprof is used}
# controllerManager:
#   bindAddress: host             # host, loopback, any, or an address
#   flags:                        # added or changed; null removes one; masters can have their own
#     profiling: false
# kubeconfig:
#   credentials: embedded         # or embedded-only: no files beside it; or files: a renewal restarts nothing
# systemd:
#   user: kube-controller-manager # an account of the masters; default: root
#   group: kube-controller-manager # default: the user's own
#   hardening: none               # or strict: closes to the service all that it can do without
#   directives:                   # more for the unit, by section, after kcm's own
#     Service:
#       LimitNOFILE: 65536
# api:
#   via: master                   # or direct: from this machine
# install:
#   root: /opt/kubernetes
#   binary: kube-controller-manager # put on every master; default: it is expected there
#   distributeCa: false           # true puts the CA's certificate and key there too
#   owner: kube:kube              # of what kcm places; default: systemd.user, else root with sudo, else ssh.user
#   paths:                        # single files that are elsewhere: unit, binary, kubeconfig, caCert, caKey, cert, key
#     unit: /etc/systemd/system/kube-controller-manager.service
#   compare: bytes                # or meaning: a unit or kubeconfig that comes to the same stays as it is
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
            .filter(|line| !line.starts_with("# kcm's") && !line.starts_with("# What"))
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
