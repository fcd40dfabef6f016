//! Tests of the address ranges of Pods, Services and nodes.

use super::hand::Hand;

fn hand(flags: &[(&'static str, &str)]) -> Hand {
    Hand::new().each(|master| {
        for (name, value) in flags {
            master.set(name, value);
        }
    })
}

const DUAL: (&str, &str) = ("10.244.0.0/16,fd00:10:244::/56", "10.68.0.0/16,fd00:10:68::/112");

#[test]
fn two_ranges_are_adopted_in_every_writing() {
    for (pods, services, more, printed) in [
        (
            DUAL.0,
            DUAL.1,
            &[("node-cidr-mask-size-ipv4", "24"), ("node-cidr-mask-size-ipv6", "64")][..],
            "clusterCidr: [10.244.0.0/16, fd00:10:244::/56]",
        ),
        (
            "fd00:10:244::/56,10.244.0.0/16",
            "fd00:10:68::/112,10.68.0.0/16",
            &[("node-cidr-mask-size-ipv4", "25"), ("node-cidr-mask-size-ipv6", "60")],
            "nodeCidrMaskSizeIpv6: 60",
        ),
        (DUAL.0, DUAL.1, &[], "node-cidr-mask-size-ipv4: null"),
        (
            DUAL.0,
            "10.68.0.0/16",
            &[("node-cidr-mask-size-ipv6", "64")],
            "serviceClusterIpRange: 10.68.0.0/16",
        ),
        (
            "10.244.0.0/16,FD00:10:244::/56",
            DUAL.1,
            &[("node-cidr-mask-size-ipv4", "26")],
            "FD00:10:244::/56",
        ),
        (
            "10.244.0.0/16",
            DUAL.1,
            &[("node-cidr-mask-size-ipv4", "24")],
            "nodeCidrMaskSizeIpv4: 24",
        ),
    ] {
        let mut flags = vec![("cluster-cidr", pods), ("service-cluster-ip-range", services)];
        flags.extend(more);
        let text = hand(&flags).adopted_wholly(pods);
        assert!(text.contains(printed), "{pods}: {text}");
    }
}

#[test]
fn one_range_is_adopted_in_every_writing() {
    for (pods, services, more, printed) in [
        (
            "172.20.0.0/16",
            "10.68.0.0/16",
            &[("node-cidr-mask-size", "26")][..],
            "nodeCidrMaskSize: 26",
        ),
        ("fd00:10:244::/56", "fd00:10:68::/112", &[("bind-address", "::")], "bindAddress: \"::\""),
        (
            "fd00:10:200::/40",
            "fd00:10:68::/112",
            &[("allocate-node-cidrs", "false")],
            "allocate-node-cidrs: \"false\"",
        ),
        ("10.0.0.0/8", "192.168.0.0/24", &[], "clusterCidr: 10.0.0.0/8"),
        (
            "fd00:10:244:0::/56",
            "fd00:10:68::/112",
            &[("node-cidr-mask-size-ipv6", "64")],
            "nodeCidrMaskSizeIpv6: 64",
        ),
    ] {
        let mut flags = vec![("cluster-cidr", pods), ("service-cluster-ip-range", services)];
        flags.extend(more);
        let text = hand(&flags).adopted_wholly(pods);
        assert!(text.contains(printed), "{pods}: {text}");
    }
}

#[test]
fn a_range_that_no_flag_names_is_beside_the_one_that_is() {
    for (flag, value, absent) in [
        ("cluster-cidr", "10.0.0.0/8", "service-cluster-ip-range"),
        ("cluster-cidr", "fd00:10:244::/56", "service-cluster-ip-range"),
        ("service-cluster-ip-range", "172.16.0.0/12", "cluster-cidr"),
    ] {
        let hand = Hand::new().each(|master| {
            master.set(flag, value);
            master.unset(absent);
            if absent == "cluster-cidr" {
                master.set("allocate-node-cidrs", "false");
            }
        });
        let text = hand.adopted_wholly(value);
        assert!(text.contains(&format!("{absent}: null")), "{text}");
    }
}

#[test]
fn ranges_that_kubernetes_refuses_are_refused_and_nothing_is_written() {
    for (pods, printed) in [
        ("10.244.0.0/16,10.245.0.0/16", "are both IPv4"),
        ("10.244.0.0/16,fd00::/56,fd01::/56", "found 3 ranges"),
        ("10.244.0.0", "is not an address range"),
    ] {
        let hand = hand(&[("cluster-cidr", pods)]);
        hand.lay_out();
        let ran = hand.adopt(&[]);
        assert!(ran.code == 1 && ran.stderr.contains(printed), "{ran:?}");
        assert!(!hand.workspace.file("kcm.yaml").exists());
    }
}
