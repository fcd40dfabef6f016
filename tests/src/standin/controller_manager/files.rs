//! What controllers read when they start; an error ends the process.

use std::net::IpAddr;
use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::options::Options;
use crate::standin::flags::Parsed;
use crate::standin::tls;

/// Reads it all.
pub(super) fn check(flags: &Parsed, options: &Options) -> Result<(), String> {
    if let Some(path) = flags.path("root-ca-file") {
        tls::certificates_of(&path).map_err(|error| {
            format!("error parsing root-ca-file at {}: {error}", path.display())
        })?;
    }
    if let Some(path) = flags.path("service-account-private-key-file") {
        has_key(&path).map_err(|error| {
            format!("error reading key for service account token controller: {error}")
        })?;
    }
    if options.is_enabled("certificatesigningrequest-signing-controller") {
        let signers = [
            "",
            "kubelet-serving-",
            "kubelet-client-",
            "kube-apiserver-client-",
            "legacy-unknown-",
        ];
        for signer in signers {
            let file = |part: &str| flags.path(&format!("cluster-signing-{signer}{part}-file"));
            if let (Some(certificate), Some(key)) = (file("cert"), file("key")) {
                signing(&certificate, &key)
                    .map_err(|error| format!("failed to start certificate controller: {error}"))?;
            }
        }
    }
    if flags.is_on("allocate-node-cidrs", false) && options.is_enabled("node-ipam-controller") {
        node_cidrs(flags)?;
    }
    Ok(())
}

fn has_key(path: &Path) -> Result<(), String> {
    let pem = tls::read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map(drop).map_err(|_| {
        format!("data does not contain a valid RSA or ECDSA private key: {}", path.display())
    })
}

fn signing(certificate: &Path, key: &Path) -> Result<(), String> {
    let pem = tls::read(certificate)?;
    let count = CertificateDer::pem_slice_iter(&pem).flatten().count();
    if count != 1 {
        let path = certificate.display();
        return Err(format!("expected 1 certificate, found {count} in CA file {path}"));
    }
    tls::certified_key(&pem, &tls::read(key)?).map(drop)
}

fn node_cidrs(flags: &Parsed) -> Result<(), String> {
    let text = |name: &str| flags.text(name).unwrap_or_default();
    let clusters = text("cluster-cidr").split(',').map(cidr).collect::<Result<Vec<_>, _>>()?;
    for range in text("service-cluster-ip-range").split(',').filter(|range| !range.is_empty()) {
        cidr(range)?;
    }
    let is_dual = match clusters.as_slice() {
        [_] => false,
        [first, second] if first.0.is_ipv4() != second.0.is_ipv4() => true,
        [_, _] => {
            return Err(
                "len of ClusterCIDRs==2 and they are not configured as dual stack".to_owned()
            );
        }
        _ => {
            return Err(format!(
                "length of clusterCIDRs is:{} more than max allowed of 2",
                clusters.len()
            ));
        }
    };
    let common = flags.number("node-cidr-mask-size").filter(|size| *size != 0);
    if is_dual && common.is_some() {
        return Err(
            "usage of --node-cidr-mask-size is not allowed with dual-stack clusters".to_owned()
        );
    }
    for (address, prefix) in clusters {
        let (family, default) = if address.is_ipv4() { ("ipv4", 24) } else { ("ipv6", 64) };
        let own = flags.number(&format!("node-cidr-mask-size-{family}")).filter(|size| *size != 0);
        if common.is_some() && own.is_some() {
            return Err(format!(
                "usage of --node-cidr-mask-size and --node-cidr-mask-size-{family} together is not allowed"
            ));
        }
        let size = own.or(common).unwrap_or(default);
        if size < i64::from(prefix) {
            return Err(format!(
                "invalid CIDR, node mask size {size} must be greater than or equal to cluster CIDR mask size {prefix}"
            ));
        }
    }
    Ok(())
}

fn cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let invalid = || format!("invalid CIDR address: {text}");
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if prefix <= most { Ok((address, prefix)) } else { Err(invalid()) }
}
