use proptest::prelude::*;

use super::*;
use crate::text::hex;

fn organization(name: &str) -> NameEntry {
    NameEntry { organization: name.into(), ..NameEntry::default() }
}

#[test]
fn order_is_that_of_cfssl_whatever_the_order_of_the_fields() {
    let entry = NameEntry {
        country: "CN".into(),
        state: "Shanghai".into(),
        locality: "Shanghai".into(),
        organization: "k8s".into(),
        organizational_unit: "System".into(),
    };
    let subject = Subject::new("admin", vec![entry], Some("77".into())).unwrap();
    assert_eq!(
        subject.to_string(),
        "C=CN, ST=Shanghai, L=Shanghai, O=k8s, OU=System, CN=admin, serialNumber=77"
    );
}

#[test]
fn several_entries_make_one_sorted_set() {
    // The set is the output of cfssl for O "two longer", "one" and "ünï" in this order.
    let names = ["two longer", "one", "ünï"].map(organization).to_vec();
    let subject = Subject::new("x", names, None).unwrap();
    let expected = "303b\
        312d300a060355040a13036f6e65300c060355040a0c05c3bc6ec3af3011060355040a130a74776f206c6f6e676572\
        310a30080603550403130178";
    assert_eq!(hex(subject.der()), expected);
}

#[test]
fn string_type_follows_the_characters() {
    let tag = |value: &str| {
        let subject = Subject::new(value, vec![], None).unwrap();
        subject.der()[11]
    };
    for printable in ["system:kube-controller-manager", "a b'()+,-./:=?", "09AZaz"] {
        assert_eq!(tag(printable), 0x13, "{printable}");
    }
    for utf8 in ["a*b", "a&b", "e@x", "a_b", "中文", "a\"b", "a;b", "a<b"] {
        assert_eq!(tag(utf8), 0x0c, "{utf8}");
    }
}

#[test]
fn empty_values_are_left_out() {
    let subject =
        Subject::new("x", vec![NameEntry::default(), organization("a")], Some(String::new()));
    assert_eq!(subject.unwrap().to_string(), "O=a, CN=x");
}

#[test]
fn what_readers_misread_is_refused_by_field() {
    assert_eq!(Subject::new("", vec![], None), Err(SubjectError::NoCommonName));
    let error = Subject::new("x", vec![organization("a"), organization("b\0")], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`names[1].O` contains the control character U+0000; remove the character"
    );
    let error = Subject::new("é".repeat(513), vec![], None).unwrap_err();
    assert_eq!(error, SubjectError::TooLong { field: "CN".into(), length: 1026 });
}

#[test]
fn what_strict_readers_dislike_is_a_warning() {
    let entry = NameEntry { country: "China".into(), ..organization(" k8s") };
    let subject = Subject::new("n".repeat(65), vec![entry], None).unwrap();
    assert_eq!(
        subject.warnings(),
        [
            Warning::OverlongName { field: "CN".into(), length: 65, limit: 64 },
            Warning::UnusualCountry { field: "names[0].C".into(), value: "China".into() },
            Warning::SurroundingBlank { field: "names[0].O".into() },
        ]
    );
    assert_eq!(Subject::new("n".repeat(64), vec![], None).unwrap().warnings(), []);
}

proptest! {
    #[test]
    fn every_subject_is_readable_der(cn in "\\PC{1,80}", names in prop::collection::vec("\\PC{0,40}", 0..4)) {
        let names = names.iter().map(|name| organization(name)).collect();
        let subject = Subject::new(cn.clone(), names, None).unwrap();
        prop_assert_eq!(name::common_name(subject.der()), Some(cn));
    }
}

#[test]
fn a_name_in_der_comes_back_octet_for_octet() {
    let entries = vec![
        NameEntry { country: "CN".into(), organization: "a".into(), ..NameEntry::default() },
        NameEntry { organization: "b*".into(), state: "x".into(), ..NameEntry::default() },
    ];
    let subject = Subject::new("system:x ünï", entries, Some("7".into())).unwrap();
    let read = Subject::from_der(subject.der()).unwrap();
    assert_eq!(read.der(), subject.der());
    assert_eq!((read.common_name(), read.serial_number()), ("system:x ünï", Some("7")));
    let organizations: Vec<_> = read.names().iter().map(|entry| &*entry.organization).collect();
    assert_eq!(organizations, ["a", "b*"]);
    assert_eq!(read.names()[0].state, "x", "the first state is in the first entry");
    assert_eq!(read.to_string(), subject.to_string());
}

#[test]
fn unusable_names_in_der_are_refused() {
    let name = |tag: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).unwrap();
        let attribute = [&[6, 3, 0x55, 4, 3, tag, length][..], value].concat();
        let mut der = attribute;
        for tag in [0x30, 0x31, 0x30] {
            der = [&[tag, u8::try_from(der.len()).unwrap()][..], &der].concat();
        }
        Subject::from_der(&der)
    };
    assert_eq!(name(0x0c, b"x").unwrap().common_name(), "x");
    assert_eq!(name(0x0c, b"").unwrap_err(), SubjectError::NoCommonName);
    let control = SubjectError::ControlCharacter { field: "CN".into(), character: '\n' };
    assert_eq!(name(0x0c, b"a\nb").unwrap_err(), control);
    // A `BMPString` with the text "x".
    assert!(name(0x1e, &[0, b'x']).is_err());
    for der in [&[][..], &[0x30, 0, 0], &[0x31, 0], &[0x30, 2, 5, 0]] {
        assert_eq!(Subject::from_der(der), Err(SubjectError::Malformed), "{der:?}");
    }
}
