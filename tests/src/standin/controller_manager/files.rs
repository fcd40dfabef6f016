//! Checks of the files and CIDRs that controllers read at start. An error ends the process.

use std::net::IpAddr;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::options::Options;
use super::values;
use crate::standin::flags::Parsed;
use crate::standin::service_account::SigningKey;
use crate::standin::tls;

/// Contents of the files that controllers use. They are read once, when leadership begins.
#[derive(Debug)]
pub(super) struct Material {
    /// Content of `--root-ca-file`.
    pub(super) root_ca: Option<String>,
    /// Key of `--service-account-private-key-file`.
    pub(super) signer: Option<SigningKey>,
}

impl Material {
    fn read(flags: &Parsed) -> Result<Self, String> {
        let root_ca = flags.path("root-ca-file").map(|path| {
            let failed =
                |error| format!("error parsing root-ca-file at {}: {error}", path.display());
            tls::certificates_of(&path).map_err(failed)?;
            let content = tls::read(&path).map_err(failed)?;
            Ok::<_, String>(String::from_utf8_lossy(&content).into_owned())
        });
        let signer = flags.path("service-account-private-key-file").map(|path| {
            SigningKey::read(&path).map_err(|error| {
                format!("error reading key for service account token controller: {error}")
            })
        });
        Ok(Self { root_ca: root_ca.transpose()?, signer: signer.transpose()? })
    }
}

/// Checks everything that the enabled controllers read; returns what they use later.
pub(super) fn check(flags: &Parsed, options: &Options) -> Result<Material, String> {
    let provider = flags.text("cloud-provider").unwrap_or_default();
    // From 1.32 on, validation rejects the provider before the start.
    if options.version.minor < 32 && !is_provider(provider, options.version.minor) {
        return Err(match options.version.minor {
            ..29 => format!(
                "cloud provider could not be initialized: unknown cloud provider {provider:?}"
            ),
            _ => values::no_such_provider(provider),
        });
    }
    let material = Material::read(flags)?;
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
    Ok(material)
}

fn is_provider(name: &str, minor: u32) -> bool {
    matches!(name, "" | "external")
        || minor < 29 && matches!(name, "azure" | "gce" | "vsphere")
        || minor < 27 && name == "aws"
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
    let parse =
        |(index, range)| cidr(range).map_err(|why| format!("invalid CIDR[{index}]: <nil> ({why})"));
    let clusters = text("cluster-cidr").split(',').enumerate().map(parse);
    let clusters = clusters.collect::<Result<Vec<_>, _>>()?;
    let is_of = |v4: bool| clusters.iter().any(|(address, _)| address.is_ipv4() == v4);
    let is_dual = is_of(true) && is_of(false);
    if clusters.len() > 1 && !is_dual {
        return Err("len of ClusterCIDRs==2 and they are not configured as dual stack (at least \
                    one from each IPFamily"
            .to_owned());
    }
    if clusters.len() > 2 {
        let length = clusters.len();
        return Err(format!("length of clusterCIDRs is:{length} more than max allowed of 2"));
    }
    // Upstream only logs an invalid range.
    let services: Vec<_> = text("service-cluster-ip-range").split(',').flat_map(cidr).collect();
    if let [(first, _), (second, _)] = services.as_slice()
        && first.is_ipv4() == second.is_ipv4()
    {
        return Err("serviceCIDR and secondaryServiceCIDR are not dualstack (from different \
                    IPfamiles)"
            .to_owned());
    }
    let size = |name: &str| {
        let name = format!("node-cidr-mask-size{name}");
        flags.number(&name).filter(|size| *size != 0)
    };
    let (common, four, six) = (size(""), size("-ipv4"), size("-ipv6"));
    if is_dual && common.is_some() {
        let why = "usage of --node-cidr-mask-size is not allowed with dual-stack clusters";
        return Err(why.to_owned());
    }
    if common.is_some() && (four.is_some() || six.is_some()) {
        return Err("usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not \
                    allowed if --node-cidr-mask-size is set. For dual-stack clusters please unset \
                    it and use IPFamily specific flags"
            .to_owned());
    }
    for (flag, own, foreign, family) in [("ipv4", true, four, "IPv6"), ("ipv6", false, six, "IPv4")]
    {
        if foreign.is_some() && !is_of(own) {
            return Err(format!(
                "usage of --node-cidr-mask-size-{flag} is not allowed for a single-stack {family} \
                 cluster"
            ));
        }
    }
    for (address, prefix) in clusters {
        let (own, default) = if address.is_ipv4() { (four, 24) } else { (six, 64) };
        if own.or(common).unwrap_or(default) < i64::from(prefix) {
            return Err(
                "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less \
                        than or equal to --node-cidr-mask-size configured for CIDR family"
                    .to_owned(),
            );
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
