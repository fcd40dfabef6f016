//! Lints of pod and service addresses, which the program checks only after it becomes the leader.

use std::net::IpAddr;

use super::value::address;
use super::{LintCode, Linter};

/// A CIDR block.
#[derive(Clone, Copy)]
struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Parses a block as Kubernetes does: without surrounding text; octets may have leading zeros.
    fn parse(text: &str) -> Option<Self> {
        let (network, prefix) = text.split_once('/')?;
        let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| is_number)?;
        let cidr = Self { address: address(network)?, prefix };
        (cidr.prefix <= cidr.bits()).then_some(cidr)
    }

    fn is_v6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Returns the length of an address in bits.
    fn bits(self) -> u8 {
        if self.is_v6() { 128 } else { 32 }
    }

    fn overlaps(self, other: Self) -> bool {
        let prefix = self.prefix.min(other.prefix);
        // Addresses as numbers of 128 bits, aligned at the first bit.
        let network = |cidr: Self| match cidr.address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let different = network(self) ^ network(other);
        self.is_v6() == other.is_v6() && different.leading_zeros() >= u32::from(prefix)
    }
}

/// Maximum difference in bits between a node's mask and the cluster's for IPv6
/// (`clusterSubnetMaxDiff` in `pkg/controller/nodeipam/ipam/cidrset/cidr_set.go`).
const MAX_MASK_DIFFERENCE_V6: i64 = 16;

const CLUSTER: &str = "cluster-cidr";
const SERVICE: &str = "service-cluster-ip-range";
const MASK: &str = "node-cidr-mask-size";
const MASK_V4: &str = "node-cidr-mask-size-ipv4";
const MASK_V6: &str = "node-cidr-mask-size-ipv6";

impl Linter<'_> {
    pub(super) fn network(&mut self) {
        // Only node-ipam-controller uses the ranges.
        let allocates =
            self.is_on("allocate-node-cidrs", false) && self.runs("node-ipam-controller");
        self.cidr_allocator(allocates);
        let services = self.services(allocates);
        let has_cluster = self.set(CLUSTER).is_some();
        match (allocates, has_cluster) {
            (true, false) => {
                let problem = "`--allocate-node-cidrs` requires the flag";
                let help = "set the flag to the address range of the pods, or remove `--allocate-node-cidrs`";
                self.lint(LintCode::ClusterCidrMissing, CLUSTER, problem, help)
                    .with(&["allocate-node-cidrs"]);
            }
            (false, true) => {
                let problem = "the flag is ignored without `--allocate-node-cidrs=true` and node-ipam-controller";
                let help = "ignore this lint if another component allocates the node CIDRs";
                self.lint(LintCode::ClusterCidrIgnored, CLUSTER, problem, help)
                    .with(&["allocate-node-cidrs"]);
            }
            (true, true) => {
                let cluster = self.cluster();
                self.node_masks(&cluster);
                let mut pairs =
                    cluster.iter().flat_map(|pods| services.iter().map(move |it| (pods, it)));
                if pairs.any(|(pods, services)| pods.overlaps(*services)) {
                    let problem = "the range overlaps `--cluster-cidr`: a pod and a service could get the same address";
                    let help = "choose separate ranges for pods and services";
                    self.lint(LintCode::OverlappingCidrs, SERVICE, problem, help).with(&[CLUSTER]);
                }
            }
            (false, false) => {}
        }
    }

    fn cidr_allocator(&mut self, allocates: bool) {
        let flag = "cidr-allocator-type";
        let Some(allocator) = self.set(flag).filter(|allocator| *allocator != "RangeAllocator")
        else {
            return;
        };
        let lacks_cloud = allocator == "CloudAllocator" && self.set("cloud-provider").is_none();
        if self.is_from(32) || (allocates && lacks_cloud) {
            let problem = format!("`{allocator}` is not available");
            let help = "remove the flag, or set the flag to `RangeAllocator`";
            self.lint(LintCode::CidrAllocator, flag, problem, help).with(&["cloud-provider"]);
        }
    }

    /// Returns the valid service ranges; the program logs and ignores invalid ones.
    fn services(&mut self, allocates: bool) -> Vec<Cidr> {
        let Some(text) = self.set(SERVICE) else { return Vec::new() };
        let entries: Vec<_> = text.trim().split(',').collect();
        if entries.len() > 2 {
            self.cidr_list(SERVICE, "more than two CIDRs are not accepted");
        }
        let cidrs: Vec<_> = entries.iter().filter_map(|entry| Cidr::parse(entry)).collect();
        if cidrs.len() < entries.len() {
            let problem = format!("`{text}` is neither one CIDR nor an IPv4 CIDR and an IPv6 CIDR");
            let help = "write a CIDR such as `10.68.0.0/16`";
            self.lint(LintCode::BadCidrs, SERVICE, problem, help).warning();
        } else if let [one, other] = cidrs[..]
            && one.is_v6() == other.is_v6()
            && allocates
        {
            self.cidr_list(SERVICE, "both CIDRs are of the same IP family");
        }
        cidrs
    }

    fn cidr_list(&mut self, flag: &str, problem: &str) {
        self.lint(
            LintCode::BadCidrs,
            flag,
            problem,
            "specify one CIDR, or one IPv4 CIDR and one IPv6 CIDR",
        );
    }

    /// Returns the ranges of the pods; empty if one of them is invalid.
    fn cluster(&mut self) -> Vec<Cidr> {
        let text = self.set(CLUSTER).unwrap_or_default();
        let Some(cidrs) = text.trim().split(',').map(Cidr::parse).collect::<Option<Vec<_>>>()
        else {
            let problem = format!("`{text}` is neither one CIDR nor an IPv4 CIDR and an IPv6 CIDR");
            self.lint(LintCode::BadCidrs, CLUSTER, problem, "write a CIDR such as `172.20.0.0/16`");
            return Vec::new();
        };
        let v6 = cidrs.iter().filter(|cidr| cidr.is_v6()).count();
        if cidrs.len() > 1 && (v6 == 0 || v6 == cidrs.len()) {
            self.cidr_list(CLUSTER, "all CIDRs are of the same IP family");
        } else if cidrs.len() > 2 {
            self.cidr_list(CLUSTER, "more than two CIDRs are not accepted");
        }
        cidrs
    }

    /// Follows `setNodeCIDRMaskSizes()` in `cmd/kube-controller-manager/app/core.go`.
    fn node_masks(&mut self, cluster: &[Cidr]) {
        let [first, ..] = cluster else { return };
        let dual = cluster.len() > 1;
        let mask = |flag| self.number(flag, 0).filter(|&mask| mask != 0);
        let general = mask(MASK);
        let (v4, v6) = (mask(MASK_V4), mask(MASK_V6));
        if general.is_some() && (dual || v4.is_some() || v6.is_some()) {
            let problem = "the flag cannot be combined with two cluster CIDRs, or with a mask size for one IP family";
            let help = "use only `--node-cidr-mask-size-ipv4` or `--node-cidr-mask-size-ipv6` for each IP family";
            self.lint(LintCode::NodeMaskFlag, MASK, problem, help)
                .with(&[MASK_V4, MASK_V6, CLUSTER]);
        } else if v4.is_some() && !dual && first.is_v6() {
            let problem = "`--cluster-cidr` has no IPv4 CIDR";
            self.lint(LintCode::NodeMaskFlag, MASK_V4, problem, "remove the flag").with(&[CLUSTER]);
        } else if v6.is_some() && !dual && !first.is_v6() {
            let problem = "`--cluster-cidr` has no IPv6 CIDR";
            self.lint(LintCode::NodeMaskFlag, MASK_V6, problem, "remove the flag").with(&[CLUSTER]);
        }
        for cidr in cluster {
            let (family, flag, default) =
                if cidr.is_v6() { (v6, MASK_V6, 64) } else { (v4, MASK_V4, 24) };
            let general = general.filter(|_| !dual);
            let flag = if general.is_some() { MASK } else { flag };
            self.node_mask(*cidr, flag, general.or(family).unwrap_or(default));
        }
    }

    fn node_mask(&mut self, cidr: Cidr, flag: &str, mask: i64) {
        let (least, most) = (i64::from(cidr.prefix), i64::from(cidr.bits()));
        let most = if cidr.is_v6() { most.min(least + MAX_MASK_DIFFERENCE_V6) } else { most };
        if !(least..=most).contains(&mask) {
            let problem =
                format!("a mask size of {mask} is not valid for a cluster CIDR of /{least}");
            let help = format!("choose a mask size from {least} to {most}");
            let lint = self.lint(LintCode::NodeMaskSize, flag, problem, help).with(&[CLUSTER]);
            // The program accepts a mask longer than an address, but then no node gets a range.
            if mask > i64::from(cidr.bits()) {
                lint.warning();
            }
        }
    }
}
