//! Encodes the signed part of a certificate request as cfssl does.

use yasna::{DERWriterSeq, Tag};

use crate::{
    csr_file::CsrFile,
    extension::{
        BasicConstraints, write_basic_constraints, write_critical, write_hosts, write_plain,
    },
    key::PublicKey,
    oid,
};

/// Version 1, RFC 2986 section 4.1.
const V1: u8 = 0;

/// Encodes a `CertificationRequestInfo`, RFC 2986 section 4.1. Without extensions, the set of
/// attributes is present and empty.
pub(super) fn info(csr: &CsrFile, public_key: &PublicKey) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|fields| {
            fields.next().write_u8(V1);
            fields.next().write_der(csr.subject.der());
            fields.next().write_der(public_key.der());
            fields.next().write_tagged_implicit(Tag::context(0), |writer| {
                writer.write_set_of(|attributes| {
                    if csr.hosts.is_empty() && csr.ca.is_none() {
                        return;
                    }
                    attributes.next().write_sequence(|attribute| {
                        attribute.next().write_der(oid::EXTENSION_REQUEST);
                        attribute.next().write_set_of(|values| {
                            values.next().write_sequence(|list| write_extensions(list, csr));
                        });
                    });
                });
            });
        });
    })
}

/// Writes the extensions in cfssl's order.
fn write_extensions(list: &mut DERWriterSeq<'_>, csr: &CsrFile) {
    if !csr.hosts.is_empty() {
        write_plain(list.next(), oid::SUBJECT_ALT_NAME, |value| write_hosts(value, &csr.hosts));
    }
    if let Some(ca) = &csr.ca {
        write_critical(list.next(), oid::BASIC_CONSTRAINTS, |value| {
            write_basic_constraints(value, BasicConstraints::Ca { path_len: ca.path_len });
        });
    }
}
