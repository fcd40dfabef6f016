mod parse;
mod write;

use std::fmt;

use crate::{
    csr_file::CsrFile,
    extension::Extensions,
    hosts::Hosts,
    key::{KeyType, PrivateKey, PublicKey, SignatureError},
    name, oid, pem,
    text::only,
    usages::Usages,
};

const LABEL: &str = "CERTIFICATE REQUEST";

/// A certificate request in PKCS #10 (RFC 2986), whose signature proves that the requester has the
/// key.
///
/// The contents are wishes, not policy. To issue a certificate, a CA copies the subject and the key:
/// build a [`LeafRequest`](crate::LeafRequest) with [`Subject::from_der`](crate::Subject::from_der)
/// of [`Self::subject_der`] and pass [`Self::public_key`]. Names, usages and basic constraints are
/// for the CA to decide.
#[derive(Clone)]
pub struct CertificateRequest {
    der: Vec<u8>,
    subject: Vec<u8>,
    public_key: PublicKey,
    signature_algorithm: String,
    extensions: Extensions,
}

/// The reason a certificate request cannot be read or created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The file does not contain a certificate request in PEM form.
    #[error("no certificate request in PEM format{}", only(found))]
    NoRequest {
        /// Labels of the PEM blocks in the file.
        found: Vec<String>,
    },
    /// The file contains more than one certificate request.
    #[error("expected exactly one certificate request, found {count}")]
    SeveralRequests {
        /// Number of requests.
        count: usize,
    },
    /// The block is cut off, is not base64, or is not a certificate request.
    #[error("cannot parse the certificate request: {reason}")]
    Malformed {
        /// Description of the error.
        reason: String,
    },
    /// The requested extensions are unreadable or contradictory.
    #[error("cannot read the requested extensions: {reason}; create the request again")]
    Extensions {
        /// Description of the error.
        reason: String,
    },
    /// The key is RSA below 2048 bits.
    #[error("the requested key has {bits} bits, which is too weak; use at least 2048 bits")]
    WeakKey {
        /// Number of bits of the modulus.
        bits: u32,
    },
    /// The key has a type or size that this crate does not certify.
    #[error(
        "the requested key has the unsupported type {key_type}; use RSA with 2048 to 8192 bits, or \
         ECDSA on P-256, P-384 or P-521"
    )]
    UnsupportedKey {
        /// Type of the key.
        key_type: KeyType,
    },
    /// The request is signed with MD5 or SHA-1, which can be forged.
    #[error(
        "the certificate request is signed with {algorithm}, which is too weak; sign the request \
         with SHA-256"
    )]
    WeakSignature {
        /// The algorithm.
        algorithm: String,
    },
    /// The request is signed with an algorithm that this crate does not support, such as RSA-PSS.
    #[error(
        "the certificate request is signed with {algorithm}, which is not supported; sign the \
         request with SHA-256, and an RSA key with PKCS #1 v1.5"
    )]
    UnsupportedSignature {
        /// The algorithm.
        algorithm: String,
    },
    /// The signature algorithm does not belong to the type of the key in the request.
    #[error(
        "the certificate request claims a signature with {algorithm}, but its key has the type \
         {key_type}"
    )]
    OtherKeyType {
        /// The algorithm.
        algorithm: String,
        /// Type of the key.
        key_type: KeyType,
    },
    /// The signature was not made with the key in the request over these contents.
    #[error(
        "the signature of the certificate request is invalid: the requester did not prove that it \
         has the key; create the request again"
    )]
    BadSignature,
    /// The cryptographic library failed to sign a new request.
    #[error("cannot sign the certificate request: {reason}")]
    Signing {
        /// Message of the library.
        reason: String,
    },
}

impl CertificateRequest {
    /// Creates the request of a CSR file for a key, as `cfssl genkey` does.
    ///
    /// The request asks for the names in `hosts`, and, if the CSR file has a `ca` section, for a CA
    /// certificate with its `pathlen`. With an RSA key, the same arguments give the same octets.
    ///
    /// # Errors
    /// [`RequestError::Signing`] if the cryptographic library fails.
    pub fn create(csr: &CsrFile, key: &PrivateKey) -> Result<Self, RequestError> {
        let info = write::info(csr, key.public_key());
        let der = key.sign_structure(&info).map_err(|reason| RequestError::Signing { reason })?;
        Self::from_der(&der)
    }

    /// Reads and verifies the only certificate request of a PEM file.
    ///
    /// The label is `CERTIFICATE REQUEST` (RFC 7468 section 7) or `NEW CERTIFICATE REQUEST`. Blocks
    /// with other labels, such as the key, are skipped.
    ///
    /// # Errors
    /// [`RequestError`] if the file has no request or several, or as for [`Self::from_der`].
    pub fn from_pem(file: &[u8]) -> Result<Self, RequestError> {
        let blocks = pem::blocks(file);
        let is_request =
            |block: &&pem::Block<'_>| [LABEL, "NEW CERTIFICATE REQUEST"].contains(&block.label);
        let mut requests = blocks.iter().filter(is_request);
        let Some(request) = requests.next() else {
            let found = blocks.iter().map(|block| block.label.to_owned()).collect();
            return Err(RequestError::NoRequest { found });
        };
        let others = requests.count();
        if others > 0 {
            return Err(RequestError::SeveralRequests { count: others + 1 });
        }
        let block = request.decode_public().ok_or_else(|| RequestError::Malformed {
            reason: "the PEM block is truncated or not base64".to_owned(),
        })?;
        Self::from_der(block.contents())
    }

    /// Reads and verifies a certificate request in DER.
    ///
    /// The subject is not checked: [`Subject::from_der`](crate::Subject::from_der) does.
    ///
    /// # Errors
    /// [`RequestError`] if `der` is not a request or has trailing data; if its key is weak or not
    /// supported; if its signature is invalid, weak or not supported; or if its extensions are
    /// unreadable or duplicated.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let raw = parse::raw(der)?;
        let public_key = PublicKey::from_der(&raw.public_key)
            .map_err(|error| RequestError::Malformed { reason: error.to_string() })?;
        check_key(public_key.key_type())?;
        let algorithm = || oid::signature_algorithm_name(&raw.signature_algorithm).to_owned();
        public_key.verify(&raw.signature_algorithm, &raw.info, &raw.signature).map_err(
            |error| match error {
                SignatureError::Weak => RequestError::WeakSignature { algorithm: algorithm() },
                SignatureError::Unsupported => {
                    RequestError::UnsupportedSignature { algorithm: algorithm() }
                }
                SignatureError::OtherKeyType => RequestError::OtherKeyType {
                    algorithm: algorithm(),
                    key_type: public_key.key_type().clone(),
                },
                SignatureError::Bad => RequestError::BadSignature,
            },
        )?;
        let extensions = parse::extensions(&raw)?;
        let signature_algorithm = algorithm();
        Ok(Self {
            der: der.to_vec(),
            subject: raw.subject,
            public_key,
            signature_algorithm,
            extensions,
        })
    }

    /// Encodes the request in PEM with lines of 64 characters and LF.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der).to_string()
    }

    /// Returns the request in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the subject as OpenSSL 3.2 prints it, `C=CN, O=k8s, CN=kubernetes`.
    #[must_use]
    pub fn subject(&self) -> String {
        name::display(&self.subject)
    }

    /// Returns the subject in DER; an empty SEQUENCE if the request has none.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// Returns the public key to certify.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Returns the name of the signature algorithm, such as `ecdsa-with-SHA256`.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Returns the requested subject alternative names of the four kinds that cfssl writes; other
    /// kinds are omitted.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.extensions.sans
    }

    /// Returns `true` if the request asks for basic constraints with CA:TRUE.
    #[must_use]
    pub fn asks_to_be_ca(&self) -> bool {
        self.extensions.is_ca
    }

    /// Returns the requested usages, as [`Certificate::usages`](crate::Certificate::usages) does.
    #[must_use]
    pub fn requested_usages(&self) -> &Usages {
        &self.extensions.usages
    }
}

fn check_key(key_type: &KeyType) -> Result<(), RequestError> {
    match key_type {
        KeyType::Rsa { bits: bits @ ..2048 } => Err(RequestError::WeakKey { bits: *bits }),
        KeyType::Rsa { bits: 8193.. } | KeyType::Other { .. } => {
            Err(RequestError::UnsupportedKey { key_type: key_type.clone() })
        }
        _ => Ok(()),
    }
}

impl PartialEq for CertificateRequest {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for CertificateRequest {}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateRequest({}, {:?})", self.subject(), self.public_key)
    }
}

#[cfg(test)]
mod tests;
