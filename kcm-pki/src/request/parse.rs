//! Splits a certificate request into its fields.

use x509_parser::{extensions::X509Extension, prelude::FromDer as _};
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, BERReaderSeq, Tag};

use super::RequestError;
use crate::{asn1, extension::Extensions, oid, text};

/// The fields of a `CertificationRequest` (RFC 2986 section 4), each in DER.
pub(super) struct Raw {
    /// The signed part, a `CertificationRequestInfo`.
    pub(super) info: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    attributes: Vec<Attribute>,
    /// Dotted object identifier.
    pub(super) signature_algorithm: String,
    pub(super) signature: Vec<u8>,
}

/// An attribute, RFC 2986 section 4.1: its type and its values in DER.
struct Attribute {
    oid: Vec<u8>,
    values: Vec<Vec<u8>>,
}

/// Splits a request; nothing is verified.
pub(super) fn raw(der: &[u8]) -> Result<Raw, RequestError> {
    let malformed = |error: ASN1Error| {
        let reason = match error.kind() {
            ASN1ErrorKind::Eof => "unexpected end of the data",
            ASN1ErrorKind::Extra => "octets follow the certificate request",
            _ => "the structure is not PKCS #10 in DER",
        };
        RequestError::Malformed { reason: reason.to_owned() }
    };
    let (info, signature_algorithm, signature) = asn1::parse_der(der, |reader| {
        reader.read_sequence(|fields| {
            let info = fields.next().read_der()?;
            let algorithm = fields.next().read_sequence(read_algorithm)?;
            let (signature, bits) = fields.next().read_bitvec_bytes()?;
            if bits != signature.len() * 8 {
                return Err(invalid());
            }
            Ok((info, algorithm, signature))
        })
    })
    .map_err(malformed)?;
    let (subject, public_key, attributes) =
        asn1::parse_der(&info, |reader| reader.read_sequence(read_info)).map_err(malformed)?;
    Ok(Raw { info, subject, public_key, attributes, signature_algorithm, signature })
}

type Info = (Vec<u8>, Vec<u8>, Vec<Attribute>);

fn read_info(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Info> {
    if fields.next().read_u64()? != 0 {
        return Err(invalid());
    }
    let subject = fields.next().read_der()?;
    let public_key = fields.next().read_der()?;
    // RFC 2986 requires the field, but some programs omit it, and OpenSSL accepts that.
    let attributes = fields.read_optional(|reader| {
        reader.read_tagged_implicit(Tag::context(0), |reader| reader.collect_set_of(read_attribute))
    })?;
    Ok((subject, public_key, attributes.unwrap_or_default()))
}

fn read_attribute(reader: BERReader<'_, '_>) -> ASN1Result<Attribute> {
    reader.read_sequence(|fields| {
        let oid = fields.next().read_der()?;
        let values = fields.next().collect_set_of(oid::read_element)?;
        Ok(Attribute { oid, values })
    })
}

/// Reads an algorithm identifier and skips its parameters.
fn read_algorithm(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<String> {
    let algorithm = oid::read_dotted(fields.next())?;
    fields.read_optional(oid::read_element)?;
    Ok(algorithm)
}

fn invalid() -> ASN1Error {
    ASN1Error::new(ASN1ErrorKind::Invalid)
}

/// Reads the requested extensions: the single value of a single attribute, RFC 2985 section 5.4.2.
pub(super) fn extensions(raw: &Raw) -> Result<Extensions, RequestError> {
    let refused = |reason: &str| RequestError::Extensions { reason: reason.to_owned() };
    let mut requests = raw.attributes.iter().filter(|attribute| {
        [oid::EXTENSION_REQUEST, oid::MICROSOFT_EXTENSION_REQUEST]
            .contains(&attribute.oid.as_slice())
    });
    let Some(request) = requests.next() else { return Ok(Extensions::default()) };
    let [list] = request.values.as_slice() else {
        return Err(refused("the extension request does not have exactly one value"));
    };
    if requests.next().is_some() {
        return Err(refused("the request has more than one extension request"));
    }
    let list = asn1::parse_der(list, |reader| reader.collect_sequence_of(oid::read_element));
    let list = list.map_err(|_| refused("the extension request is malformed"))?;
    let mut parsed = Vec::with_capacity(list.len());
    for der in &list {
        match X509Extension::from_der(der) {
            Ok(([], extension)) => parsed.push(extension),
            Ok(_) => return Err(refused("octets follow an extension")),
            Err(error) => return Err(refused(&text::parser_message(error))),
        }
    }
    Extensions::read(&parsed).map_err(|reason| RequestError::Extensions { reason })
}
