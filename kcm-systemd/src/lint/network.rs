//! Rules about the addresses of pods and services.

use std::net::IpAddr;

use crate::lint::value::integer;
use crate::lint::{LintCode, Linter};

/// A block of addresses.
#[derive(Clone, Copy)]
struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.trim().split_once('/')?;
        let cidr = Self { address: address.parse().ok()?, prefix: prefix.parse().ok()? };
        (cidr.prefix <= cidr.bits()).then_some(cidr)
    }

    fn is_v6(self) -> bool {
        self.address.is_ipv6()
    }

    /// The length of an address, in bits.
    fn bits(self) -> u8 {
        if self.is_v6() { 128 } else { 32 }
    }

    fn overlaps(self, other: Self) -> bool {
        let prefix = self.prefix.min(other.prefix);
        // Addresses as numbers of 128 bits, the first bit of an address foremost.
        let network = |cidr: Self| match cidr.address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let different = network(self) ^ network(other);
        self.is_v6() == other.is_v6() && different.leading_zeros() >= u32::from(prefix)
    }
}

/// The most bits by which a node's mask may be longer than the cluster's, for IPv6 (`clusterSubnetMaxDiff` in
/// `pkg/controller/nodeipam/ipam/cidrset/cidr_set.go`).
const MAX_MASK_DIFFERENCE_V6: i64 = 16;

impl Linter<'_> {
    pub(super) fn network(&mut self) {
        let cluster = self.cidrs("cluster-cidr");
        let service = self.cidrs("service-cluster-ip-range");
        for (pods, services) in
            cluster.iter().flat_map(|pods| service.iter().map(move |services| (pods, services)))
        {
            if pods.overlaps(*services) {
                let detail =
                    "it overlaps `--cluster-cidr`: a pod and a service could have one address";
                self.lint(LintCode::OverlappingCidrs, "service-cluster-ip-range", detail);
            }
        }
        let has_cluster = self.set("cluster-cidr").is_some();
        match (self.is_on("allocate-node-cidrs", false), has_cluster) {
            (true, false) => {
                let detail =
                    "`--allocate-node-cidrs` needs it; set it to the addresses of the pods";
                self.lint(LintCode::ClusterCidrMissing, "cluster-cidr", detail);
            }
            (false, true) => {
                let detail = "it is ignored without `--allocate-node-cidrs=true`";
                self.lint(LintCode::ClusterCidrIgnored, "cluster-cidr", detail);
            }
            (true, true) => self.node_masks(&cluster),
            (false, false) => {}
        }
    }

    /// The CIDRs of a flag; none if it is not set or not valid.
    fn cidrs(&mut self, flag: &str) -> Vec<Cidr> {
        let Some(text) = self.set(flag) else {
            return Vec::new();
        };
        let Some(cidrs) = text.split(',').map(Cidr::parse).collect::<Option<Vec<_>>>() else {
            self.lint(
                LintCode::BadCidrs,
                flag,
                format!("`{text}` is not a CIDR, or two with a comma between them"),
            );
            return Vec::new();
        };
        if let [first, second, rest @ ..] = &cidrs[..]
            && (first.is_v6() == second.is_v6() || !rest.is_empty())
        {
            self.lint(
                LintCode::BadCidrs,
                flag,
                format!("`{text}` must be one CIDR, or one of IPv4 and one of IPv6"),
            );
        }
        cidrs
    }

    /// Follows `setNodeCIDRMaskSizes()` in `cmd/kube-controller-manager/app/core.go`.
    fn node_masks(&mut self, cluster: &[Cidr]) {
        let [first, ..] = cluster else { return };
        let dual = cluster.len() > 1;
        let mask = |flag| self.set(flag).and_then(integer).filter(|&mask| mask != 0);
        let general = mask("node-cidr-mask-size");
        let (v4, v6) = (mask("node-cidr-mask-size-ipv4"), mask("node-cidr-mask-size-ipv6"));
        if general.is_some() && (dual || v4.is_some() || v6.is_some()) {
            let detail = "it cannot stand beside `--node-cidr-mask-size-ipv4` or `-ipv6`, nor with two cluster CIDRs; \
                          use those two alone";
            self.lint(LintCode::NodeMaskFlag, "node-cidr-mask-size", detail);
        } else if v4.is_some() && !dual && first.is_v6() {
            let detail = "the cluster has no IPv4 addresses; leave it out";
            self.lint(LintCode::NodeMaskFlag, "node-cidr-mask-size-ipv4", detail);
        } else if v6.is_some() && !dual && !first.is_v6() {
            let detail = "the cluster has no IPv6 addresses; leave it out";
            self.lint(LintCode::NodeMaskFlag, "node-cidr-mask-size-ipv6", detail);
        }
        for cidr in cluster {
            let (family, flag, default) = if cidr.is_v6() {
                (v6, "node-cidr-mask-size-ipv6", 64)
            } else {
                (v4, "node-cidr-mask-size-ipv4", 24)
            };
            let general = general.filter(|_| !dual);
            let flag = if general.is_some() { "node-cidr-mask-size" } else { flag };
            self.node_mask(*cidr, flag, general.or(family).unwrap_or(default));
        }
    }

    fn node_mask(&mut self, cidr: Cidr, flag: &str, mask: i64) {
        let (least, most) = (i64::from(cidr.prefix), i64::from(cidr.bits()));
        let most = if cidr.is_v6() { most.min(least + MAX_MASK_DIFFERENCE_V6) } else { most };
        if !(least..=most).contains(&mask) {
            let detail = format!(
                "{mask} does not go with a cluster CIDR of /{least}; choose from {least} to {most}"
            );
            self.lint(LintCode::NodeMaskSize, flag, detail);
        }
    }
}
