//! The frame of PEM: labels and base64. What is inside is for others to judge.
//! Reference: <https://www.rfc-editor.org/rfc/rfc7468>

/// Bytes that are not the PEM they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// There is nothing at all.
    #[error("it is empty")]
    Empty,
    /// There is no `-----BEGIN …-----`.
    #[error("it holds no {expected} in PEM")]
    Missing {
        /// What should be there.
        expected: &'static str,
    },
    /// A block is not closed, not base64, or empty.
    #[error("line {line}: {problem}")]
    Broken {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A private key stands where only certificates may: that field is not treated as a secret by anyone.
    #[error("line {line}: a private key among the certificates")]
    PrivateKeyAmongCertificates {
        /// The line of its label, from 1.
        line: usize,
    },
    /// The private key is encrypted, and a kubeconfig has no place for the passphrase.
    #[error("the private key is encrypted; decrypt it first")]
    EncryptedPrivateKey,
    /// There is more than one private key.
    #[error("line {line}: a second private key")]
    SecondPrivateKey {
        /// The line of its label, from 1.
        line: usize,
    },
}

/// Demands one certificate or more, and no private key. Other blocks, and text between blocks, are let pass, as Go does.
pub(crate) fn check_certificates(pem: &[u8]) -> Result<(), PemError> {
    let blocks = blocks(pem)?;
    if let Some(key) = blocks.iter().find(|block| block.is_private_key()) {
        return Err(PemError::PrivateKeyAmongCertificates { line: key.line });
    }
    if blocks.iter().any(|block| block.label == b"CERTIFICATE") {
        Ok(())
    } else {
        Err(PemError::Missing { expected: "certificate" })
    }
}

/// Demands exactly one private key that is not encrypted. Certificates beside it are let pass.
pub(crate) fn check_private_key(pem: &[u8]) -> Result<(), PemError> {
    let blocks = blocks(pem)?;
    let mut keys = blocks.iter().filter(|block| block.is_private_key());
    let Some(key) = keys.next() else {
        return Err(PemError::Missing { expected: "private key" });
    };
    if let Some(second) = keys.next() {
        return Err(PemError::SecondPrivateKey { line: second.line });
    }
    if key.encrypted { Err(PemError::EncryptedPrivateKey) } else { Ok(()) }
}

struct Block<'a> {
    label: &'a [u8],
    /// The line of the label, from 1.
    line: usize,
    encrypted: bool,
}

impl Block<'_> {
    fn is_private_key(&self) -> bool {
        self.label.ends_with(b"PRIVATE KEY")
    }
}

fn blocks(pem: &[u8]) -> Result<Vec<Block<'_>>, PemError> {
    if pem.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty);
    }
    let mut blocks = Vec::new();
    let mut lines = pem.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(label) = label(line, b"-----BEGIN ") else {
            continue;
        };
        let encrypted = body(label, number, &mut lines)?;
        blocks.push(Block {
            label,
            line: number,
            encrypted: encrypted || label.starts_with(b"ENCRYPTED "),
        });
    }
    Ok(blocks)
}

/// Checks everything up to and with the end of a block, and says whether its headers call it encrypted.
fn body<'a>(
    begun: &[u8],
    first_line: usize,
    lines: &mut impl Iterator<Item = (&'a [u8], usize)>,
) -> Result<bool, PemError> {
    let mut encrypted = false;
    let mut base64 = Base64::default();
    for (line, number) in lines {
        if let Some(ended) = label(line, b"-----END ") {
            if ended != begun {
                return Err(PemError::Broken {
                    line: number,
                    problem: "the label differs from the one it began with",
                });
            }
            return match base64.end() {
                Ok(()) => Ok(encrypted),
                Err(problem) => Err(PemError::Broken { line: first_line, problem }),
            };
        }
        if line.contains(&b':') {
            // A header as of RFC 1421, which OpenSSL still writes for encrypted keys.
            encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
        } else if line.starts_with(b"-----") {
            return Err(PemError::Broken { line: number, problem: "a label within a block" });
        } else {
            base64.push(line);
        }
    }
    Err(PemError::Broken { line: first_line, problem: "the block does not end" })
}

/// Checks base64 without decoding it, so that no copy of a key is made.
#[derive(Default)]
struct Base64 {
    digits: usize,
    padding: usize,
    broken: bool,
}

impl Base64 {
    fn push(&mut self, line: &[u8]) {
        let digits = line.trim_ascii_start();
        let padding = digits.iter().rev().take_while(|b| **b == b'=').count();
        let length = digits.len() - padding;
        // Without a short cut, so that the compiler can look at many bytes at once.
        let fits = digits.iter().take(length).fold(true, |fits, b| fits & is_digit(*b));
        self.broken |= (self.padding > 0 && length > 0) || !fits;
        self.digits += length;
        self.padding += padding;
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.digits == 0 && self.padding == 0 {
            Err("the block is empty")
        } else if self.broken || self.padding > 2 || !(self.digits + self.padding).is_multiple_of(4)
        {
            Err("the block is not base64")
        } else {
            Ok(())
        }
    }
}

fn is_digit(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || byte.wrapping_sub(b'0') < 10
        || byte == b'+'
        || byte == b'/'
}

fn label<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(prefix)?.strip_suffix(b"-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nTUlJQg==\n-----END {label}-----\n")
    }

    #[test]
    fn certificates_pass_with_text_around_them_and_windows_line_ends() {
        let chain =
            format!("Certificate:\n    Data:\n{}{}", block("CERTIFICATE"), block("CERTIFICATE"));
        assert_eq!(check_certificates(chain.as_bytes()), Ok(()));
        assert_eq!(check_certificates(chain.replace('\n', "\r\n").as_bytes()), Ok(()));
    }

    #[test]
    fn keys_of_every_kind_pass() {
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            assert_eq!(check_private_key(block(label).as_bytes()), Ok(()));
        }
        let with_parameters =
            block("EC PARAMETERS") + &block("EC PRIVATE KEY") + &block("CERTIFICATE");
        assert_eq!(check_private_key(with_parameters.as_bytes()), Ok(()));
    }

    #[test]
    fn what_kubectl_accepts_without_a_word_is_refused() {
        assert_eq!(check_certificates(b""), Err(PemError::Empty));
        assert_eq!(check_certificates(b" \n"), Err(PemError::Empty));
        assert!(matches!(check_certificates(b"\x30\x82"), Err(PemError::Missing { .. })));
        assert!(matches!(
            check_certificates(block("CERTIFICATE REQUEST").as_bytes()),
            Err(PemError::Missing { .. })
        ));
        assert!(matches!(
            check_private_key(block("CERTIFICATE").as_bytes()),
            Err(PemError::Missing { .. })
        ));
        let combined = block("CERTIFICATE") + &block("PRIVATE KEY");
        assert_eq!(
            check_certificates(combined.as_bytes()),
            Err(PemError::PrivateKeyAmongCertificates { line: 4 })
        );
        let two = block("PRIVATE KEY") + &block("EC PRIVATE KEY");
        assert_eq!(check_private_key(two.as_bytes()), Err(PemError::SecondPrivateKey { line: 4 }));
        assert_eq!(
            check_private_key(block("ENCRYPTED PRIVATE KEY").as_bytes()),
            Err(PemError::EncryptedPrivateKey)
        );
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nTUlJQg==\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(check_private_key(old.as_bytes()), Err(PemError::EncryptedPrivateKey));
    }

    #[test]
    fn broken_frames_are_refused_with_their_line() {
        let broken = |text: &str| match check_certificates(text.as_bytes()) {
            Err(PemError::Broken { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(broken("-----BEGIN CERTIFICATE-----\nTUlJQg==\n"), 1);
        assert_eq!(
            broken("\n-----BEGIN CERTIFICATE-----\nTUl*Qg==\n-----END CERTIFICATE-----\n"),
            2
        );
        assert_eq!(broken("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), 1);
        assert_eq!(broken("-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END X-----\n"), 3);
        assert_eq!(
            broken(&("-----BEGIN CERTIFICATE-----\n".to_owned() + &block("CERTIFICATE"))),
            2
        );
    }
}
