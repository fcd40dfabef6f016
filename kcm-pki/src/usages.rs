use std::fmt;

/// A usage of a key, under the name in cfssl's profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Usage {
    /// `signing`, also `digital signature`: key usage digitalSignature.
    Signing,
    /// `content commitment`, in old cfssl `content committment`: key usage contentCommitment
    /// (nonRepudiation).
    ContentCommitment,
    /// `key encipherment`: key usage keyEncipherment.
    KeyEncipherment,
    /// `data encipherment`: key usage dataEncipherment.
    DataEncipherment,
    /// `key agreement`: key usage keyAgreement.
    KeyAgreement,
    /// `cert sign`: key usage keyCertSign, for CA certificates only.
    CertSign,
    /// `crl sign`: key usage cRLSign.
    CrlSign,
    /// `encipher only`: key usage encipherOnly.
    EncipherOnly,
    /// `decipher only`: key usage decipherOnly.
    DecipherOnly,
    /// `any`: extended key usage anyExtendedKeyUsage.
    Any,
    /// `server auth`: extended key usage id-kp-serverAuth.
    ServerAuth,
    /// `client auth`: extended key usage id-kp-clientAuth.
    ClientAuth,
    /// `code signing`: extended key usage id-kp-codeSigning.
    CodeSigning,
    /// `email protection`, also `s/mime`: extended key usage id-kp-emailProtection.
    EmailProtection,
    /// `ipsec end system`: extended key usage id-kp-ipsecEndSystem.
    IpsecEndSystem,
    /// `ipsec tunnel`: extended key usage id-kp-ipsecTunnel.
    IpsecTunnel,
    /// `ipsec user`: extended key usage id-kp-ipsecUser.
    IpsecUser,
    /// `timestamping`: extended key usage id-kp-timeStamping.
    Timestamping,
    /// `ocsp signing`: extended key usage id-kp-OCSPSigning.
    OcspSigning,
    /// `microsoft sgc`: extended key usage Microsoft server gated crypto.
    MicrosoftSgc,
    /// `netscape sgc`: extended key usage Netscape server gated crypto.
    NetscapeSgc,
}

/// The encoding of a usage in a certificate.
enum Form {
    /// Number of a bit of the keyUsage extension, RFC 5280 section 4.2.1.3.
    Bit(u8),
    /// DER form of an object identifier of the extKeyUsage extension, RFC 5280 section 4.2.1.12.
    Oid(&'static [u8]),
}

use Form::{Bit, Oid};

/// Every usage with its name, in the order of the bits, then of cfssl's documentation.
#[rustfmt::skip] // A table reads by columns.
const TABLE: &[(Usage, &str, Form)] = &[
    (Usage::Signing, "signing", Bit(0)),
    (Usage::ContentCommitment, "content commitment", Bit(1)),
    (Usage::KeyEncipherment, "key encipherment", Bit(2)),
    (Usage::DataEncipherment, "data encipherment", Bit(3)),
    (Usage::KeyAgreement, "key agreement", Bit(4)),
    (Usage::CertSign, "cert sign", Bit(5)),
    (Usage::CrlSign, "crl sign", Bit(6)),
    (Usage::EncipherOnly, "encipher only", Bit(7)),
    (Usage::DecipherOnly, "decipher only", Bit(8)),
    (Usage::Any, "any", Oid(&[6, 4, 0x55, 0x1d, 0x25, 0])),
    (Usage::ServerAuth, "server auth", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1])),
    (Usage::ClientAuth, "client auth", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2])),
    (Usage::CodeSigning, "code signing", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3])),
    (Usage::EmailProtection, "email protection", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 4])),
    (Usage::IpsecEndSystem, "ipsec end system", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 5])),
    (Usage::IpsecTunnel, "ipsec tunnel", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 6])),
    (Usage::IpsecUser, "ipsec user", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 7])),
    (Usage::Timestamping, "timestamping", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8])),
    (Usage::OcspSigning, "ocsp signing", Oid(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9])),
    (Usage::MicrosoftSgc, "microsoft sgc", Oid(&[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3])),
    (Usage::NetscapeSgc, "netscape sgc", Oid(&[6, 9, 0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1])),
];

/// Other names that cfssl accepts for the same usages.
const SYNONYMS: &[(&str, Usage)] = &[
    ("digital signature", Usage::Signing),
    // The only spelling in cfssl up to 1.2.0.
    ("content committment", Usage::ContentCommitment),
    ("s/mime", Usage::EmailProtection),
];

impl Usage {
    /// Returns cfssl's name, the first one if it has two.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(usage, ..)| *usage == self).map_or("", |(_, name, _)| name)
    }

    /// Returns `true` if the usage belongs to the extKeyUsage extension; otherwise it is a bit of
    /// keyUsage.
    #[must_use]
    pub fn is_extended(self) -> bool {
        self.oid().is_some()
    }

    /// Returns the DER form of the object identifier, if this is an extended usage.
    pub(crate) fn oid(self) -> Option<&'static [u8]> {
        TABLE.iter().find(|(usage, ..)| *usage == self).and_then(|(.., form)| match form {
            Oid(oid) => Some(*oid),
            Bit(_) => None,
        })
    }

    /// Returns the extended usage with this object identifier in DER form.
    pub(crate) fn from_oid(der: &[u8]) -> Option<Self> {
        TABLE
            .iter()
            .find(|(.., form)| matches!(form, Oid(oid) if *oid == der))
            .map(|(usage, ..)| *usage)
    }

    fn from_name(name: &str) -> Option<Self> {
        let named = TABLE.iter().map(|(usage, name, _)| (*name, *usage));
        named
            .chain(SYNONYMS.iter().copied())
            .find(|(known, _)| *known == name)
            .map(|(_, usage)| usage)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The usages of a key, in the order in which a profile lists them, without duplicates.
///
/// The order determines the order of the extended usages in a certificate. The list of a parsed
/// certificate may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usages(Vec<Usage>);

/// A usage name that cfssl does not know. cfssl silently drops such names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown usage {name:?}{}; known usages: {}", did_you_mean(*nearest), known.join(", "))]
#[non_exhaustive]
pub struct UnknownUsage {
    /// Name as given.
    pub name: String,
    /// Known name with the most similar spelling.
    pub nearest: Option<&'static str>,
    /// All known names.
    pub known: Vec<&'static str>,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

impl Usages {
    /// Reads a list of usage names of cfssl.
    ///
    /// A usage that is listed twice, for example as `s/mime` and `email protection`, is kept at its
    /// first position.
    ///
    /// # Errors
    /// [`UnknownUsage`] for the first unknown name, with a list of all known ones.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownUsage> {
        names.into_iter().map(|name| Usage::from_name(name).ok_or_else(|| unknown(name))).collect()
    }

    /// Returns the usages in order.
    pub fn iter(&self) -> impl Iterator<Item = Usage> + '_ {
        self.0.iter().copied()
    }

    /// Returns `true` if the usage is in the list.
    #[must_use]
    pub fn contains(&self, usage: Usage) -> bool {
        self.0.contains(&usage)
    }

    /// Returns `true` if both lists have the same usages, in any order.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|usage| other.contains(usage))
    }

    /// Returns `true` if the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bits of the keyUsage extension, with bit 0 (digitalSignature) lowest; zero means
    /// no extension.
    pub(crate) fn key_usage_bits(&self) -> u16 {
        TABLE.iter().filter(|(usage, ..)| self.contains(*usage)).fold(0, |bits, (.., form)| {
            match form {
                Bit(bit) => bits | 1 << bit,
                Oid(_) => bits,
            }
        })
    }

    /// Returns the extended usages in order.
    pub(crate) fn extended(&self) -> impl Iterator<Item = Usage> + '_ {
        self.iter().filter(|usage| usage.is_extended())
    }

    /// Returns the usages for the bits of a keyUsage extension.
    pub(crate) fn from_key_usage_bits(bits: u16) -> Self {
        TABLE
            .iter()
            .filter(|(.., form)| matches!(form, Bit(bit) if bits & 1 << bit != 0))
            .map(|(usage, ..)| *usage)
            .collect()
    }
}

fn unknown(name: &str) -> UnknownUsage {
    let known: Vec<_> = TABLE
        .iter()
        .map(|(_, name, _)| *name)
        .chain(SYNONYMS.iter().map(|(name, _)| *name))
        .collect();
    UnknownUsage {
        name: name.to_owned(),
        nearest: crate::text::nearest(name, known.iter().copied()),
        known,
    }
}

impl FromIterator<Usage> for Usages {
    fn from_iter<I: IntoIterator<Item = Usage>>(usages: I) -> Self {
        let mut list = Self::default();
        list.extend(usages);
        list
    }
}

impl Extend<Usage> for Usages {
    fn extend<I: IntoIterator<Item = Usage>>(&mut self, usages: I) {
        for usage in usages {
            if !self.contains(usage) {
                self.0.push(usage);
            }
        }
    }
}

impl fmt::Display for Usages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, usage) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(usage.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usage_is_found_by_its_own_name() {
        for (usage, name, _) in TABLE {
            assert_eq!(Usages::parse([*name]).unwrap().iter().collect::<Vec<_>>(), [*usage]);
            assert_eq!(usage.to_string(), *name);
        }
    }

    #[test]
    fn order_is_kept_and_doubles_are_dropped() {
        let usages = Usages::parse([
            "client auth",
            "s/mime",
            "signing",
            "email protection",
            "digital signature",
        ])
        .unwrap();
        assert_eq!(usages.to_string(), "client auth, email protection, signing");
    }

    #[test]
    fn unknown_usages_are_refused_with_all_known_ones() {
        let error = Usages::parse(["signing", "clientauth"]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(r#"unknown usage "clientauth" (did you mean "client auth"?)"#),
            "{message}"
        );
        assert!(message.contains("s/mime") && message.contains("key encipherment"), "{message}");
        assert!(Usages::parse(["Signing"]).is_err(), "cfssl's names are case-sensitive");
    }

    #[test]
    fn bits_are_those_of_rfc_5280() {
        let bits = |names: &[&str]| Usages::parse(names.iter().copied()).unwrap().key_usage_bits();
        assert_eq!(bits(&["signing", "key encipherment", "client auth"]), 0b101);
        assert_eq!(bits(&["cert sign", "crl sign"]), 0b110_0000);
        assert_eq!(bits(&["decipher only"]), 0b1_0000_0000);
        assert_eq!(bits(&["client auth"]), 0);
        assert_eq!(
            Usages::from_key_usage_bits(0b1_0000_0101).to_string(),
            "signing, key encipherment, decipher only"
        );
    }

    #[test]
    fn comparison_can_ignore_the_order() {
        let left = Usages::parse(["signing", "client auth"]).unwrap();
        let right = Usages::parse(["client auth", "signing"]).unwrap();
        assert!(left.same_as(&right) && left != right);
        assert!(!left.same_as(&Usages::parse(["signing"]).unwrap()));
    }
}
