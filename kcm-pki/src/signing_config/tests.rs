use std::time::Duration;

use proptest::prelude::*;

use super::*;

const TUTORIAL: &str = r#"{
  "signing": {
    "default": { "expiry": "87600h" },
    "profiles": {
      "kubernetes": {
        "usages": ["signing", "key encipherment", "server auth", "client auth"],
        "expiry": "876000h"
      }
    }
  }
}"#;

fn config(profiles: &str) -> Result<Parsed<SigningConfig>, SigningConfigError> {
    SigningConfig::parse(&format!(
        r#"{{"signing":{{"default":{{"expiry":"48h"}},"profiles":{profiles}}}}}"#
    ))
}

/// Returns the error message joined with that of its source.
fn message(profiles: &str) -> String {
    let error = config(profiles).unwrap_err();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn the_usual_config_is_read_without_a_warning() {
    let parsed = SigningConfig::parse(TUTORIAL).unwrap();
    assert_eq!(parsed.warnings, []);
    let profile = parsed.value.profile("kubernetes").unwrap();
    assert_eq!(profile.usages.to_string(), "signing, key encipherment, server auth, client auth");
    assert_eq!(profile.expiry.to_string(), "876000h0m0s");
}

#[test]
fn an_unknown_profile_is_refused_with_the_known_ones() {
    let config = SigningConfig::parse(TUTORIAL).unwrap().value;
    let error = config.profile("kubernets").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown signing profile \"kubernets\"; known profiles: kubernetes"
    );
    let error = SigningConfig::built_in().profile("x").unwrap_err();
    assert!(error.to_string().ends_with("known profiles: none"));
}

#[test]
fn a_default_without_usages_cannot_sign() {
    let config = SigningConfig::parse(TUTORIAL).unwrap().value;
    assert!(matches!(config.default_profile(), Err(UnknownProfile::NoDefault { .. })));
}

#[test]
fn without_a_default_the_built_in_one_counts() {
    let config = SigningConfig::parse(r#"{"signing":{}}"#).unwrap().value;
    assert_eq!(config, SigningConfig::built_in());
    let default = config.default_profile().unwrap();
    assert_eq!(default.usages.to_string(), "signing, key encipherment, server auth, client auth");
    assert_eq!(default.expiry.as_duration(), Duration::from_secs(8760 * 3600));
}

#[test]
fn an_expiry_of_zero_is_the_defaults_and_a_missing_one_is_refused() {
    let zero = config(r#"{"a":{"usages":["client auth"],"expiry":"0h"}}"#).unwrap().value;
    assert_eq!(zero.profile("a").unwrap().expiry.to_string(), "48h0m0s");
    assert!(
        message(r#"{"a":{"usages":["client auth"]}}"#)
            .contains("`signing.profiles.a.expiry` is missing")
    );
    let error = SigningConfig::parse(r#"{"signing":{"default":{"expiry":"0h"}}}"#).unwrap_err();
    assert!(matches!(error, SigningConfigError::Duration { .. }));
    assert!(
        message(r#"{"a":{"usages":["client auth"],"expiry":"10y"}}"#).contains("write `87600h`")
    );
}

#[test]
fn usages_must_be_known_and_there() {
    assert!(
        message(r#"{"a":{"expiry":"1h"}}"#)
            .starts_with("`signing.profiles.a.usages` is missing or empty")
    );
    assert!(
        message(r#"{"a":{"expiry":"1h","usages":["signing","web"]}}"#)
            .contains("unknown usage \"web\"")
    );
}

#[test]
fn profiles_for_cas_are_refused_for_leaves() {
    let config = config(
        r#"{"ca":{"usages":["cert sign"],"expiry":"1h","ca_constraint":{"is_ca":true,"max_path_len":1}},
            "sub":{"usages":["cert sign","signing"],"expiry":"1h"}}"#,
    );
    let config = config.unwrap().value;
    for name in ["ca", "sub"] {
        assert!(matches!(config.profile(name), Err(UnknownProfile::ForCa { .. })), "{name}");
    }
}

#[test]
fn remote_signers_are_refused() {
    assert!(
        message(r#"{"a":{"remote":"x"}}"#)
            .contains("`signing.profiles.a.remote` specifies a remote signer")
    );
}

#[test]
fn field_names_are_read_in_any_case_but_profile_names_are_not() {
    let parsed = SigningConfig::parse(
        r#"{"Signing":{"Profiles":{"a":{"Usages":["any"],"EXPIRY":"1h"},"A":{"usages":["any"],"expiry":"2h"}}}}"#,
    );
    let parsed = parsed.unwrap();
    assert_eq!(parsed.warnings, []);
    assert_eq!(parsed.value.names().collect::<Vec<_>>(), ["A", "a"]);
    assert_eq!(parsed.value.profile("a").unwrap().expiry.to_string(), "1h0m0s");
}

#[test]
fn unread_and_unknown_fields_are_warned_of() {
    let parsed =
        config(r#"{"a":{"usages":["any"],"expiry":"1h","crl_url":"u","usage":["x"]}}"#).unwrap();
    assert_eq!(
        parsed.warnings,
        [
            Warning::UnsupportedField { field: "signing.profiles.a.crl_url".into() },
            Warning::UnknownField {
                field: "signing.profiles.a.usage".into(),
                nearest: Some("usages")
            },
        ]
    );
}

#[test]
fn a_file_without_signing_is_refused() {
    assert_eq!(SigningConfig::parse("{}"), Err(SigningConfigError::NoSigning));
    assert!(SigningConfig::parse("[]").is_err());
}

proptest! {
    #[test]
    fn no_near_miss_makes_the_parser_panic(position in 0..TUTORIAL.len(), with in "[\\PC\\x00-\\x1f]{0,3}") {
        let mut text = TUTORIAL.to_owned();
        text.replace_range(position..=position, &with);
        let _ = SigningConfig::parse(&text);
    }
}
