//! Encodes certificates in DER, field by field as RFC 5280 section 4.1 lists them.

use std::net::IpAddr;

use yasna::{DERWriter, DERWriterSeq, Tag};

use super::validity::Validity;
use crate::{
    hosts::{Host, Hosts},
    key::PublicKey,
    oid,
    serial::SerialNumber,
    usages::{Usage, Usages},
};

/// The signed part of a certificate, a `TBSCertificate`. Names and the signature algorithm are
/// already in DER.
pub(super) struct TbsCertificate<'a> {
    pub(super) serial: &'a SerialNumber,
    pub(super) signature_algorithm: &'static [u8],
    pub(super) issuer: &'a [u8],
    pub(super) validity: Validity,
    pub(super) subject: &'a [u8],
    pub(super) public_key: &'a PublicKey,
    pub(super) usages: &'a Usages,
    pub(super) basic_constraints: BasicConstraints,
    /// Key identifier of the AKI; absent in a root.
    pub(super) authority_key_id: Option<&'a [u8]>,
    pub(super) hosts: &'a Hosts,
}

#[derive(Clone, Copy)]
pub(super) enum BasicConstraints {
    Leaf,
    Ca { path_len: Option<u8> },
}

/// Version 3, RFC 5280 section 4.1.2.1.
const V3: u8 = 2;

impl TbsCertificate<'_> {
    pub(super) fn to_der(&self) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|fields| {
                fields.next().write_tagged(Tag::context(0), |writer| writer.write_u8(V3));
                fields.next().write_bigint_bytes(self.serial.as_bytes(), true);
                fields.next().write_der(self.signature_algorithm);
                fields.next().write_der(self.issuer);
                self.validity.write(fields.next());
                fields.next().write_der(self.subject);
                fields.next().write_der(self.public_key.der());
                fields.next().write_tagged(Tag::context(3), |writer| {
                    writer.write_sequence(|extensions| self.write_extensions(extensions));
                });
            });
        })
    }

    /// Writes the extensions in cfssl's order.
    fn write_extensions(&self, list: &mut DERWriterSeq<'_>) {
        let bits = self.usages.key_usage_bits();
        if bits != 0 {
            write_critical(list.next(), oid::KEY_USAGE, |value| {
                write_named_bits(value, bits);
            });
        }
        if self.usages.extended().next().is_some() {
            write_plain(list.next(), oid::EXTENDED_KEY_USAGE, |value| {
                value.write_sequence_of(|list| {
                    for usage in self.usages.extended().filter_map(Usage::oid) {
                        list.next().write_der(usage);
                    }
                });
            });
        }
        write_critical(list.next(), oid::BASIC_CONSTRAINTS, |value| {
            write_basic_constraints(value, self.basic_constraints);
        });
        write_plain(list.next(), oid::SUBJECT_KEY_IDENTIFIER, |value| {
            value.write_bytes(self.public_key.key_id());
        });
        if let Some(id) = self.authority_key_id {
            write_plain(list.next(), oid::AUTHORITY_KEY_IDENTIFIER, |value| {
                value.write_sequence(|fields| write_implicit(fields.next(), Tag::context(0), id));
            });
        }
        if !self.hosts.is_empty() {
            write_plain(list.next(), oid::SUBJECT_ALT_NAME, |value| {
                value.write_sequence_of(|names| {
                    for host in self.hosts.iter() {
                        write_host(names.next(), host);
                    }
                });
            });
        }
    }
}

/// Encodes the signed certificate.
pub(super) fn certificate(tbs: &[u8], signature_algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|fields| {
            fields.next().write_der(tbs);
            fields.next().write_der(signature_algorithm);
            fields.next().write_bitvec_bytes(signature, signature.len() * 8);
        });
    })
}

/// Writes a critical extension, which readers must reject if they do not know it (RFC 5280 section
/// 4.2).
fn write_critical(writer: DERWriter<'_>, oid: &[u8], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|fields| {
        fields.next().write_der(oid);
        fields.next().write_bool(true);
        fields.next().write_bytes(&yasna::construct_der(value));
    });
}

/// Writes a non-critical extension; DER omits `critical` if it is false, the default (X.690 section
/// 11.5).
fn write_plain(writer: DERWriter<'_>, oid: &[u8], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|fields| {
        fields.next().write_der(oid);
        fields.next().write_bytes(&yasna::construct_der(value));
    });
}

/// Writes a named bit list; DER omits trailing zero bits (X.690 section 11.2.2).
fn write_named_bits(writer: DERWriter<'_>, bits: u16) {
    let octets = bits.reverse_bits().to_be_bytes();
    let length = 16 - usize::try_from(bits.leading_zeros()).unwrap_or_default();
    let used = octets.get(..length.div_ceil(8)).unwrap_or_default();
    writer.write_bitvec_bytes(used, length);
}

fn write_basic_constraints(writer: DERWriter<'_>, constraints: BasicConstraints) {
    writer.write_sequence(|fields| {
        if let BasicConstraints::Ca { path_len } = constraints {
            fields.next().write_bool(true);
            if let Some(path_len) = path_len {
                fields.next().write_u8(path_len);
            }
        }
    });
}

/// Writes a `GeneralName`, RFC 5280 section 4.2.1.6.
fn write_host(writer: DERWriter<'_>, host: &Host) {
    match host {
        Host::Email(text) => write_implicit(writer, Tag::context(1), text.as_bytes()),
        Host::Dns(text) => write_implicit(writer, Tag::context(2), text.as_bytes()),
        Host::Uri(text) => write_implicit(writer, Tag::context(6), text.as_bytes()),
        Host::Ip(IpAddr::V4(address)) => write_implicit(writer, Tag::context(7), &address.octets()),
        Host::Ip(IpAddr::V6(address)) => write_implicit(writer, Tag::context(7), &address.octets()),
    }
}

/// Writes a primitive string under an implicit tag.
fn write_implicit(writer: DERWriter<'_>, tag: Tag, octets: &[u8]) {
    writer.write_tagged_implicit(tag, |writer| writer.write_bytes(octets));
}
