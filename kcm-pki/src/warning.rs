use std::fmt;

/// A value, and what is odd about the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What was read.
    pub value: T,
    /// What the reader did not act upon or finds questionable, in the order of the text.
    pub warnings: Vec<Warning>,
}

/// Something that is allowed but that its author probably did not mean.
///
/// `Display` is one sentence without a final full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A JSON field that neither cfssl nor this crate knows; cfssl ignores it without a word.
    UnknownField {
        /// The field's path, `names[1].organisation`.
        field: String,
        /// The known field that is most like it.
        nearest: Option<&'static str>,
    },
    /// A JSON field that cfssl acts upon and this crate does not.
    UnsupportedField {
        /// The field's path.
        field: String,
    },
    /// A JSON field that is given more than once; the last one counts, as in cfssl.
    DuplicateField {
        /// The field's path.
        field: String,
    },
    /// A country that is not two letters (ISO 3166), which X.520 demands and nobody checks.
    UnusualCountry {
        /// The field's path.
        field: String,
        /// The country as it is written.
        value: String,
    },
    /// A name longer than the upper bound of RFC 5280 appendix A.1; cfssl signs it, strict readers
    /// refuse it.
    OverlongName {
        /// The field's path.
        field: String,
        /// Its length in characters.
        length: usize,
        /// The upper bound in characters.
        limit: usize,
    },
    /// A name that starts or ends with a blank; Kubernetes compares users and groups to the byte.
    SurroundingBlank {
        /// The field's path.
        field: String,
    },
    /// A leaf with the subject of its own CA; OpenSSL takes it for self-signed (error 18) where it
    /// has no AKI.
    SubjectEqualsIssuer {
        /// The subject of both.
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
                write!(f, "field `{field}` is known to cfssl but has no effect here")
            }
            Self::DuplicateField { field } => {
                write!(f, "field `{field}` is given twice; the last one counts")
            }
            Self::UnusualCountry { field, value } => {
                write!(
                    f,
                    "`{field}` is {value:?}; a country is two capital letters, such as \"CN\""
                )
            }
            Self::OverlongName { field, length, limit } => {
                write!(f, "`{field}` has {length} characters; X.509 allows {limit}")
            }
            Self::SurroundingBlank { field } => {
                write!(f, "`{field}` starts or ends with a blank, which becomes part of the name")
            }
            Self::SubjectEqualsIssuer { subject } => write!(
                f,
                "the certificate has the same subject as its CA ({subject}); some programs take it for self-signed"
            ),
        }
    }
}
