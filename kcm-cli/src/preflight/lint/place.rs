//! Lookup of the key in the cluster file that sets a flag, and of the place of that key.

use crate::cluster::Source;

/// A key and its place.
pub(super) struct Place {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Flags with a dedicated key, and the keys that may set the value, the most specific one first.
const OWN_KEYS: &[(&str, &[&str])] = &[
    ("cluster-cidr", &["cluster.clusterCidr"]),
    ("cluster-name", &["cluster.name"]),
    ("node-cidr-mask-size", &["cluster.nodeCidrMaskSize", "cluster.clusterCidr"]),
    ("node-cidr-mask-size-ipv4", &["cluster.nodeCidrMaskSizeIpv4", "cluster.clusterCidr"]),
    ("node-cidr-mask-size-ipv6", &["cluster.nodeCidrMaskSizeIpv6", "cluster.clusterCidr"]),
    ("service-cluster-ip-range", &["cluster.serviceClusterIpRange"]),
    ("kubeconfig", &["install.paths.kubeconfig"]),
    ("authentication-kubeconfig", &["install.paths.kubeconfig"]),
    ("authorization-kubeconfig", &["install.paths.kubeconfig"]),
    ("cluster-signing-cert-file", &["install.paths.caCert"]),
    ("cluster-signing-key-file", &["install.paths.caKey"]),
    ("root-ca-file", &["install.paths.caCert"]),
    ("service-account-private-key-file", &["install.paths.caKey"]),
    ("tls-cert-file", &["pki.servingCertificate"]),
    ("tls-private-key-file", &["pki.servingCertificate"]),
];

/// Returns the place of a flag of a master.
///
/// It is the place of the flag's value, else that of a related flag, else the place where the flag
/// would be added.
pub(super) fn of_flag(source: &Source, master: &str, flag: &str, related: &[String]) -> Place {
    let flags = std::iter::once(flag).chain(related.iter().map(String::as_str));
    let written = flags.flat_map(|flag| keys(source, master, flag)).find_map(|key| {
        let (line, column) = source.place(&key)?;
        Some(Place { key, line, column })
    });
    written.unwrap_or_else(|| of_key(source, &format!("controllerManager.flags.{flag}")))
}

/// Returns the place of a key, or of the innermost existing section around it.
pub(super) fn of_key(source: &Source, key: &str) -> Place {
    let mut around = Some(key);
    while let Some(path) = around {
        if let Some((line, column)) = source.place(path) {
            return Place { key: key.to_owned(), line, column };
        }
        around = path.rfind(['.', '[']).and_then(|end| path.get(..end));
    }
    Place { key: key.to_owned(), line: 1, column: 1 }
}

/// Returns the keys that may set the value of a flag.
fn keys(source: &Source, master: &str, flag: &str) -> Vec<String> {
    let master = source.position(master).map(|place| format!("masters[{place}]"));
    let mut keys: Vec<_> = master.iter().map(|it| format!("{it}.flags.{flag}")).collect();
    keys.push(format!("controllerManager.flags.{flag}"));
    if flag == "bind-address" {
        keys.extend(master.iter().map(|it| format!("{it}.bindAddress")));
        keys.push("controllerManager.bindAddress".to_owned());
        keys.extend(master.iter().map(|it| format!("{it}.address")));
    }
    let own = OWN_KEYS.iter().filter(|(name, _)| *name == flag).flat_map(|(_, keys)| *keys);
    keys.extend(own.map(|&key| key.to_owned()));
    keys
}
