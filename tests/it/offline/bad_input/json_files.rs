//! Tests of invalid CSR and signing config files of cfssl.

use super::{Case, USAGE, check};
use kcm_tests::Workspace;

/// A file: its name, its content, and the message.
type File = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const CSRS: &[File] = &[
    ("an empty CSR", "", "the CSR file (pki.csr) file.json: line 1, column 1: EOF while parsing a value"),
    ("a CSR that ends early", r#"{"CN": "system:kube-controller-manager""#, "the CSR file (pki.csr) file.json: line 1, column 39: EOF while parsing an object"),
    ("a trailing comma", "{\n  \"CN\": \"system:kube-controller-manager\",\n}\n", "the CSR file (pki.csr) file.json: line 3, column 1: trailing comma"),
    ("a comment", "{\n  // for kube-controller-manager\n  \"CN\": \"system:kube-controller-manager\"\n}\n", "the CSR file (pki.csr) file.json: line 2, column 3: JSON does not support comments | help: remove the comment"),
    ("a byte order mark", "\u{feff}{\"CN\": \"system:kube-controller-manager\"}", "the CSR file (pki.csr) file.json: line 1, column 1: the file starts with a byte order mark | help: save the file as UTF-8 without a byte order mark"),
    ("a list as CSR", "[]", "the CSR file (pki.csr) file.json: `the file` must be an object, not a list"),
    ("YAML", "CN: system:kube-controller-manager\n", "the CSR file (pki.csr) file.json: line 1, column 1: expected value"),
    ("two objects", "{\"CN\": \"system:kube-controller-manager\"}\n{}\n", "the CSR file (pki.csr) file.json: line 2, column 1: trailing characters"),
    ("no CN", "{}", "the CSR file (pki.csr) file.json: `CN` is missing or empty | help: set `CN`, which Kubernetes uses as the user name"),
    ("a CN that is null", r#"{"CN": null}"#, "the CSR file (pki.csr) file.json: `CN` is missing or empty | help: set `CN`, which Kubernetes uses as the user name"),
    ("another CN", r#"{"CN": "system:kube-scheduler"}"#, "the CSR file (pki.csr) file.json: CN is `system:kube-scheduler`, but RBAC binds the user system:kube-controller-manager | help: set CN to that user"),
    ("a CN with a newline", r#"{"CN": "system:kube-controller-manager\n"}"#, "the CSR file (pki.csr) file.json: `CN` contains the control character U+000A | help: remove the character"),
    ("a CN that is a number", r#"{"CN": 1}"#, "the CSR file (pki.csr) file.json: `CN` must be a string, not the number 1"),
    ("hosts that are a text", r#"{"CN": "system:kube-controller-manager", "hosts": "a"}"#, r#"the CSR file (pki.csr) file.json: `hosts` must be a list, not the string "a""#),
    ("a host with a port", r#"{"CN": "system:kube-controller-manager", "hosts": ["10.0.0.1:6443"]}"#, r#"the CSR file (pki.csr) file.json: invalid `hosts[0]`: "10.0.0.1:6443" is not a host name, IP address, e-mail address or URI: the entry ends with a port | help: write `10.0.0.1`"#),
    ("an empty host", r#"{"CN": "system:kube-controller-manager", "hosts": [""]}"#, r#"the CSR file (pki.csr) file.json: invalid `hosts[0]`: "" is not a host name, IP address, e-mail address or URI: the entry is empty | help: remove the entry"#),
    ("a weak key", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "rsa", "size": 1024}}"#, r#"the CSR file (pki.csr) file.json: `key` requests "rsa" of size 1024: RSA keys below 2048 bits are too weak | help: write `"size": 2048`"#),
    ("a key without size", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "rsa"}}"#, r#"the CSR file (pki.csr) file.json: `key` requests "rsa" of size 256: RSA keys below 2048 bits are too weak | help: write `"size": 2048`"#),
    ("a key of another kind", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "ed25519", "size": 256}}"#, r#"the CSR file (pki.csr) file.json: `key` requests "ed25519" of size 256: the algorithm is not supported | help: write `"algo": "rsa"` or `"algo": "ecdsa"`"#),
    ("a key size that is text", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "rsa", "size": "2048"}}"#, r#"the CSR file (pki.csr) file.json: `key.size` must be an integer, not the string "2048""#),
    ("names that are no list", r#"{"CN": "system:kube-controller-manager", "names": {"O": "a"}}"#, "the CSR file (pki.csr) file.json: `names` must be a list, not an object"),
    ("a name that is a list", r#"{"CN": "system:kube-controller-manager", "names": [["O"]]}"#, "the CSR file (pki.csr) file.json: `names[0]` must be an object, not a list"),
    ("a CA's CSR", r#"{"CN": "system:kube-controller-manager", "ca": {"expiry": "876000h"}}"#, "the CSR file (pki.csr) file.json: the section `ca` is valid only in the CSR of a CA, not of a client | help: remove the section"),
    ("depth in JSON", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "the CSR file (pki.csr) file.json: line 1, column 128: recursion limit exceeded"),
];

#[rustfmt::skip]
const SIGNING_CONFIGS: &[File] = &[
    ("an empty signing config", "", "the signing config (pki.signingConfig) file.json: line 1, column 1: EOF while parsing a value"),
    ("no signing", "{}", r#"the signing config (pki.signingConfig) file.json: `signing` is missing | help: write {"signing": {"profiles": …}}"#),
    ("profiles that are a list", r#"{"signing": {"profiles": []}}"#, "the signing config (pki.signingConfig) file.json: `signing.profiles` must be an object, not a list"),
    ("no profiles", r#"{"signing": {"default": {"expiry": "1h"}}}"#, r#"the signing config (pki.signingConfig) file.json: unknown signing profile "kubernetes" | help: known profiles: none; select a profile with pki.profile"#),
    ("another profile", r#"{"signing": {"profiles": {"kubernets": {"usages": ["client auth"], "expiry": "1h"}, "peer": {"usages": ["client auth"], "expiry": "1h"}}}}"#, r#"the signing config (pki.signingConfig) file.json: unknown signing profile "kubernetes" | help: known profiles: kubernets, peer; select a profile with pki.profile"#),
    ("an unknown usage", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client-auth"], "expiry": "1h"}}}}"#, r#"the signing config (pki.signingConfig) file.json: invalid `signing.profiles.kubernetes.usages`: unknown usage "client-auth" (did you mean "client auth"?) | help: known usages: signing, content commitment, key encipherment, data encipherment, key agreement, cert sign, crl sign, encipher only, decipher only, any, server auth, client auth, code signing, email protection, ipsec end system, ipsec tunnel, ipsec user, timestamping, ocsp signing, microsoft sgc, netscape sgc, digital signature, content committment, s/mime"#),
    ("a usage that is a number", r#"{"signing": {"profiles": {"kubernetes": {"usages": [1], "expiry": "1h"}}}}"#, "the signing config (pki.signingConfig) file.json: `signing.profiles.kubernetes.usages[0]` must be a string, not the number 1"),
    ("no usages", r#"{"signing": {"profiles": {"kubernetes": {"expiry": "1h"}}}}"#, r#"the signing config (pki.signingConfig) file.json: `signing.profiles.kubernetes.usages` is missing or empty | help: list usages such as "signing", "key encipherment", "client auth""#),
    ("servers only", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["signing", "server auth"], "expiry": "1h"}}}}"#, "the signing config (pki.signingConfig) file.json: the profile lacks the usage `client auth`, which the API server requires | help: add the usage, or select another profile with pki.profile"),
    ("no expiry", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"]}}}}"#, r#"the signing config (pki.signingConfig) file.json: `signing.profiles.kubernetes.expiry` is missing | help: write a duration such as "87600h""#),
    ("an expiry at once", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"], "expiry": "5m"}}}}"#, "the signing config (pki.signingConfig) file.json: the profile's expiry is shorter than an hour | help: write 1h or more, or set pki.lifetime"),
    ("an expiry in years", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"], "expiry": "10y"}}}}"#, r#"the signing config (pki.signingConfig) file.json: invalid `signing.profiles.kubernetes.expiry`: the duration "10y" is in years, which cfssl does not support | help: write `87600h`"#),
    ("an expiry that is a number", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"], "expiry": 87600}}}}"#, "the signing config (pki.signingConfig) file.json: `signing.profiles.kubernetes.expiry` must be a string, not the number 87600"),
    ("a profile for CAs", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth", "cert sign"], "expiry": "1h", "ca_constraint": {"is_ca": true}}}}}"#, r#"the signing config (pki.signingConfig) file.json: the signing profile "kubernetes" is for CA certificates (`ca_constraint.is_ca` is true), not for leaf certificates | help: select a profile with pki.profile"#),
    ("a remote signer", r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"], "expiry": "1h", "remote": "ca"}}}}"#, "the signing config (pki.signingConfig) file.json: `signing.profiles.kubernetes.remote` specifies a remote signer, but only a local CA key is supported | help: remove `signing.profiles.kubernetes.remote`"),
];

#[test]
fn a_bad_csr_file_is_refused() {
    check(CSRS.iter().map(|file| case(file, "csr")));
}

#[test]
fn a_bad_signing_config_is_refused() {
    let renewed = Case::new(
        "a profile too short for renewBefore",
        USAGE,
        |workspace| {
            let config = r#"{"signing": {"profiles": {"kubernetes": {"usages": ["client auth"], "expiry": "24h"}}}}"#;
            workspace.write("signing.json", config);
            workspace.edit(
                "  keyAlgorithm:",
                "  signingConfig: signing.json\n  renewBefore: 48h\n  keyAlgorithm:",
            );
        },
        "the signing config (pki.signingConfig) signing.json: pki.renewBefore is not shorter than the profile's expiry: every run would issue a new certificate | help: decrease pki.renewBefore or set pki.lifetime",
    );
    let cases = SIGNING_CONFIGS.iter().map(|file| case(file, "signingConfig"));
    check(cases.chain([renewed]));
}

#[test]
fn a_json_file_that_cannot_be_read_is_refused() {
    let name = |workspace: &Workspace, key| {
        workspace.edit("  keyAlgorithm:", &format!("  {key}: file.json\n  keyAlgorithm:"));
    };
    check([
        Case::new(
            "no CSR",
            USAGE,
            move |workspace| name(workspace, "csr"),
            "the CSR file (pki.csr) file.json: no such file or directory | help: create the file or correct the path",
        ),
        Case::new(
            "no signing config",
            USAGE,
            move |workspace| name(workspace, "signingConfig"),
            "the signing config (pki.signingConfig) file.json: no such file or directory | help: create the file or correct the path",
        ),
        Case::new(
            "a folder as CSR",
            USAGE,
            move |workspace| {
                name(workspace, "csr");
                workspace.write("file.json/x", "");
            },
            "the CSR file (pki.csr) file.json: is a directory | help: replace the directory with the file or correct the path",
        ),
        Case::new(
            "a CSR in Latin-1",
            USAGE,
            move |workspace| {
                name(workspace, "csr");
                workspace.write("file.json", b"{\"CN\": \"f\xfcr\"}");
            },
            "the CSR file (pki.csr) file.json: not UTF-8 text | help: save the file as UTF-8",
        ),
    ]);
}

fn case((name, content, error): &'static File, key: &'static str) -> Case {
    let spoil = move |workspace: &Workspace| {
        workspace.write("file.json", content);
        workspace.edit("  keyAlgorithm:", &format!("  {key}: file.json\n  keyAlgorithm:"));
    };
    Case::new(*name, USAGE, spoil, error)
}
