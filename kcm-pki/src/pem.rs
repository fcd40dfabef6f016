//! PEM (RFC 7468): finds blocks by their label, and encodes blocks as OpenSSL does.

use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::pem::{SectionKind, SliceIter};
use zeroize::{Zeroize as _, Zeroizing};

/// A block of a file, not decoded yet.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    /// True if a header marks the contents as encrypted (RFC 1421 section 4.6.1.1, OpenSSL's
    /// traditional form).
    pub(crate) encrypted: bool,
    /// Text of the block including its first and last line.
    text: &'a [u8],
}

/// Lists the blocks of a file; text outside of blocks is skipped. A block without an end line
/// extends up to the next block.
pub(crate) fn blocks(file: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = file;
    while let Some((label, from)) = next_begin(rest) {
        let body = from.get(BEGIN.len()..).unwrap_or_default();
        let end = next_begin(body).map_or(from.len(), |(_, next)| from.len() - next.len());
        let (text, after) = from.split_at_checked(end).unwrap_or((from, &[]));
        let encrypted =
            lines(text).any(|line| line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"));
        blocks.push(Block { label, encrypted, text });
        rest = after;
    }
    blocks
}

const BEGIN: &[u8] = b"-----BEGIN ";

/// Finds the next line that begins a block; returns its label and the input from that line on.
fn next_begin(input: &[u8]) -> Option<(&str, &[u8])> {
    let mut rest = input;
    loop {
        let end =
            rest.iter().position(|octet| matches!(octet, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        if let Some(label) =
            line.trim_ascii_end().strip_prefix(BEGIN).and_then(|line| line.strip_suffix(b"-----"))
        {
            return Some((str::from_utf8(label).unwrap_or("?"), rest));
        }
        rest = after.get(1..)?;
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| matches!(octet, b'\n' | b'\r'))
}

impl Block<'_> {
    /// Decodes the contents; `None` if the block has no end or is not base64.
    ///
    /// Private keys are decoded in constant time. Memory with the base64 text is freed without
    /// being wiped.
    pub(crate) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut sections = SliceIter::<(SectionKind, Vec<u8>)>::new(self.text);
        let (_, contents) = sections.next()?.ok()?;
        Some(Zeroizing::new(contents))
    }

    /// Decodes contents that are not secret, whatever their label, with their headers (RFC 1421
    /// section 4.6); `None` if the block has no end or is not base64.
    pub(crate) fn decode_public(&self) -> Option<Pem> {
        pem::parse(self.text).ok()
    }
}

/// Encodes a block with lines of 64 characters and LF.
pub(crate) fn encode(label: &str, contents: &[u8]) -> Zeroizing<String> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let block = Pem::new(label, contents);
    let text = Zeroizing::new(pem::encode_config(&block, config));
    block.into_contents().zeroize();
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_found_with_text_around_them_and_any_line_ends() {
        let file = "Bag Attributes\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\n-----END CERTIFICATE-----\r\n\
            note\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
            -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAQID\n-----END RSA PRIVATE KEY-----";
        let found: Vec<_> = blocks(file.as_bytes())
            .iter()
            .map(|block| {
                (block.label.to_owned(), block.encrypted, block.decode().map(|der| der.to_vec()))
            })
            .collect();
        assert_eq!(
            found,
            [
                ("CERTIFICATE".to_owned(), false, Some(vec![1, 2, 3])),
                ("EC PARAMETERS".to_owned(), false, None),
                ("RSA PRIVATE KEY".to_owned(), true, None),
            ]
        );
    }

    #[test]
    fn a_block_that_is_cut_off_does_not_decode() {
        for file in [
            "-----BEGIN CERTIFICATE-----\nAQID\n",
            "-----BEGIN CERTIFICATE-----\nAQI*\n-----END CERTIFICATE-----",
        ] {
            let found = blocks(file.as_bytes());
            assert_eq!(found.len(), 1);
            assert!(found[0].decode().is_none());
        }
    }

    #[test]
    fn written_blocks_have_lines_of_64_characters() {
        let text = encode("X", &[0; 50]);
        let lengths: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [17, 64, 4, 15]);
        assert!(text.ends_with("-----END X-----\n") && !text.contains('\r'));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(file in prop::collection::vec(any::<u8>(), 0..200)) {
            for block in blocks(&file) { let _ = block.decode(); }
        }

        #[test]
        fn nearly_pem_does_not_panic(file in "(-----(BEGIN|END) (CERTIFICATE|PRIVATE KEY|X)?-----?[\\r\\n]{0,2}[A-Za-z0-9=:\\n]{0,9}){0,5}") {
            for block in blocks(file.as_bytes()) { let _ = block.decode(); }
        }
    }
}
