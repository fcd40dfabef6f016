use proptest::prelude::*;

use super::*;
use crate::warning::Warning;

const TUTORIAL: &str = r#"{
  "CN": "system:kube-controller-manager",
  "hosts": [],
  "key": {
    "algo": "rsa",
    "size": 2048
  },
  "names": [
    {
      "C": "CN",
      "ST": "Shanghai",
      "L": "Shanghai",
      "O": "system:kube-controller-manager",
      "OU": "System"
    }
  ]
}"#;

fn value(text: &str) -> CsrFile {
    CsrFile::parse(text).unwrap().value
}

fn warnings(text: &str) -> Vec<Warning> {
    CsrFile::parse(text).unwrap().warnings
}

/// Returns the error message joined with that of its source.
fn message(text: &str) -> String {
    let error = CsrFile::parse(text).unwrap_err();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn the_tutorials_file_is_read_without_a_warning() {
    let parsed = CsrFile::parse(TUTORIAL).unwrap();
    assert_eq!(parsed.warnings, []);
    let csr = parsed.value;
    assert_eq!(csr.subject.common_name(), "system:kube-controller-manager");
    assert_eq!(
        csr.subject.to_string(),
        "C=CN, ST=Shanghai, L=Shanghai, O=system:kube-controller-manager, OU=System, \
         CN=system:kube-controller-manager"
    );
    assert_eq!(csr.key, KeyAlgorithm::Rsa2048);
    assert!(csr.hosts.is_empty() && csr.ca.is_none());
}

#[test]
fn field_names_are_read_in_any_case() {
    let csr =
        value(r#"{"cn":"x","KEY":{"ALGO":"ecdsa","Size":384},"Names":[{"c":"CN"}],"HOSTS":["a"]}"#);
    assert_eq!(csr.subject.to_string(), "C=CN, CN=x");
    assert_eq!(csr.key, KeyAlgorithm::EcdsaP384);
    assert_eq!(csr.hosts.len(), 1);
}

#[test]
fn the_last_of_two_counts_and_is_warned_of() {
    let text = r#"{"CN":"a","cn":"b"}"#;
    assert_eq!(value(text).subject.common_name(), "b");
    assert_eq!(warnings(text), [Warning::DuplicateField { field: "cn".into() }]);
}

#[test]
fn null_is_absent() {
    let csr = value(
        r#"{"CN":"a","CN":null,"hosts":null,"key":null,"names":[null],"ca":null,"serialnumber":null,"x":null}"#,
    );
    assert_eq!(csr, value(r#"{"CN":"a","names":[{}]}"#));
    assert_eq!(csr.key, KeyAlgorithm::EcdsaP256);
}

#[test]
fn unknown_fields_are_warned_of_with_the_nearest_known_one() {
    let text =
        r#"{"CN":"x","host":["a"],"names":[{"OUU":"y"},{"E":"m@x.y"}],"comment":1,"crl_url":"u"}"#;
    assert_eq!(
        warnings(text),
        [
            Warning::UnknownField { field: "host".into(), nearest: Some("hosts") },
            Warning::UnknownField { field: "comment".into(), nearest: None },
            Warning::UnsupportedField { field: "crl_url".into() },
            Warning::UnknownField { field: "names[0].OUU".into(), nearest: Some("OU") },
            Warning::UnsupportedField { field: "names[1].E".into() },
        ]
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    assert_eq!(
        message("{\n  \"CN\": \"x\" # the user\n}"),
        "line 2, column 13: JSON does not support comments; remove the comment"
    );
    assert!(message("// c\n{}").starts_with("line 1, column 1: JSON does not support comments"));
    assert!(
        message("{\"CN\": /* c */ \"x\"}").contains("column 8: JSON does not support comments")
    );
    assert_eq!(message("{\"CN\":\"x\",\n}"), "line 2, column 1: trailing comma");
    assert_eq!(message("{\"hosts\":[\"a\",]}"), "line 1, column 15: trailing comma");
    assert!(
        message("\u{feff}{}")
            .starts_with("line 1, column 1: the file starts with a byte order mark")
    );
    assert_eq!(message("{} {}"), "line 1, column 4: trailing characters");
    assert!(message("").contains("EOF"));
    assert!(message(&"[".repeat(200)).contains("recursion limit"));
}

#[test]
fn wrong_types_are_refused_by_field() {
    assert_eq!(message("[]"), "`the file` must be an object, not a list");
    assert_eq!(message(r#"{"CN":1}"#), "`CN` must be a string, not the number 1");
    assert_eq!(message(r#"{"CN":"x","names":{}}"#), "`names` must be a list, not an object");
    assert_eq!(
        message(r#"{"CN":"x","names":[{},{"C":true}]}"#),
        "`names[1].C` must be a string, not true"
    );
    assert_eq!(
        message(r#"{"CN":"x","key":{"algo":"rsa","size":"2048"}}"#),
        "`key.size` must be an integer, not the string \"2048\""
    );
    assert!(
        message(r#"{"CN":"x","key":{"size":2048.0}}"#)
            .contains("an integer, not the number 2048.0")
    );
    assert_eq!(
        message(r#"{"CN":"x","hosts":["a",["b"]]}"#),
        "`hosts[1]` must be a string, not a list"
    );
    assert_eq!(
        message(r#"{"CN":"x","hosts":"a"}"#),
        "`hosts` must be a list, not the string \"a\""
    );
}

#[test]
fn a_key_is_made_as_cfssl_would_or_refused() {
    let key = |key: &str| value(&format!(r#"{{"CN":"x","key":{key}}}"#)).key;
    assert_eq!(key("{}"), KeyAlgorithm::EcdsaP256);
    assert_eq!(key(r#"{"size":384}"#), KeyAlgorithm::EcdsaP384);
    assert_eq!(key(r#"{"algo":"ecdsa"}"#), KeyAlgorithm::EcdsaP256);
    assert_eq!(key(r#"{"algo":"ecdsa","size":521}"#), KeyAlgorithm::EcdsaP521);
    assert_eq!(key(r#"{"algo":"rsa","size":8192}"#), KeyAlgorithm::Rsa8192);

    let refused = |key: &str| message(&format!(r#"{{"CN":"x","key":{key}}}"#));
    assert_eq!(
        refused(r#"{"algo":"rsa"}"#),
        "`key` requests \"rsa\" of size 256: RSA keys below 2048 bits are too weak; write `\"size\": 2048`"
    );
    assert!(refused(r#"{"algo":"rsa","size":1024}"#).contains("too weak"));
    assert!(refused(r#"{"algo":"rsa","size":16384}"#).contains("4096 or 8192"));
    assert!(refused(r#"{"algo":"ecdsa","size":512}"#).contains("521"));
    assert!(refused(r#"{"algo":"RSA","size":2048}"#).contains("`\"algo\": \"rsa\"`"));
}

#[test]
fn subjects_and_hosts_are_checked() {
    assert!(message("{}").contains("`CN` is missing or empty"));
    assert!(message(r#"{"CN":"a\u0000b"}"#).contains("U+0000"));
    assert_eq!(
        message(r#"{"CN":"x","hosts":["a","10.0.0.1:6443"]}"#),
        "invalid `hosts[1]`: \"10.0.0.1:6443\" is not a host name, IP address, e-mail address or URI: \
         the entry ends with a port; write `10.0.0.1`"
    );
    assert!(message(r#"{"CN":"x","hosts":[null]}"#).contains("the entry is empty"));
}

#[test]
fn a_ca_section_is_read() {
    let ca = |ca: &str| value(&format!(r#"{{"CN":"x","ca":{ca}}}"#)).ca.unwrap();
    let lifetime = |text: &str| Some(text.parse().unwrap());
    assert_eq!(ca("{}"), CaSection::default());
    assert_eq!(
        ca(r#"{"expiry":"876000h"}"#),
        CaSection { lifetime: lifetime("876000h"), path_len: None }
    );
    assert_eq!(ca(r#"{"expiry":"","pathlen":0}"#), CaSection::default());
    assert_eq!(ca(r#"{"pathlenzero":true}"#).path_len, Some(0));
    assert_eq!(ca(r#"{"pathlen":2,"pathlenzero":true}"#).path_len, Some(2));

    let refused = |ca: &str| message(&format!(r#"{{"CN":"x","ca":{ca}}}"#));
    assert!(refused(r#"{"expiry":"10y"}"#).contains("invalid `ca.expiry`: the duration \"10y\""));
    assert!(refused(r#"{"expiry":"-1h"}"#).contains("not positive"));
    assert!(refused(r#"{"pathlen":-1}"#).contains("`ca.pathlen` is -1"));
    assert!(refused(r#"{"pathlenzero":"yes"}"#).contains("true or false"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = CsrFile::parse(&text);
    }

    #[test]
    fn no_near_miss_makes_the_parser_panic(position in 0..TUTORIAL.len(), with in "[\\PC\\x00-\\x1f]{0,3}") {
        let mut text = TUTORIAL.to_owned();
        text.replace_range(position..=position, &with);
        let _ = CsrFile::parse(&text);
    }
}
