use time::OffsetDateTime;

use super::{
    CaCertificate, CaError, CaRequest, Clamped, IssueError, Issued, LeafRequest, OutlivesCa,
    tbs::TbsCertificate, validity::Validity,
};
use crate::{
    certificate::Certificate,
    extension::BasicConstraints,
    hosts::Hosts,
    key::{PrivateKey, PublicKey},
    serial::SerialNumber,
    usages::{Usage, Usages},
    warning::Warning,
};

/// The certificate and the key of a CA, which issue certificates.
#[derive(Debug)]
pub struct CertificateAuthority {
    certificate: CaCertificate,
    key: PrivateKey,
}

impl CertificateAuthority {
    /// Reads a CA from two PEM files.
    ///
    /// # Errors
    /// [`CaError`] if a file cannot be read, the certificate may not sign certificates, or the key
    /// does not belong to the certificate.
    pub fn load(cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, CaError> {
        Self::new(CaCertificate::load(cert_pem)?, PrivateKey::from_pem(key_pem)?)
    }

    /// Combines the certificate and the key of a CA.
    ///
    /// # Errors
    /// [`CaError::KeyMismatch`] if the key does not belong to the certificate.
    pub fn new(certificate: CaCertificate, key: PrivateKey) -> Result<Self, CaError> {
        if !key.matches(certificate.certificate()) {
            let certificate = certificate.certificate();
            let (subject, fingerprint) = (certificate.subject(), certificate.fingerprint());
            return Err(CaError::KeyMismatch { subject, fingerprint });
        }
        Ok(Self { certificate, key })
    }

    /// Creates a self-signed root certificate for `key`, as `cfssl gencert -initca` does.
    ///
    /// # Errors
    /// [`IssueError`] if the validity cannot be encoded or signing fails. No certificate exists
    /// then.
    pub fn create(
        request: &CaRequest,
        key: &PrivateKey,
        serial: SerialNumber,
        now: OffsetDateTime,
    ) -> Result<Certificate, IssueError> {
        let tbs = TbsCertificate {
            serial: &serial,
            signature_algorithm: key.signature_algorithm(),
            issuer: request.subject.der(),
            validity: Validity::starting(now, request.lifetime)?,
            subject: request.subject.der(),
            public_key: key.public_key(),
            usages: &[Usage::CertSign, Usage::CrlSign].into_iter().collect(),
            basic_constraints: BasicConstraints::Ca { path_len: request.path_len },
            authority_key_id: None,
            hosts: &Hosts::default(),
        };
        sign(&tbs, key)
    }

    /// Returns the CA's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// Returns the CA's key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Issues a leaf certificate for `public_key`.
    ///
    /// The issuer equals the CA's subject octet for octet, and the certificate always has an AKI.
    /// The signature is not verified again, because [`Self::new`] has compared the key with the CA
    /// certificate.
    ///
    /// # Errors
    /// [`IssueError`] if the CA is not valid at `now`, the request is not valid for a leaf, or the
    /// leaf would outlive the CA under [`OutlivesCa::Refuse`]. No certificate exists then.
    pub fn issue(
        &self,
        request: &LeafRequest,
        public_key: &PublicKey,
        serial: SerialNumber,
        now: OffsetDateTime,
    ) -> Result<Issued, IssueError> {
        check_usages(&request.usages)?;
        self.certify(request, BasicConstraints::Leaf, (public_key, serial), now)
    }

    /// Issues the certificate of an intermediate CA for `public_key`. It ends with this CA at the
    /// latest.
    ///
    /// # Errors
    /// [`IssueError`] if the CA is not valid at `now`, or permits no such CA below it. No
    /// certificate exists then.
    pub fn issue_ca(
        &self,
        request: &CaRequest,
        public_key: &PublicKey,
        serial: SerialNumber,
        now: OffsetDateTime,
    ) -> Result<Issued, IssueError> {
        let ca = self.certificate.certificate();
        if ca.path_len() == Some(0) {
            return Err(IssueError::PathLength { subject: ca.subject() });
        }
        let intermediate = LeafRequest {
            subject: request.subject.clone(),
            hosts: Hosts::default(),
            usages: [Usage::CertSign, Usage::CrlSign].into_iter().collect(),
            lifetime: request.lifetime,
            outlives_ca: OutlivesCa::Clamp,
        };
        let constraints = BasicConstraints::Ca { path_len: request.path_len };
        self.certify(&intermediate, constraints, (public_key, serial), now)
    }

    fn certify(
        &self,
        request: &LeafRequest,
        basic_constraints: BasicConstraints,
        (public_key, serial): (&PublicKey, SerialNumber),
        now: OffsetDateTime,
    ) -> Result<Issued, IssueError> {
        let ca = self.certificate.certificate();
        self.certificate
            .check_validity(now)
            .map_err(|source| IssueError::CaNotValid { subject: ca.subject(), source })?;
        let mut validity = Validity::starting(now, request.lifetime)?;
        let clamped = clamp(&mut validity, ca.not_after(), request.outlives_ca)?;
        let tbs = TbsCertificate {
            serial: &serial,
            signature_algorithm: self.key.signature_algorithm(),
            issuer: ca.subject_der(),
            validity,
            subject: request.subject.der(),
            public_key,
            usages: &request.usages,
            basic_constraints,
            authority_key_id: Some(self.certificate.key_id()),
            hosts: &request.hosts,
        };
        let certificate = sign(&tbs, &self.key)?;
        let mut warnings = Vec::new();
        if request.subject.der() == ca.subject_der() {
            warnings.push(Warning::SubjectEqualsIssuer { subject: ca.subject() });
        }
        Ok(Issued { certificate, clamped, warnings })
    }
}

fn check_usages(usages: &Usages) -> Result<(), IssueError> {
    if usages.is_empty() {
        return Err(IssueError::NoUsages);
    }
    if usages.contains(Usage::CertSign) {
        return Err(IssueError::CertSignUsage);
    }
    Ok(())
}

/// Shortens or rejects a validity that ends after the CA's.
fn clamp(
    validity: &mut Validity,
    ca_not_after: OffsetDateTime,
    outlives_ca: OutlivesCa,
) -> Result<Option<Clamped>, IssueError> {
    let requested = validity.not_after;
    if requested <= ca_not_after {
        return Ok(None);
    }
    match outlives_ca {
        OutlivesCa::Refuse => Err(IssueError::OutlivesCa { requested, ca_not_after }),
        OutlivesCa::Clamp => {
            validity.not_after = ca_not_after;
            Ok(Some(Clamped { requested, not_after: ca_not_after }))
        }
    }
}

fn sign(tbs: &TbsCertificate<'_>, key: &PrivateKey) -> Result<Certificate, IssueError> {
    let der = key.sign_structure(&tbs.to_der()).map_err(|reason| IssueError::Signing { reason })?;
    Certificate::from_der(&der).map_err(|error| IssueError::Signing { reason: error.to_string() })
}
