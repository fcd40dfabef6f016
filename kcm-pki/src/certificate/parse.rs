//! Parses the fields of a certificate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

use super::Fields;
use crate::{
    hosts::{Host, Hosts},
    key::PublicKey,
    name, oid,
    usages::{Usage, Usages},
};

/// Reads the fields of a certificate; the error describes the defect.
pub(super) fn fields(der: &[u8]) -> Result<Fields, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| match error {
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            error.to_string()
        }
        x509_parser::nom::Err::Incomplete(_) => "unexpected end of the data".to_owned(),
    })?;
    if !rest.is_empty() {
        return Err(format!("{} octets follow the certificate", rest.len()));
    }
    let serial = certificate.raw_serial();
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    let mut fields = Fields {
        serial: serial.get(zeros..).unwrap_or_default().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        subject: certificate.subject().as_raw().to_vec(),
        common_name: name::common_name(certificate.subject().as_raw()),
        not_before: certificate.validity().not_before.to_datetime(),
        not_after: certificate.validity().not_after.to_datetime(),
        public_key: PublicKey::from_parsed(certificate.public_key()),
        signature_algorithm: oid::signature_algorithm_name(&algorithm).to_owned(),
        is_ca: false,
        path_len: None,
        has_key_usage: false,
        has_extended_key_usage: false,
        usages: Usages::default(),
        other_extended_usages: Vec::new(),
        sans: Hosts::default(),
        subject_key_id: None,
        authority_key_id: None,
    };
    extensions(&certificate, &mut fields)?;
    Ok(fields)
}

fn extensions(certificate: &X509Certificate<'_>, fields: &mut Fields) -> Result<(), String> {
    // RFC 5280 section 4.2 forbids duplicate extensions; `extensions_map` checks all of them.
    certificate.extensions_map().map_err(|error| error.to_string())?;
    let (mut basic, mut extended) = (Usages::default(), Vec::new());
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                fields.is_ca = constraints.ca;
                fields.path_len = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                fields.has_key_usage = true;
                basic = Usages::from_key_usage_bits(usage.flags);
            }
            ParsedExtension::ExtendedKeyUsage(_) => {
                fields.has_extended_key_usage = true;
                // The parsed form loses the order, so the list is read again.
                extended = extended_usages(extension.value)?;
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                fields.sans = names.general_names.iter().filter_map(host).collect();
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                fields.subject_key_id = Some(id.0.to_vec());
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                fields.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::ParseError { .. } => {
                return Err(format!("the extension {} is malformed", extension.oid.to_id_string()));
            }
            _ => {}
        }
    }
    fields.usages = basic;
    for usage in extended {
        match usage {
            Ok(usage) => fields.usages.extend([usage]),
            Err(oid) => fields.other_extended_usages.push(oid),
        }
    }
    Ok(())
}

/// Reads the object identifiers of an extKeyUsage extension; an identifier without a name in cfssl
/// is an `Err` in dotted form.
fn extended_usages(der: &[u8]) -> Result<Vec<Result<Usage, String>>, String> {
    let list = yasna::parse_der(der, |reader| reader.collect_sequence_of(oid::read_element));
    let list = list.map_err(|_| "the extended key usage is malformed".to_owned())?;
    Ok(list.into_iter().map(|der| Usage::from_oid(&der).ok_or_else(|| oid::dotted(&der))).collect())
}

fn host(name: &GeneralName<'_>) -> Option<Host> {
    match name {
        GeneralName::DNSName(name) => Some(Host::Dns((*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(Host::Email((*name).to_owned())),
        GeneralName::URI(name) => Some(Host::Uri((*name).to_owned())),
        GeneralName::IPAddress(octets) => ip(octets).map(Host::Ip),
        _ => None,
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}
