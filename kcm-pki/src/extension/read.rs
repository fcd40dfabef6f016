use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};

use crate::{
    asn1,
    hosts::{Host, Hosts},
    oid,
    usages::{Usage, Usages},
};

/// The extensions that this crate reads.
#[derive(Clone, Default)]
pub(crate) struct Extensions {
    pub(crate) is_ca: bool,
    pub(crate) path_len: Option<u32>,
    pub(crate) has_key_usage: bool,
    pub(crate) has_extended_key_usage: bool,
    pub(crate) usages: Usages,
    pub(crate) other_extended_usages: Vec<String>,
    pub(crate) sans: Hosts,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
}

impl Extensions {
    /// Reads a list of extensions; the error describes the defect.
    ///
    /// RFC 5280 section 4.2 forbids duplicate extensions, including those that this crate does not
    /// read.
    pub(crate) fn read(list: &[X509Extension<'_>]) -> Result<Self, String> {
        let mut seen = HashSet::new();
        let mut read = Self::default();
        let mut extended = Vec::new();
        for extension in list {
            if !seen.insert(&extension.oid) {
                let oid = extension.oid.to_id_string();
                return Err(format!("the extension {oid} occurs more than once"));
            }
            if let ParsedExtension::ExtendedKeyUsage(_) = extension.parsed_extension() {
                read.has_extended_key_usage = true;
                // The parsed form loses the order, so the list is read again.
                extended = extended_usages(extension.value)?;
            } else {
                read.add(extension)?;
            }
        }
        for usage in extended {
            match usage {
                Ok(usage) => read.usages.extend([usage]),
                Err(oid) => read.other_extended_usages.push(oid),
            }
        }
        Ok(read)
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Result<(), String> {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_ca = constraints.ca;
                self.path_len = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                self.has_key_usage = true;
                self.usages = Usages::from_key_usage_bits(usage.flags);
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.sans = names.general_names.iter().filter_map(host).collect();
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::ParseError { .. } => {
                return Err(format!("the extension {} is malformed", extension.oid.to_id_string()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads the object identifiers of an extKeyUsage extension; an identifier without a name in cfssl
/// is an `Err` in dotted form.
fn extended_usages(der: &[u8]) -> Result<Vec<Result<Usage, String>>, String> {
    let list = asn1::parse_der(der, |reader| reader.collect_sequence_of(oid::read_element));
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
