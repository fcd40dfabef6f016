//! Parses DER of unknown origin.

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader};

/// Parses DER with yasna, after a check of all lengths.
///
/// yasna adds the length of an element that it skips to its position without a check. A length near
/// 2^64 then leads back to the same element: a panic, or a list that never ends.
///
/// # Errors
///
/// An error of `read`, or if an element is longer than the one that contains it.
pub(crate) fn parse_der<'a, T>(
    der: &'a [u8],
    read: impl for<'b> FnOnce(BERReader<'a, 'b>) -> ASN1Result<T>,
) -> ASN1Result<T> {
    check_lengths(der)?;
    #[expect(clippy::disallowed_methods, reason = "the lengths are checked")]
    yasna::parse_der(der, read)
}

/// Requires that the first element contains its elements, and so on. Octets after it are not read.
fn check_lengths(der: &[u8]) -> ASN1Result<()> {
    // The ends of the elements around the position, outermost first.
    let mut around = Vec::new();
    let mut position = 0;
    loop {
        let end = around.last().copied().unwrap_or(der.len());
        let element = Element::read(der.get(position..end).unwrap_or_default())?;
        let start = position + element.header;
        if element.is_constructed {
            around.push(start + element.length);
            position = start;
        } else {
            position = start + element.length;
        }
        while around.last() == Some(&position) {
            around.pop();
        }
        if around.is_empty() {
            return Ok(());
        }
    }
}

/// Tag and length of an element, X.690 section 8.1.
struct Element {
    is_constructed: bool,
    /// Number of octets of tag and length.
    header: usize,
    /// Number of octets of the content.
    length: usize,
}

impl Element {
    /// Reads the element at the start of `der`, which contains its content.
    fn read(der: &[u8]) -> ASN1Result<Self> {
        let mut rest = der.iter().copied();
        let mut next = || rest.next().ok_or_else(|| ASN1Error::new(ASN1ErrorKind::Eof));
        let tag = next()?;
        if tag & 0x1f == 0x1f {
            while next()? & 0x80 != 0 {}
        }
        let length = match next()? {
            // DER has no indefinite length, X.690 section 10.1.
            0x80 => return Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
            short @ ..0x80 => usize::from(short),
            long => {
                let mut length = 0_usize;
                for _ in 0..long & 0x7f {
                    let shifted = length.checked_mul(256);
                    let shifted = shifted.ok_or_else(|| ASN1Error::new(ASN1ErrorKind::Eof))?;
                    length = shifted | usize::from(next()?);
                }
                length
            }
        };
        let content = rest.len();
        if length > content {
            return Err(ASN1Error::new(ASN1ErrorKind::Eof));
        }
        Ok(Self { is_constructed: tag & 0x20 != 0, header: der.len() - content, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oid;

    fn list(der: &[u8]) -> ASN1Result<Vec<Vec<u8>>> {
        parse_der(der, |reader| reader.collect_sequence_of(oid::read_element))
    }

    #[test]
    fn a_length_that_leads_back_is_an_error() {
        for length in (0..=32).map(|back| u64::MAX - back) {
            let element = [&[0x04, 0x88][..], &length.to_be_bytes()].concat();
            let size = u8::try_from(element.len()).unwrap();
            let der = [&[0x30, size][..], &element].concat();
            assert_eq!(list(&der).unwrap_err().kind(), ASN1ErrorKind::Eof, "{length:x}");
            let inside = [&[0x30, size + 2, 0x30, size][..], &element].concat();
            assert_eq!(list(&inside).unwrap_err().kind(), ASN1ErrorKind::Eof, "{length:x}");
        }
    }

    #[test]
    fn only_lengths_that_fit_are_accepted() {
        for (der, expected) in [
            (&[0x30, 0][..], Ok(0)),
            (&[0x30, 2, 0x05, 0], Ok(1)),
            (&[0x30, 4, 0x30, 2, 0x05, 0], Ok(1)),
            (&[0x30, 5, 0x1f, 0x81, 0x01, 1, 9], Ok(1)),
            (&[0x30, 4, 0x05, 0, 0x30, 0], Ok(2)),
            (&[], Err(ASN1ErrorKind::Eof)),
            (&[0x30], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 1, 0x05], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 3, 0x04, 2, 9], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 4, 0x30, 3, 0x05, 0], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 2, 0x1f, 0x81], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 0x80, 0, 0], Err(ASN1ErrorKind::Invalid)),
            (&[0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0], Err(ASN1ErrorKind::Eof)),
            (&[0x30, 0, 0], Err(ASN1ErrorKind::Extra)),
        ] {
            let found = list(der).map(|list| list.len()).map_err(|error| error.kind());
            assert_eq!(found, expected, "{der:x?}");
        }
    }
}
