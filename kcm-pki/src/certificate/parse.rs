//! Parses the fields of a certificate.

use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::Fields;
use crate::{
    extension::Extensions,
    key::{PublicKey, SignatureError},
    name, oid, text,
};

/// Reads the fields of a certificate; the error describes the defect.
pub(super) fn fields(der: &[u8]) -> Result<Fields, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(text::parser_message)?;
    if !rest.is_empty() {
        return Err(format!("{} octets follow the certificate", rest.len()));
    }
    let serial = certificate.raw_serial();
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    Ok(Fields {
        serial: serial.get(zeros..).unwrap_or_default().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        subject: certificate.subject().as_raw().to_vec(),
        common_name: name::common_name(certificate.subject().as_raw()),
        not_before: certificate.validity().not_before.to_datetime(),
        not_after: certificate.validity().not_after.to_datetime(),
        public_key: PublicKey::from_parsed(certificate.public_key()),
        signature_algorithm: oid::signature_algorithm_name(&algorithm).to_owned(),
        extensions: Extensions::read(certificate.extensions())?,
    })
}

/// Verifies the signature of a certificate that was read before.
pub(super) fn verify_signature(der: &[u8], key: &PublicKey) -> Result<(), SignatureError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| SignatureError::Bad)?;
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    key.verify(&algorithm, certificate.tbs_certificate.as_ref(), &certificate.signature_value.data)
}
