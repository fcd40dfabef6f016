//! Checks the labels and the base64 of PEM, but not the encoded contents.
//! Reference: <https://www.rfc-editor.org/rfc/rfc7468>

/// The reason bytes are not valid PEM of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The text is empty.
    #[error("the text is empty")]
    Empty,
    /// The text contains no PEM block of the expected type.
    #[error("no {expected} in PEM format")]
    Missing {
        /// Expected content.
        expected: &'static str,
    },
    /// A block has no end line, is not base64, or is empty.
    #[error("line {line}: {problem}")]
    Broken {
        /// Line of the error, counted from 1.
        line: usize,
        /// Description of the error.
        problem: &'static str,
    },
    /// A field for certificates contains a private key; other programs do not protect that field as
    /// a secret.
    #[error("line {line}: unexpected private key among the certificates")]
    PrivateKeyAmongCertificates {
        /// Line of the key's label, counted from 1.
        line: usize,
    },
    /// The private key is encrypted; a kubeconfig cannot hold the passphrase.
    #[error("the private key is encrypted; decrypt the key first")]
    EncryptedPrivateKey,
    /// The text contains several private keys.
    #[error("line {line}: unexpected second private key")]
    SecondPrivateKey {
        /// Line of the second key's label, counted from 1.
        line: usize,
    },
}

/// Requires at least one certificate and no private key. Other blocks and text between blocks are
/// ignored, as in Go.
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

/// Requires exactly one unencrypted private key. Certificates beside it are ignored.
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
    /// Line of the label, counted from 1.
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

/// Checks a block including its end line, and returns `true` if its headers mark it as encrypted.
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
                    problem: "the END label differs from the BEGIN label",
                });
            }
            return match base64.end() {
                Ok(()) => Ok(encrypted),
                Err(problem) => Err(PemError::Broken { line: first_line, problem }),
            };
        }
        if line.contains(&b':') {
            // OpenSSL still writes this header of RFC 1421 for encrypted keys.
            encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
        } else if line.starts_with(b"-----") {
            return Err(PemError::Broken {
                line: number,
                problem: "unexpected `-----` within a PEM block",
            });
        } else {
            base64.push(line);
        }
    }
    Err(PemError::Broken { line: first_line, problem: "the PEM block has no END line" })
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
        // Without short-circuiting, so that the compiler can vectorise the loop.
        let fits = digits.iter().take(length).fold(true, |fits, b| fits & is_digit(*b));
        self.broken |= (self.padding > 0 && length > 0) || !fits;
        self.digits += length;
        self.padding += padding;
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.digits == 0 && self.padding == 0 {
            Err("the PEM block is empty")
        } else if self.broken || self.padding > 2 || !(self.digits + self.padding).is_multiple_of(4)
        {
            Err("the PEM block is not base64")
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
