use std::fmt;

use crate::text::hex;

/// A certificate's serial number: positive and at most 20 octets long (RFC 5280 section 4.1.2.2).
///
/// Displayed as lowercase hexadecimal, two digits an octet, without leading zero octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SerialNumber([u8; 20]);

impl SerialNumber {
    /// Returns a serial number of 20 random octets, as cfssl does.
    ///
    /// The top bit is cleared, since DER integers are signed, and zero becomes one. The octets must
    /// come from a cryptographic source: 159 random bits make `(issuer, serial)` unique without a
    /// database.
    #[must_use]
    pub fn from_random(mut octets: [u8; 20]) -> Self {
        let [first, .., last] = &mut octets;
        *first &= 0x7f;
        if *first == 0 && *last == 0 && octets.iter().all(|octet| *octet == 0) {
            return Self::ONE;
        }
        Self(octets)
    }

    const ONE: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Returns the number as big-endian octets without leading zeros.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|octet| **octet == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.as_bytes()))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_bit_is_cleared() {
        assert_eq!(
            SerialNumber::from_random([0xff; 20]).to_string(),
            format!("7f{}", "ff".repeat(19))
        );
    }

    #[test]
    fn zero_becomes_one() {
        assert_eq!(SerialNumber::from_random([0; 20]).to_string(), "01");
        let mut only_top_bit = [0; 20];
        only_top_bit[0] = 0x80;
        assert_eq!(SerialNumber::from_random(only_top_bit).as_bytes(), [1]);
    }

    #[test]
    fn leading_zero_octets_are_not_part_of_the_number() {
        let mut octets = [0; 20];
        octets[18] = 0x80;
        assert_eq!(SerialNumber::from_random(octets).as_bytes(), [0x80, 0]);
    }
}
