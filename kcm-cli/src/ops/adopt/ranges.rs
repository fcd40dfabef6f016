//! Address ranges and node prefix lengths, from flags to the cluster file. Pure.

use super::AdoptError;
use super::choices::Choices;
use super::findings::Findings;
use crate::cluster::{Cidr, IpFamily, Ranges};
use crate::util::explanation::Explanation;

/// Ranges to use if no flag names one: kcm's default, then alternatives if that overlaps. The last
/// two are IPv6.
const PODS: [&str; 4] = ["172.20.0.0/16", "10.244.0.0/16", "fd00:172:20::/56", "fd00:10:244::/56"];
const SERVICES: [&str; 4] =
    ["10.68.0.0/16", "172.31.0.0/16", "fd00:10:68::/112", "fd00:172:31::/112"];

pub(super) fn ranges(choices: &mut Choices, findings: &mut Findings<'_>) -> Result<(), AdoptError> {
    let pods = found("cluster-cidr", "the range of Pod addresses", findings)?;
    let services = found("service-cluster-ip-range", "the range of Service addresses", findings)?;
    let beside = |other: Option<&Ranges>, known: &[&str]| {
        let fits = |range: &Ranges| {
            let is_of_family = |it: &Cidr| range.of(it.family()).is_some();
            let overlaps = |it: &Cidr| range.iter().any(|range| range.overlaps(it));
            other.is_none_or(|it| it.iter().any(is_of_family) && !it.iter().any(overlaps))
        };
        known.iter().filter_map(|range| range.parse().ok()).find(fits)
    };
    let pods = pods.or_else(|| beside(services.as_ref(), &PODS));
    let services = services.or_else(|| beside(pods.as_ref(), &SERVICES));
    let (Some(pods), Some(services)) = (pods, services) else {
        let why = Explanation::new(
            "no default range of kcm fits the range of the other flag",
            "set --cluster-cidr and --service-cluster-ip-range in the unit",
        );
        return Err(AdoptError::Unknown { what: "the Pod and Service ranges", why });
    };
    masks(choices, &pods, findings)?;
    choices.cluster_cidr = pods.iter().map(ToString::to_string).collect();
    choices.service_cidr = services.iter().map(ToString::to_string).collect();
    Ok(())
}

/// Returns the ranges that a flag names.
fn found(
    flag: &str,
    what: &'static str,
    findings: &mut Findings<'_>,
) -> Result<Option<Ranges>, AdoptError> {
    let Some(value) = findings.agree_on_flag(flag)? else { return Ok(None) };
    if value.is_empty() {
        return Ok(None);
    }
    let unknown = |reason: String| {
        let problem = format!("--{flag}={value}: {reason}");
        AdoptError::Unknown { what, why: Explanation::new(problem, "correct it in the unit") }
    };
    match value.parse::<Ranges>() {
        Ok(ranges) => Ok(Some(ranges)),
        Err(error) => {
            // Kubernetes ignores bits beyond the prefix.
            let networks = value.split(',').map(|range| {
                let range = range.trim().parse::<ipnet::IpNet>().ok()?;
                Some(range.trunc().to_string())
            });
            let networks = networks.collect::<Option<Vec<_>>>();
            let ranges = networks.and_then(|all| all.join(",").parse::<Ranges>().ok());
            let ranges = ranges.ok_or_else(|| unknown(error.clone()))?;
            findings.not_reproduced(
                format!("--{flag}: {error}"),
                "check `kcm plan`: the cluster file has the network of this range, without host bits",
            );
            Ok(Some(ranges))
        }
    }
}

/// Sets the keys for the nodes' prefix lengths, if they differ from kcm's defaults.
fn masks(
    choices: &mut Choices,
    pods: &Ranges,
    findings: &mut Findings<'_>,
) -> Result<(), AdoptError> {
    const FLAG: &str = "node-cidr-mask-size";
    let mut size = |flag: &str| -> Result<Option<u8>, AdoptError> {
        let value = findings.agree_on_flag(flag)?.and_then(|value| value.parse().ok());
        // 0 is equivalent to an absent flag.
        Ok(value.filter(|size| *size != 0))
    };
    let both = size(FLAG)?;
    let named = [
        (IpFamily::V4, "nodeCidrMaskSizeIpv4", 24, size(&format!("{FLAG}-ipv4"))?),
        (IpFamily::V6, "nodeCidrMaskSizeIpv6", 64, size(&format!("{FLAG}-ipv6"))?),
    ];
    let is_one = both.is_some() && !pods.is_dual_stack();
    if is_one {
        let usual = if pods.of(IpFamily::V4).is_some() { 24 } else { 64 };
        choices.masks.extend(both.filter(|size| *size != usual).map(|it| ("nodeCidrMaskSize", it)));
    } else if both.is_some() {
        refused(FLAG, "with two ranges", findings);
    }
    for (family, key, usual, size) in named {
        let Some(size) = size else { continue };
        if is_one {
            refused(
                &format!("{FLAG}-{}", suffix(family)),
                &format!("together with --{FLAG}"),
                findings,
            );
        } else if pods.of(family).is_none() {
            let where_to = format!("without an {family} range");
            refused(&format!("{FLAG}-{}", suffix(family)), &where_to, findings);
        } else if size != usual || !pods.is_dual_stack() {
            choices.masks.push((key, size));
        }
    }
    Ok(())
}

fn suffix(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "ipv4",
        IpFamily::V6 => "ipv6",
    }
}

fn refused(flag: &str, why: &str, findings: &mut Findings<'_>) {
    findings.not_reproduced(
        format!(
            "--{flag} is set {why}, which kube-controller-manager rejects once it is the leader"
        ),
        "check `kcm plan`: the cluster file omits the flag",
    );
}
