//! Address ranges: one, or one of each IP family (dual stack).

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::scalar::{Text, scalar};
use super::value::invalid;
use crate::util::schema::schema;

/// An address range without host bits, displayed as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cidr {
    net: IpNet,
    text: String,
}

impl Cidr {
    /// Returns the range.
    #[must_use]
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// Returns the IP family.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        match self.net {
            IpNet::V4(_) => IpFamily::V4,
            IpNet::V6(_) => IpFamily::V6,
        }
    }

    /// True if two ranges share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.net.contains(&other.net.network()) || other.net.contains(&self.net.network())
    }
}

scalar!(Cidr, "an address range", "172.20.0.0/16", |text| {
    let net: IpNet = text.parse().map_err(|_| {
        invalid::<Self>(text, "write an address, a slash and a prefix length, as in 172.20.0.0/16")
    })?;
    if net.addr() == net.network() {
        Ok(Self { net, text: text.to_owned() })
    } else {
        let reason = format!("clear the host bits and write {}", net.trunc());
        Err(invalid::<Self>(text, reason))
    }
});

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One address range, or one of each IP family. Kubernetes prefers the family of the first range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<Cidr>);

impl Ranges {
    /// Returns the ranges in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Cidr> {
        self.0.iter()
    }

    /// True if there is one range of each IP family.
    #[must_use]
    pub fn is_dual_stack(&self) -> bool {
        self.0.len() > 1
    }

    /// Returns the range of an IP family.
    #[must_use]
    pub fn of(&self, family: IpFamily) -> Option<&Cidr> {
        self.0.iter().find(|range| range.family() == family)
    }

    /// Combines ranges.
    ///
    /// # Errors
    /// A message, if the list is empty, has more than two ranges, or has two of one family.
    fn new(ranges: Vec<Cidr>) -> Result<Self, String> {
        match &ranges[..] {
            [] => Err("the list is empty; write a range, as in 172.20.0.0/16".to_owned()),
            [_] => Ok(Self(ranges)),
            [one, other] if one.family() != other.family() => Ok(Self(ranges)),
            [one, other] => Err(format!(
                "{one} and {other} are both {}; for dual stack, write one IPv4 and one IPv6 range",
                one.family()
            )),
            all => Err(format!(
                "found {} ranges; write one range, or one IPv4 and one IPv6 range",
                all.len()
            )),
        }
    }
}

impl FromStr for Ranges {
    type Err = String;

    /// Parses ranges in the syntax of kube-controller-manager's flags, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let ranges = text.split(',').map(|range| range.trim().parse::<Cidr>());
        let ranges = ranges.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        Self::new(ranges)
    }
}

impl fmt::Display for Ranges {
    /// Formats ranges in the syntax of kube-controller-manager's flags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|range| range.text.as_str()).collect();
        f.write_str(&texts.join(","))
    }
}

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Ranges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an address range, as in 172.20.0.0/16, or a list of one IPv4 and one IPv6 range",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Ranges, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ranges, A::Error> {
                let mut ranges = Vec::new();
                while let Some(Text(range)) = items.next_element::<Text<Cidr>>()? {
                    ranges.push(range);
                }
                Ranges::new(ranges).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

schema!(Ranges, "Ranges", {
    "type": ["string", "array"],
    "description": "An address range, or one IPv4 and one IPv6 range.",
    "items": { "type": "string" },
    "minItems": 1,
    "maxItems": 2,
    "examples": ["172.20.0.0/16", ["172.20.0.0/16", "fd00:20::/56"]],
});

/// Prefix lengths of each node's Pod ranges, by the flags that set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeMasks {
    /// Prefix length for one range: `--node-cidr-mask-size`.
    One(u8),
    /// `--node-cidr-mask-size-ipv4` and `--node-cidr-mask-size-ipv6`.
    ByFamily {
        /// Prefix length for the IPv4 range, if there is one.
        ipv4: Option<u8>,
        /// Prefix length for the IPv6 range, if there is one.
        ipv6: Option<u8>,
    },
}

impl NodeMasks {
    /// Returns kube-controller-manager's flags and their values.
    pub(crate) fn flags(self) -> impl Iterator<Item = (&'static str, String)> {
        let flags = match self {
            Self::One(mask) => [("node-cidr-mask-size", Some(mask)), ("", None)],
            Self::ByFamily { ipv4, ipv6 } => {
                [("node-cidr-mask-size-ipv4", ipv4), ("node-cidr-mask-size-ipv6", ipv6)]
            }
        };
        flags.into_iter().filter_map(|(name, mask)| Some((name, mask?.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_keep_their_order_and_their_writing() {
        for (text, flag) in [
            ("172.20.0.0/16", "172.20.0.0/16"),
            ("FD00:10:244::/56", "FD00:10:244::/56"),
            ("10.244.0.0/16,fd00:10:244::/56", "10.244.0.0/16,fd00:10:244::/56"),
            ("fd00:10:244::/56,10.244.0.0/16", "fd00:10:244::/56,10.244.0.0/16"),
            ("10.244.0.0/16, fd00:10:244:0::/56", "10.244.0.0/16,fd00:10:244:0::/56"),
        ] {
            let ranges: Ranges = text.parse().unwrap();
            assert_eq!(ranges.to_string(), flag);
            let list: Vec<_> = text.split(',').map(|it| format!("\"{}\"", it.trim())).collect();
            let list = serde_yaml::from_str::<Ranges>(&format!("[{}]", list.join(", ")));
            assert_eq!(list.unwrap(), ranges);
        }
    }

    #[test]
    fn two_of_one_family_and_three_are_refused() {
        for (text, expected) in [
            ("10.0.0.0/16,10.1.0.0/16", "10.0.0.0/16 and 10.1.0.0/16 are both IPv4"),
            ("fd00::/56,fd01::/56", "are both IPv6"),
            ("10.0.0.0/16,fd00::/56,10.1.0.0/16", "found 3 ranges"),
            ("10.0.0.0/16,", "`` is not an address range"),
            ("10.0.0.0/16;fd00::/56", "`10.0.0.0/16;fd00::/56` is not an address range"),
            ("10.0.0.0/16,fd00::1/56", "`fd00::1/56` is not an address range; clear the host bits"),
        ] {
            let error = text.parse::<Ranges>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn overlap_is_seen_from_both_sides() {
        let range = |text: &str| text.parse::<Cidr>().unwrap();
        assert!(range("10.0.0.0/8").overlaps(&range("10.68.0.0/16")));
        assert!(range("10.68.0.0/16").overlaps(&range("10.0.0.0/8")));
        assert!(!range("10.68.0.0/16").overlaps(&range("172.20.0.0/16")));
        assert!(!range("0.0.0.0/0").overlaps(&range("fd00::/48")));
    }
}
