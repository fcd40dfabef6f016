//! Displays distinguished names given in DER.

use std::fmt::Write as _;

use x509_parser::{
    prelude::FromDer as _,
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::{asn1, text::hex};

/// Attribute types: their object identifiers and the short names that OpenSSL prints.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Formats a name as OpenSSL 3.2 prints it, in the order of the certificate, with the escapes of
/// RFC 4514 section 2.4.
///
/// Members of a multi-valued part are joined by ` + `. Unreadable parts are printed as `#` and
/// hexadecimal.
pub(crate) fn display(der: &[u8]) -> String {
    let Ok((_, name)) = X509Name::from_der(der) else {
        return format!("#{}", hex(der));
    };
    let parts = name.iter_rdn().map(|rdn| {
        let members: Vec<_> = rdn.iter().map(display_attribute).collect();
        members.join(" + ")
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns the common name: the last one if the name has several, as in Go and Kubernetes.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    let value = name.iter_common_name().last()?;
    text(value).map(str::to_owned)
}

/// An attribute of a name: type (short name or object identifier) and value. The value is `None` if
/// it is not a readable string.
pub(crate) type Attribute = (String, Option<String>);

/// Returns the attributes in the order of the name; none if the name is unreadable.
pub(crate) fn attributes(der: &[u8]) -> Vec<Attribute> {
    let Ok((_, name)) = X509Name::from_der(der) else { return Vec::new() };
    let all = name.iter_rdn().flat_map(x509_parser::x509::RelativeDistinguishedName::iter);
    all.map(|it| (attribute_type(it), text(it).map(str::to_owned))).collect()
}

/// Reads the attributes in the order of the name; `None` if `der` is not exactly one name in DER
/// (RFC 5280 section 4.1.2.4), whereas [`attributes`] skips what is unreadable.
pub(crate) fn parse_strictly(der: &[u8]) -> Option<Vec<Attribute>> {
    let is_name = asn1::parse_der(der, |reader| {
        reader.read_sequence_of(|rdn| {
            rdn.read_set_of(|attribute| {
                attribute.read_sequence(|fields| {
                    fields.next().read_oid()?;
                    fields.next().read_der().map(|_| ())
                })
            })
        })
    });
    is_name.is_ok().then(|| attributes(der))
}

fn attribute_type(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    short.map_or(oid, str::to_owned)
}

fn display_attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = match text(attribute) {
        Some(text) => escape(text),
        None => format!("#{}", hex(attribute.as_slice())),
    };
    format!("{}={value}", attribute_type(attribute))
}

/// Returns the value if its string type can be read as UTF-8.
fn text<'a>(attribute: &AttributeTypeAndValue<'a>) -> Option<&'a str> {
    attribute.as_str().ok()
}

/// Escapes characters that would make the text ambiguous or unprintable.
fn escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (position, character) in text.chars().enumerate() {
        let at_edge = position == 0 || position == last;
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', character]),
            ' ' if at_edge => escaped.push_str("\\ "),
            '#' if position == 0 => escaped.push_str("\\#"),
            control if control.is_control() => {
                let mut octets = [0; 4];
                for octet in control.encode_utf8(&mut octets).as_bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\{octet:02X}");
                }
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_characters_are_escaped() {
        assert_eq!(escape("a, b+c"), "a\\, b\\+c");
        assert_eq!(escape(" #x "), "\\ #x\\ ");
        assert_eq!(escape("#x"), "\\#x");
        assert_eq!(escape("a\nb"), "a\\0Ab");
        assert_eq!(escape("system:kube-controller-manager"), "system:kube-controller-manager");
    }

    #[test]
    fn unreadable_names_are_shown_as_octets() {
        assert_eq!(display(&[0x30, 0x05, 0x01]), "#300501");
        assert_eq!(common_name(&[0xff]), None);
    }
}
