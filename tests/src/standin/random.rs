//! Random values for uids, names and jitter.

/// Returns a random number in `0.0..1.0`.
pub(super) fn fraction() -> f64 {
    let mut octets = [0; 4];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    f64::from(u32::from_le_bytes(octets)) / (f64::from(u32::MAX) + 1.0)
}

/// Returns a random UUID (RFC 9562, version 4).
pub(super) fn uuid() -> String {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    octets[6] = octets[6] & 0x0f | 0x40;
    octets[8] = octets[8] & 0x3f | 0x80;
    let hex = hex(&octets);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Returns a random suffix, which the API server appends to a `generateName`.
pub(super) fn suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut octets = [0; 5];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    octets.iter().map(|octet| char::from(LETTERS[usize::from(*octet) % LETTERS.len()])).collect()
}

/// Encodes octets in lower case hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().flat_map(|octet| [octet >> 4, octet & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap()
}
