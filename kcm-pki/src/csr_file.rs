use crate::{
    duration::{DurationError, GoDuration},
    hosts::{HostError, Hosts},
    json::{self, Fields, JsonError},
    key::KeyAlgorithm,
    subject::{NameEntry, Subject, SubjectError},
    warning::Parsed,
};

/// A certificate request in the JSON format of cfssl.
///
/// Parsing is as lenient as in cfssl: field names are case-insensitive, the last duplicate counts,
/// and `null` means absent. Unknown fields are ignored with a warning. Values that would make an
/// invalid certificate are an error, unlike in cfssl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsrFile {
    /// `CN`, `names` and `serialnumber`.
    pub subject: Subject,
    /// `hosts`; empty if absent.
    pub hosts: Hosts,
    /// `key`; ECDSA P-256 if absent.
    pub key: KeyAlgorithm,
    /// `ca`, for a request for a root.
    pub ca: Option<CaSection>,
}

/// The section `ca` of a CSR file, which configures a root certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaSection {
    /// `expiry`; if absent, callers use cfssl's default of five years.
    pub lifetime: Option<GoDuration>,
    /// `pathlen` if not zero, or zero with `pathlenzero`: the maximum number of CAs below this one;
    /// unlimited if absent.
    pub path_len: Option<u8>,
}

/// The reason a CSR file cannot be used.
///
/// Messages name the position or the field, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrFileError {
    /// The file is not JSON, or a field has the wrong type.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A part of the subject is missing or not valid in a certificate.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// An entry of `hosts` is not a valid name.
    #[error("invalid `{field}`")]
    Host {
        /// The entry's path, `hosts[2]`.
        field: String,
        /// The error of the entry.
        source: HostError,
    },
    /// `key` requests an unsupported or weak key.
    #[error("`key` requests {algorithm:?} of size {size}: {problem}")]
    Key {
        /// `key.algo`, or cfssl's default `ecdsa`.
        algorithm: String,
        /// `key.size` in bits, or cfssl's default 256, which is too weak for RSA.
        size: i64,
        /// Description of the error with its fix.
        problem: &'static str,
    },
    /// `ca.expiry` is not a positive duration.
    #[error("invalid `{field}`")]
    Duration {
        /// The field's path.
        field: String,
        /// The error of the duration.
        source: DurationError,
    },
    /// `ca.pathlen` is negative or unreasonably large.
    #[error(
        "`ca.pathlen` is {value}, outside 0 to 255; write the maximum number of CAs below this one"
    )]
    PathLength {
        /// Number as given.
        value: i64,
    },
}

impl CsrFile {
    /// Reads a CSR file.
    ///
    /// # Errors
    /// [`CsrFileError`] for the first invalid part of the file.
    pub fn parse(text: &str) -> Result<Parsed<Self>, CsrFileError> {
        let root = json::parse(text)?;
        let root = Fields::of(&root, "")?;
        let mut warnings = Vec::new();
        root.warn_of_others(
            &["CN", "names", "hosts", "key", "ca", "serialnumber"],
            &["delegation_enabled", "extensions", "crl_url"],
            &mut warnings,
        );

        let mut names = Vec::new();
        for (index, entry) in root.list("names")?.iter().enumerate() {
            if *entry == json::Json::Null {
                names.push(NameEntry::default());
                continue;
            }
            let entry = Fields::of(entry, format!("names[{index}]"))?;
            entry.warn_of_others(
                &["C", "ST", "L", "O", "OU"],
                &["E", "SerialNumber", "OID"],
                &mut warnings,
            );
            names.push(name_entry(&entry)?);
        }
        let common_name = root.string("CN")?.unwrap_or_default();
        let serial_number = root.string("serialnumber")?.map(str::to_owned);
        let subject = Subject::new(common_name, names, serial_number)?;
        warnings.extend(subject.warnings());

        let key = match root.object("key")? {
            None => KeyAlgorithm::EcdsaP256,
            Some(key) => {
                key.warn_of_others(&["algo", "size"], &[], &mut warnings);
                key_algorithm(&key)?
            }
        };
        let ca = match root.object("ca")? {
            None => None,
            Some(ca) => {
                ca.warn_of_others(
                    &["expiry", "pathlen", "pathlenzero"],
                    &["backdate"],
                    &mut warnings,
                );
                Some(ca_section(&ca)?)
            }
        };
        let value = Self { subject, hosts: hosts(&root)?, key, ca };
        Ok(Parsed { value, warnings })
    }
}

fn name_entry(entry: &Fields<'_>) -> Result<NameEntry, JsonError> {
    let text = |name| entry.string(name).map(|text| text.unwrap_or_default().to_owned());
    Ok(NameEntry {
        country: text("C")?,
        state: text("ST")?,
        locality: text("L")?,
        organization: text("O")?,
        organizational_unit: text("OU")?,
    })
}

fn hosts(root: &Fields<'_>) -> Result<Hosts, CsrFileError> {
    let entries = root.strings("hosts")?.into_iter().enumerate();
    entries
        .map(|(index, entry)| {
            let field = format!("{}[{index}]", root.path("hosts"));
            entry.parse().map_err(|source| CsrFileError::Host { field, source })
        })
        .collect()
}

/// Reads `key`: as in cfssl, `algo` defaults to `ecdsa` and `size` to 256, independently of each
/// other.
fn key_algorithm(key: &Fields<'_>) -> Result<KeyAlgorithm, CsrFileError> {
    let algorithm = key.string("algo")?.unwrap_or("ecdsa");
    let size = key.integer("size")?.unwrap_or(256);
    let problem = match (algorithm, size) {
        ("rsa", 2048) => return Ok(KeyAlgorithm::Rsa2048),
        ("rsa", 3072) => return Ok(KeyAlgorithm::Rsa3072),
        ("rsa", 4096) => return Ok(KeyAlgorithm::Rsa4096),
        ("rsa", 8192) => return Ok(KeyAlgorithm::Rsa8192),
        ("ecdsa", 256) => return Ok(KeyAlgorithm::EcdsaP256),
        ("ecdsa", 384) => return Ok(KeyAlgorithm::EcdsaP384),
        ("ecdsa", 521) => return Ok(KeyAlgorithm::EcdsaP521),
        ("rsa", ..2048) => "RSA keys below 2048 bits are too weak; write `\"size\": 2048`",
        ("rsa", _) => "the RSA key size is not supported; write 2048, 3072, 4096 or 8192",
        ("ecdsa", 512) => "the size of curve P-521 is 521; write `\"size\": 521`",
        ("ecdsa", _) => "the ECDSA key size is not supported; write 256, 384 or 521",
        _ => "the algorithm is not supported; write `\"algo\": \"rsa\"` or `\"algo\": \"ecdsa\"`",
    };
    Err(CsrFileError::Key { algorithm: algorithm.to_owned(), size, problem })
}

fn ca_section(ca: &Fields<'_>) -> Result<CaSection, CsrFileError> {
    let lifetime = match ca.string("expiry")?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(text.parse().map_err(|source| {
            let field = ca.path("expiry");
            CsrFileError::Duration { field, source }
        })?),
    };
    let zero = ca.boolean("pathlenzero")?;
    let path_len = match ca.integer("pathlen")?.unwrap_or(0) {
        0 => zero.then_some(0),
        value => Some(u8::try_from(value).map_err(|_| CsrFileError::PathLength { value })?),
    };
    Ok(CaSection { lifetime, path_len })
}

#[cfg(test)]
mod tests;
