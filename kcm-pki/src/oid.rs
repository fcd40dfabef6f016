//! Object identifiers and algorithm identifiers as DER constants.

use yasna::{ASN1Result, BERReader};

use crate::asn1;

/// `id-ce-subjectKeyIdentifier`, RFC 5280 section 4.2.1.2.
pub(crate) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0e];
/// `id-ce-keyUsage`, RFC 5280 section 4.2.1.3.
pub(crate) const KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0f];
/// `id-ce-subjectAltName`, RFC 5280 section 4.2.1.6.
pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
/// `id-ce-basicConstraints`, RFC 5280 section 4.2.1.9.
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13];
/// `id-ce-authorityKeyIdentifier`, RFC 5280 section 4.2.1.1.
pub(crate) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23];
/// `id-ce-extKeyUsage`, RFC 5280 section 4.2.1.12.
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x25];

/// `id-ExtensionReq`, the attribute of a certificate request that lists extensions, RFC 2985 section
/// 5.4.2.
pub(crate) const EXTENSION_REQUEST: &[u8] =
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
/// Microsoft's older identifier of the same attribute, which OpenSSL also reads.
pub(crate) const MICROSOFT_EXTENSION_REQUEST: &[u8] =
    &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0e];

/// `sha256WithRSAEncryption` with its NULL parameters, RFC 4055 section 5.
pub(crate) const SHA256_WITH_RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
/// `sha384WithRSAEncryption`, RFC 4055 section 5.
pub(crate) const SHA384_WITH_RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00];
/// `sha512WithRSAEncryption`, RFC 4055 section 5.
pub(crate) const SHA512_WITH_RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00];
/// `ecdsa-with-SHA256`; the parameters are absent, RFC 5758 section 3.2.
pub(crate) const ECDSA_WITH_SHA256: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `ecdsa-with-SHA384`, RFC 5758 section 3.2.
pub(crate) const ECDSA_WITH_SHA384: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// `ecdsa-with-SHA512`, RFC 5758 section 3.2.
pub(crate) const ECDSA_WITH_SHA512: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];

/// Returns the name of a signature algorithm as OpenSSL prints it; an unlisted one keeps its dotted
/// form.
pub(crate) fn signature_algorithm_name(dotted: &str) -> &str {
    match dotted {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "ED25519",
        other => other,
    }
}

/// Reads an object identifier in dotted form.
pub(crate) fn read_dotted(reader: BERReader<'_, '_>) -> ASN1Result<String> {
    reader.read_oid().map(|oid| oid.to_string())
}

/// Reads an element of any type, with its tag and length.
pub(crate) fn read_element(reader: BERReader<'_, '_>) -> ASN1Result<Vec<u8>> {
    reader.read_der()
}

/// Converts an object identifier in DER to dotted form; an unreadable one, with arcs above 64 bits,
/// becomes a question mark.
pub(crate) fn dotted(der: &[u8]) -> String {
    asn1::parse_der(der, read_dotted).unwrap_or_else(|_| "?".to_owned())
}
