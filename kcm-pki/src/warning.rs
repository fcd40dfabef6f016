use std::fmt;

/// A parsed value with warnings about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed<T> {
    /// Parsed value.
    pub value: T,
    /// Warnings about ignored or questionable parts, in the order of the text.
    pub warnings: Vec<Warning>,
}

/// A property that is allowed but that the author probably did not intend.
///
/// `Display` is one sentence without a final full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A JSON field that neither cfssl nor this crate knows; cfssl silently ignores it.
    UnknownField {
        /// The field's path, `names[1].organisation`.
        field: String,
        /// Known field with the most similar spelling.
        nearest: Option<&'static str>,
    },
    /// A JSON field that cfssl supports and this crate ignores.
    UnsupportedField {
        /// The field's path.
        field: String,
    },
    /// A JSON field that occurs more than once; the last one counts, as in cfssl.
    DuplicateField {
        /// The field's path.
        field: String,
    },
    /// A country that is not two capital letters (ISO 3166); X.520 requires them, but readers do
    /// not check it.
    UnusualCountry {
        /// The field's path.
        field: String,
        /// Country as written.
        value: String,
    },
    /// A name longer than the upper bound of RFC 5280 appendix A.1; cfssl signs it, but strict
    /// readers reject it.
    OverlongName {
        /// The field's path.
        field: String,
        /// Length in characters.
        length: usize,
        /// Upper bound in characters.
        limit: usize,
    },
    /// A name that starts or ends with a blank; Kubernetes compares users and groups byte for byte.
    SurroundingBlank {
        /// The field's path.
        field: String,
    },
    /// A leaf with the same subject as its CA; OpenSSL takes it for self-signed (error 18) if it
    /// has no AKI.
    SubjectEqualsIssuer {
        /// Subject of both certificates.
        subject: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { field, nearest: Some(nearest) } => {
                write!(f, "unknown field `{field}` is ignored; did you mean `{nearest}`?")
            }
            Self::UnknownField { field, nearest: None } => {
                write!(f, "unknown field `{field}` is ignored")
            }
            Self::UnsupportedField { field } => {
                write!(f, "field `{field}` of cfssl is not supported and is ignored")
            }
            Self::DuplicateField { field } => {
                write!(f, "field `{field}` is duplicated: the last value is used")
            }
            Self::UnusualCountry { field, value } => {
                write!(
                    f,
                    "`{field}` is {value:?}; write the country as two capital letters, such as \"CN\""
                )
            }
            Self::OverlongName { field, length, limit } => {
                write!(f, "`{field}` has {length} characters; the maximum in X.509 is {limit}")
            }
            Self::SurroundingBlank { field } => {
                write!(
                    f,
                    "`{field}` starts or ends with white space, which becomes part of the name"
                )
            }
            Self::SubjectEqualsIssuer { subject } => write!(
                f,
                "the certificate has the same subject as its CA ({subject}); some programs treat the certificate as self-signed"
            ),
        }
    }
}
