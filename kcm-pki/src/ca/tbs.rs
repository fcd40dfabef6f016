//! Encodes certificates in DER, field by field as RFC 5280 section 4.1 lists them.

use yasna::{DERWriterSeq, Tag};

use super::validity::Validity;
use crate::{
    extension::{
        BasicConstraints, write_basic_constraints, write_critical, write_hosts, write_implicit,
        write_named_bits, write_plain,
    },
    hosts::Hosts,
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
                write_hosts(value, self.hosts);
            });
        }
    }
}
