//! JSON schemas of values that are serialised as text, for fields whose types have no schema.

use kcm_pki::KeyAlgorithm;

/// Gives a type a schema that is written in place wherever the type is used.
macro_rules! schema {
    ($name:ty, $title:expr, $schema:tt) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
pub(crate) use schema;

/// Defines types that exist only as names of schemas.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident => $schema:tt;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        schema!($name, stringify!($name), $schema);
    )*};
}

texts! {
    /// A point in time as in RFC 3339.
    Rfc3339 => { "type": "string", "format": "date-time" };
    /// A SHA-256 digest, as [`kcm_pki::Fingerprint`] serialises it.
    Sha256 => { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" };
    /// The content of a file, as [`Content`](crate::Content) serialises it.
    ContentText => { "type": "string", "pattern": "^(sha256:[0-9a-f]{64}|pending|as it is)$" };
    /// A minor version of Kubernetes, as [`kcm_systemd::KubernetesVersion`] serialises it.
    MinorVersion => { "type": "string", "pattern": "^1\\.[0-9]+$" };
    /// The severity of a lint, as [`kcm_systemd::Severity`] serialises it.
    LintSeverity => { "type": "string", "enum": ["benchmark", "warning", "error"] };
    /// The name of a key algorithm, as [`KeyAlgorithm`] serialises it.
    KeyAlgorithmName => { "type": "string", "enum": (KeyAlgorithm::ALL.map(KeyAlgorithm::as_str)) };
}
