use std::net::IpAddr;

use yasna::{DERWriter, Tag};

use crate::hosts::{Host, Hosts};

/// The value of the basicConstraints extension, RFC 5280 section 4.2.1.9.
#[derive(Clone, Copy)]
pub(crate) enum BasicConstraints {
    Leaf,
    Ca { path_len: Option<u8> },
}

/// Writes a critical extension, which readers must reject if they do not know it (RFC 5280 section
/// 4.2).
pub(crate) fn write_critical(writer: DERWriter<'_>, oid: &[u8], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|fields| {
        fields.next().write_der(oid);
        fields.next().write_bool(true);
        fields.next().write_bytes(&yasna::construct_der(value));
    });
}

/// Writes a non-critical extension; DER omits `critical` if it is false, the default (X.690 section
/// 11.5).
pub(crate) fn write_plain(writer: DERWriter<'_>, oid: &[u8], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|fields| {
        fields.next().write_der(oid);
        fields.next().write_bytes(&yasna::construct_der(value));
    });
}

/// Writes a named bit list; DER omits trailing zero bits (X.690 section 11.2.2).
pub(crate) fn write_named_bits(writer: DERWriter<'_>, bits: u16) {
    let octets = bits.reverse_bits().to_be_bytes();
    let length = 16 - usize::try_from(bits.leading_zeros()).unwrap_or_default();
    let used = octets.get(..length.div_ceil(8)).unwrap_or_default();
    writer.write_bitvec_bytes(used, length);
}

/// Writes the value of the basicConstraints extension.
pub(crate) fn write_basic_constraints(writer: DERWriter<'_>, constraints: BasicConstraints) {
    writer.write_sequence(|fields| {
        if let BasicConstraints::Ca { path_len } = constraints {
            fields.next().write_bool(true);
            if let Some(path_len) = path_len {
                fields.next().write_u8(path_len);
            }
        }
    });
}

/// Writes `GeneralNames`, RFC 5280 section 4.2.1.6.
pub(crate) fn write_hosts(writer: DERWriter<'_>, hosts: &Hosts) {
    writer.write_sequence_of(|names| {
        for host in hosts.iter() {
            write_host(names.next(), host);
        }
    });
}

/// Writes a `GeneralName`.
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
pub(crate) fn write_implicit(writer: DERWriter<'_>, tag: Tag, octets: &[u8]) {
    writer.write_tagged_implicit(tag, |writer| writer.write_bytes(octets));
}
