//! Detects the structure of a private key from its DER contents, since PEM labels can be wrong.

use yasna::{
    ASN1Result, BERReaderSeq, Tag,
    tags::{TAG_INTEGER, TAG_OCTETSTRING},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::KeyType;
use crate::{asn1, oid};

/// The structure that holds a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    /// `RSAPrivateKey`, RFC 8017 appendix A.1.2.
    Pkcs1,
    /// `PrivateKeyInfo`, RFC 5958 section 2.
    Pkcs8,
    /// `ECPrivateKey`, RFC 5915 section 3.
    Sec1,
}

/// Detects the structure and type of a private key; `None` if the contents are not a private key.
///
/// The second field differs: an INTEGER in PKCS#1, an OCTET STRING in SEC1, an algorithm identifier
/// in PKCS#8.
pub(super) fn inspect(der: &[u8]) -> Option<(Structure, KeyType)> {
    let (tag, algorithm) = read(der, |fields| {
        let field = fields.next();
        match field.lookahead_tag()? {
            tag @ (TAG_INTEGER | TAG_OCTETSTRING) => Ok((tag, None)),
            tag => Ok((tag, Some(field.read_sequence(read_algorithm)?))),
        }
    })?;
    match (tag, algorithm) {
        (TAG_INTEGER, _) => Some((Structure::Pkcs1, KeyType::Rsa { bits: modulus_bits(der)? })),
        (_, None) => Some((Structure::Sec1, curve(&sec1_curve(der)?))),
        (_, Some((algorithm, parameters))) => {
            let key_type = match (algorithm.as_str(), parameters) {
                (RSA_ENCRYPTION, _) => KeyType::Rsa { bits: modulus_bits(&pkcs8_contents(der)?)? },
                (EC_PUBLIC_KEY, Some(parameters)) => curve(&parameters),
                _ => KeyType::Other { oid: algorithm },
            };
            Some((Structure::Pkcs8, key_type))
        }
    }
}

pub(super) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
pub(super) const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// Returns the key type of a curve by its object identifier, RFC 5480 section 2.1.1.1.
pub(super) fn curve(oid: &str) -> KeyType {
    match oid {
        "1.2.840.10045.3.1.7" => KeyType::EcdsaP256,
        "1.3.132.0.34" => KeyType::EcdsaP384,
        "1.3.132.0.35" => KeyType::EcdsaP521,
        _ => KeyType::Other { oid: oid.to_owned() },
    }
}

/// Extracts the key structure inside a PKCS#8 one.
pub(super) fn pkcs8_contents(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    read(der, |fields| {
        fields.next().read_der()?;
        fields.next().read_bytes().map(Zeroizing::new)
    })
}

/// Counts the bits of the modulus, the second field of an `RSAPrivateKey`.
fn modulus_bits(der: &[u8]) -> Option<u32> {
    let (modulus, positive) = read(der, |fields| fields.next().read_bigint_bytes())?;
    let significant = modulus.iter().skip_while(|octet| **octet == 0);
    let leading_zeros = significant.clone().next()?.leading_zeros();
    let octets = u32::try_from(significant.count()).ok()?;
    positive.then_some((octets * 8).saturating_sub(leading_zeros))
}

/// Reads the curve, the field `[0]` of an `ECPrivateKey`. The field is optional in RFC 5915 but
/// required here.
fn sec1_curve(der: &[u8]) -> Option<String> {
    read(der, |fields| {
        fields.next().read_bytes()?.zeroize();
        fields.next().read_tagged(Tag::context(0), oid::read_dotted)
    })
}

/// Reads fields of an outer SEQUENCE after the version, its first field. Any later fields are
/// ignored.
fn read<T>(
    der: &[u8],
    fields: impl FnOnce(&mut BERReaderSeq<'_, '_>) -> ASN1Result<T>,
) -> Option<T> {
    let mut found = None;
    // The result is an error whenever fields are left over, so only `found` counts.
    let _ = asn1::parse_der(der, |reader| {
        reader.read_sequence(|sequence| {
            sequence.next().read_u8()?;
            found = Some(fields(sequence)?);
            Ok(())
        })
    });
    found
}

/// Reads an algorithm identifier: its object identifier, and its parameters if they are also an
/// object identifier.
fn read_algorithm(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<(String, Option<String>)> {
    let algorithm = oid::read_dotted(fields.next())?;
    let parameters = fields.read_optional(oid::read_element)?;
    let parameters = parameters.and_then(|der| asn1::parse_der(&der, oid::read_dotted).ok());
    Ok((algorithm, parameters))
}
