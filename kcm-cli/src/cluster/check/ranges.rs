//! Checks of the address ranges: families, overlaps, and the ranges of nodes.

use super::super::error::ClusterFileError;
use super::super::file::ClusterSection;
use super::super::locate::Step::Key;
use super::super::ranges::{Cidr, IpFamily, NodeMasks, Ranges};
use super::super::scalar::{FlagChange, FlagMap};
use super::At;
use crate::cluster::Master;

/// Default prefix lengths of a node's Pod range: that of the tutorial for IPv4, and the usual one
/// for IPv6.
const NODE_MASK: (u8, u8) = (24, 64);
/// Maximum difference between the prefix lengths of a node and of the range for IPv6 (upstream
/// `cidr_set.go`).
const LARGEST_MASK_DIFFERENCE: u8 = 16;
const MASK: &str = "nodeCidrMaskSize";
const MASK_IPV4: &str = "nodeCidrMaskSizeIpv4";
const MASK_IPV6: &str = "nodeCidrMaskSizeIpv6";

pub(super) fn check_ranges(
    at: &At<'_>,
    pods: &Ranges,
    services: &Ranges,
) -> Result<(), ClusterFileError> {
    let path = [Key("cluster"), Key("serviceClusterIpRange")];
    if !pods.iter().any(|range| services.of(range.family()).is_some()) {
        let problem = format!(
            "{services} and clusterCidr {pods} have no IP family in common; give Services a range of the same IP family"
        );
        return Err(at.error(&path, problem));
    }
    let overlaps = |range| pods.iter().find(|other| other.overlaps(range));
    if let Some((range, other)) = services.iter().find_map(|it| Some((it, overlaps(it)?))) {
        let problem =
            format!("{range} overlaps clusterCidr {other}; give Services a separate range");
        return Err(at.error(&path, problem));
    }
    Ok(())
}

/// Returns the nodes' prefix lengths by the rules of upstream's `setNodeCIDRMaskSizes`.
pub(super) fn node_masks(
    at: &At<'_>,
    section: &ClusterSection,
    flags: &FlagMap,
) -> Result<NodeMasks, ClusterFileError> {
    let pods = &section.cluster_cidr;
    let (both, ipv4, ipv6) = (
        section.node_cidr_mask_size,
        section.node_cidr_mask_size_ipv4,
        section.node_cidr_mask_size_ipv6,
    );
    let wrong = |key, problem: String| Err(at.error(&[Key("cluster"), Key(key)], problem));
    let named = [(IpFamily::V4, MASK_IPV4, ipv4), (IpFamily::V6, MASK_IPV6, ipv6)];
    if both.is_some() {
        if pods.is_dual_stack() {
            let problem = format!(
                "kube-controller-manager rejects one mask size for two ranges; set {MASK_IPV4} and {MASK_IPV6}"
            );
            return wrong(MASK, problem);
        }
        if let Some((_, key, _)) = named.iter().find(|(.., mask)| mask.is_some()) {
            let problem = format!(
                "kube-controller-manager rejects this key together with {MASK}; keep one of them"
            );
            return wrong(key, problem);
        }
    }
    for (family, key, mask) in named {
        if mask.is_some() && pods.of(family).is_none() {
            let problem = format!("clusterCidr {pods} has no {family} range; remove this key");
            return wrong(key, problem);
        }
    }
    let is_by_family = pods.is_dual_stack() || ipv4.is_some() || ipv6.is_some();
    // Without the allocation of node ranges, no prefix length has to fit.
    let allocates = !flags.0.iter().any(|(name, change)| {
        name.as_str() == "allocate-node-cidrs" && *change != FlagChange::Set("true".to_owned())
    });
    let mask = |family, key, given: Option<u8>| {
        let Some(range) = pods.of(family) else { return Ok(None) };
        let usual = if family == IpFamily::V4 { NODE_MASK.0 } else { NODE_MASK.1 };
        let mask = given.unwrap_or(usual);
        let problem = misfit(mask, range, family).filter(|_| allocates);
        let Some(problem) = problem else { return Ok(Some(mask)) };
        Err(match given {
            Some(_) => at.error(&[Key("cluster"), Key(key)], problem),
            None => at.error(
                &[Key("cluster"), Key("clusterCidr")],
                format!("{key} defaults to {mask}, and {problem} in {key}"),
            ),
        })
    };
    if is_by_family {
        return Ok(NodeMasks::ByFamily {
            ipv4: mask(IpFamily::V4, MASK_IPV4, ipv4)?,
            ipv6: mask(IpFamily::V6, MASK_IPV6, ipv6)?,
        });
    }
    let one = [IpFamily::V4, IpFamily::V6].map(|family| mask(family, MASK, both));
    let [ipv4, ipv6] = one;
    Ok(NodeMasks::One(ipv4?.or(ipv6?).unwrap_or(NODE_MASK.0)))
}

/// Returns the reason why a node's prefix length does not fit a range, with the valid lengths.
fn misfit(mask: u8, range: &Cidr, family: IpFamily) -> Option<String> {
    let prefix = range.net().prefix_len();
    let longest = match family {
        IpFamily::V4 => 32,
        IpFamily::V6 => 128,
    };
    if mask < prefix {
        Some(format!(
            "{mask} is less than the prefix length of clusterCidr {range}, which leaves no range for a node; use {prefix} to {longest}"
        ))
    } else if mask > longest {
        Some(format!("{mask} exceeds the length of an address; use {prefix} to {longest}"))
    } else if family == IpFamily::V6 && mask - prefix > LARGEST_MASK_DIFFERENCE {
        let most = prefix.saturating_add(LARGEST_MASK_DIFFERENCE).min(longest);
        Some(format!(
            "{mask} exceeds the prefix length of clusterCidr {range} by more than 16, which kube-controller-manager rejects; use {prefix} to {most}"
        ))
    } else {
        None
    }
}

/// Returns warnings about valid ranges that are likely mistakes.
pub(super) fn warnings(masters: &[Master], pods: &Ranges, services: &Ranges) -> Vec<String> {
    let all = pods.iter().map(|range| ("clusterCidr", range));
    let all = all.chain(services.iter().map(|range| ("serviceClusterIpRange", range)));
    let all: Vec<_> = all.collect();
    let inside = |ip| all.iter().find(|(_, range)| range.net().contains(&ip));
    let mut warnings: Vec<_> = masters
        .iter()
        .filter_map(|master| {
            let (field, range) = inside(master.address.ip()?)?;
            let (name, address) = (&master.name, &master.address);
            Some(format!(
                "{name}: address {address} is in {field} {range}; change the address or the range"
            ))
        })
        .collect();
    for range in services.iter().filter(|range| pods.of(range.family()).is_none()) {
        let family = range.family();
        warnings.push(format!(
            "serviceClusterIpRange {range} is {family}, and clusterCidr {pods} has no {family} range: Services of that family cannot reach a Pod; add a range of that family to clusterCidr"
        ));
    }
    warnings
}
