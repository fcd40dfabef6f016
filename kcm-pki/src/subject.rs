use std::fmt;

use yasna::{DERWriter, tags::TAG_PRINTABLESTRING};

use crate::{name, warning::Warning};

/// One entry of a CSR's `names`; an empty field is omitted from the subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameEntry {
    /// `C`, the country as two letters.
    pub country: String,
    /// `ST`, the state or province.
    pub state: String,
    /// `L`, the locality.
    pub locality: String,
    /// `O`, the organization, which is a group of the user in Kubernetes.
    pub organization: String,
    /// `OU`, the organizational unit.
    pub organizational_unit: String,
}

/// A subject's distinguished name, encoded exactly as by cfssl.
///
/// The order is C, ST, L, O, OU, CN, serialNumber. Several entries form one relative distinguished
/// name per attribute type, with its members in DER's order. A value is a `PrintableString` if its
/// characters allow that, otherwise a `UTF8String`.
///
/// Displayed like `openssl x509 -subject` of OpenSSL 3.2 and later: `C=CN, O=system:masters,
/// CN=admin`.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    common_name: String,
    names: Vec<NameEntry>,
    serial_number: Option<String>,
    der: Vec<u8>,
}

/// The reason a value is not allowed in a subject.
///
/// `field` is its path in the CSR file, `CN` or `names[1].O`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The common name is missing or empty.
    #[error("`CN` is missing or empty; set `CN`, which Kubernetes uses as the user name")]
    NoCommonName,
    /// A value contains a control character, such as NUL, a line break or DEL; readers truncate or
    /// misprint such names.
    #[error("`{field}` contains the control character U+{code:04X}; remove the character", code = u32::from(*character))]
    ControlCharacter {
        /// The field's path.
        field: String,
        /// First control character.
        character: char,
    },
    /// The octets are not a distinguished name in DER.
    #[error("the subject is not a distinguished name in DER; create the certificate request again")]
    Malformed,
    /// A value of a subject in DER has a string type that this crate cannot read, such as
    /// `BMPString`.
    #[error("`{field}` is not text in an ASCII or UTF-8 string type; use `UTF8String`")]
    Unreadable {
        /// Short name or object identifier of the attribute.
        field: String,
    },
    /// A value has more than 1024 octets, a limit of this crate that keeps certificates within the
    /// limits of TLS peers.
    #[error("`{field}` has {length} octets; the maximum is {limit}", limit = MAX_OCTETS)]
    TooLong {
        /// The field's path.
        field: String,
        /// Length in octets of UTF-8.
        length: usize,
    },
}

const MAX_OCTETS: usize = 1024;

/// The limit of a value's length in RFC 5280 appendix A.1.
#[derive(Clone, Copy)]
enum Bound {
    /// Two letters of ISO 3166.
    Country,
    /// At most this many characters.
    Characters(usize),
}

/// An attribute type of X.520.
struct Attribute {
    /// Name of the field in a CSR file.
    field: &'static str,
    /// Last octet of the object identifier 2.5.4.x.
    arc: u8,
    bound: Bound,
    /// Returns the value in an entry of `names`.
    value: fn(&NameEntry) -> &str,
    value_mut: fn(&mut NameEntry) -> &mut String,
}

/// Attributes of an entry in the order of encoding.
const ATTRIBUTES: [Attribute; 5] = [
    Attribute {
        field: "C",
        arc: 6,
        bound: Bound::Country,
        value: |entry| &entry.country,
        value_mut: |entry| &mut entry.country,
    },
    Attribute {
        field: "ST",
        arc: 8,
        bound: Bound::Characters(128),
        value: |entry| &entry.state,
        value_mut: |entry| &mut entry.state,
    },
    Attribute {
        field: "L",
        arc: 7,
        bound: Bound::Characters(128),
        value: |entry| &entry.locality,
        value_mut: |entry| &mut entry.locality,
    },
    Attribute {
        field: "O",
        arc: 10,
        bound: Bound::Characters(64),
        value: |entry| &entry.organization,
        value_mut: |entry| &mut entry.organization,
    },
    Attribute {
        field: "OU",
        arc: 11,
        bound: Bound::Characters(64),
        value: |entry| &entry.organizational_unit,
        value_mut: |entry| &mut entry.organizational_unit,
    },
];
const COMMON_NAME_ARC: u8 = 3;
const COMMON_NAME_BOUND: Bound = Bound::Characters(64);
const SERIAL_NUMBER_ARC: u8 = 5;
const SERIAL_NUMBER_BOUND: Bound = Bound::Characters(64);

impl Subject {
    /// Creates a subject from a common name, the entries of `names`, and the attribute
    /// serialNumber.
    ///
    /// # Errors
    /// [`SubjectError`] if the common name is empty, or if a value contains a control character or
    /// more than 1024 octets.
    pub fn new(
        common_name: impl Into<String>,
        names: Vec<NameEntry>,
        serial_number: Option<String>,
    ) -> Result<Self, SubjectError> {
        let common_name = common_name.into();
        if common_name.is_empty() {
            return Err(SubjectError::NoCommonName);
        }
        let serial_number = serial_number.filter(|text| !text.is_empty());
        let mut subject = Self { common_name, names, serial_number, der: Vec::new() };
        for value in subject.values() {
            check(&value.field, value.text)?;
        }
        subject.der = subject.encode();
        Ok(subject)
    }

    /// Reads a distinguished name in DER, such as the subject of a certificate request. A
    /// certificate gets exactly these octets.
    ///
    /// [`Self::names`] then lists the n-th value of each attribute type in the n-th entry. Attributes
    /// of other types are in [`Self::der`] only.
    ///
    /// # Errors
    /// [`SubjectError`] if `der` is not a distinguished name or has trailing data, has no common
    /// name, or has a value that is unreadable, too long or contains a control character.
    pub fn from_der(der: &[u8]) -> Result<Self, SubjectError> {
        let attributes = name::parse_strictly(der).ok_or(SubjectError::Malformed)?;
        let common_name = name::common_name(der).filter(|text| !text.is_empty());
        let common_name = common_name.ok_or(SubjectError::NoCommonName)?;
        let mut subject =
            Self { common_name, names: Vec::new(), serial_number: None, der: der.to_vec() };
        let mut counts = [0_usize; ATTRIBUTES.len()];
        for (field, value) in attributes {
            let Some(text) = value else { return Err(SubjectError::Unreadable { field }) };
            check(&field, &text)?;
            let known = ATTRIBUTES.iter().zip(&mut counts).find(|(known, _)| known.field == field);
            if let Some((attribute, count)) = known {
                if subject.names.len() <= *count {
                    subject.names.push(NameEntry::default());
                }
                if let Some(entry) = subject.names.get_mut(*count) {
                    *(attribute.value_mut)(entry) = text;
                }
                *count += 1;
            } else if field == "serialNumber" {
                subject.serial_number = Some(text);
            }
        }
        Ok(subject)
    }

    /// Returns the common name, which is the user name in Kubernetes.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// Returns the entries of `names`.
    #[must_use]
    pub fn names(&self) -> &[NameEntry] {
        &self.names
    }

    /// Returns the attribute serialNumber, which is unrelated to the certificate's serial number.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// Returns the name in DER, an `RDNSequence` (RFC 5280 section 4.1.2.4).
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns warnings about values that strict readers of the certificate may reject.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.values().flat_map(Value::warnings).collect()
    }

    /// Returns every non-empty value with its field: the common name, `names`, then `serialnumber`.
    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let common_name =
            Value { field: "CN".into(), bound: COMMON_NAME_BOUND, text: &self.common_name };
        let entries = self.names.iter().enumerate().flat_map(|(index, entry)| {
            ATTRIBUTES.iter().map(move |attribute| Value {
                field: format!("names[{index}].{}", attribute.field),
                bound: attribute.bound,
                text: (attribute.value)(entry),
            })
        });
        let serial_number = self.serial_number.as_deref().map(|text| Value {
            field: "serialnumber".into(),
            bound: SERIAL_NUMBER_BOUND,
            text,
        });
        std::iter::once(common_name)
            .chain(entries)
            .chain(serial_number)
            .filter(|value| !value.text.is_empty())
    }

    fn encode(&self) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|rdns| {
                for attribute in &ATTRIBUTES {
                    let values =
                        self.names.iter().map(attribute.value).filter(|text| !text.is_empty());
                    let values: Vec<_> = values.collect();
                    if !values.is_empty() {
                        write_rdn(rdns.next(), attribute.arc, &values);
                    }
                }
                write_rdn(rdns.next(), COMMON_NAME_ARC, &[&self.common_name]);
                if let Some(serial_number) = &self.serial_number {
                    write_rdn(rdns.next(), SERIAL_NUMBER_ARC, &[serial_number]);
                }
            });
        })
    }
}

/// Writes one relative distinguished name; DER sorts a `SET OF` by the encodings of its members
/// (X.690 section 11.6).
fn write_rdn(writer: DERWriter<'_>, arc: u8, values: &[&str]) {
    writer.write_set_of(|members| {
        for value in values {
            members.next().write_sequence(|member| {
                member.next().write_der(&[0x06, 0x03, 0x55, 0x04, arc]);
                write_directory_string(member.next(), value);
            });
        }
    });
}

/// Writes a `DirectoryString` with the type that Go's `encoding/asn1` chooses: characters such as
/// `*`, `&` and `@` require UTF-8.
fn write_directory_string(writer: DERWriter<'_>, text: &str) {
    if text.bytes().all(is_printable) {
        // yasna's writer of this type panics at a question mark, which X.680 section 41.4 allows.
        writer.write_tagged_implicit(TAG_PRINTABLESTRING, |writer| {
            writer.write_bytes(text.as_bytes());
        });
    } else {
        writer.write_utf8_string(text);
    }
}

fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}

struct Value<'a> {
    field: String,
    bound: Bound,
    text: &'a str,
}

/// Checks one value; `field` is its name in messages.
fn check(field: &str, text: &str) -> Result<(), SubjectError> {
    if let Some(character) = text.chars().find(|c| c.is_control()) {
        return Err(SubjectError::ControlCharacter { field: field.to_owned(), character });
    }
    let length = text.len();
    if length > MAX_OCTETS {
        return Err(SubjectError::TooLong { field: field.to_owned(), length });
    }
    Ok(())
}

impl Value<'_> {
    fn warnings(self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let field = || self.field.clone();
        let length = self.text.chars().count();
        match self.bound {
            Bound::Country if !is_country(self.text) => {
                warnings
                    .push(Warning::UnusualCountry { field: field(), value: self.text.to_owned() });
            }
            Bound::Characters(limit) if length > limit => {
                warnings.push(Warning::OverlongName { field: field(), length, limit });
            }
            Bound::Country | Bound::Characters(_) => {}
        }
        if self.text.trim() != self.text {
            warnings.push(Warning::SurroundingBlank { field: field() });
        }
        warnings
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_uppercase())
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name::display(&self.der))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

#[cfg(test)]
mod tests;
