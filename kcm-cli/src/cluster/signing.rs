//! The keys with which kube-controller-manager signs the certificates of kubelets and other clients.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::Pki;
use super::scalar::{Text, scalar};
use super::value::MasterFile;
use crate::util::files::RemotePath;
use crate::util::schema::schema;

/// The keys for the signers of kube-controller-manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CsrSigning {
    /// The CA of the cluster, for all signers.
    #[default]
    Ca,
    /// None: kube-controller-manager signs no certificates.
    None,
    /// A separate key for each of these signers, and none for the others.
    PerSigner(Vec<(CsrSigner, SigningPair)>),
}

/// A signer of kube-controller-manager, without the domain `kubernetes.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrSigner {
    /// Serving certificates of kubelets.
    KubeletServing,
    /// Client certificates of kubelets.
    KubeletClient,
    /// Client certificates for the API server.
    KubeApiserverClient,
    /// Certificates without a named signer.
    LegacyUnknown,
}

/// A signing certificate and its key on the masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningPair {
    /// Path of the certificate.
    pub cert: RemotePath,
    /// Path of the key.
    pub key: RemotePath,
}

impl CsrSigning {
    /// Reports whether a flag of kcm's names the CA key on the masters.
    pub(crate) fn uses_ca_key(&self, pki: &Pki) -> bool {
        *self == Self::Ca || pki.service_account_key.is_none()
    }
}

impl CsrSigner {
    /// Returns the name in the flags of kube-controller-manager.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KubeletServing => "kubelet-serving",
            Self::KubeletClient => "kubelet-client",
            Self::KubeApiserverClient => "kube-apiserver-client",
            Self::LegacyUnknown => "legacy-unknown",
        }
    }
}

scalar!(
    CsrSigner,
    "a signer of kube-controller-manager",
    "kubelet-serving",
    [
        ("kubelet-serving", Self::KubeletServing),
        ("kubelet-client", Self::KubeletClient),
        ("kube-apiserver-client", Self::KubeApiserverClient),
        ("legacy-unknown", Self::LegacyUnknown)
    ],
    "write kubelet-serving, kubelet-client, kube-apiserver-client or legacy-unknown"
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairSection {
    cert: Text<MasterFile>,
    key: Text<MasterFile>,
}

impl<'de> Deserialize<'de> for CsrSigning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = CsrSigning;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ca, none, or signers, each with cert and key")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<CsrSigning, E> {
                match text {
                    "ca" => Ok(CsrSigning::Ca),
                    "none" => Ok(CsrSigning::None),
                    _ => Err(E::custom(format!(
                        "`{text}` is not valid; write ca, none, or signers, as in {{kubelet-serving: {{cert: PATH, key: PATH}}}}"
                    ))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CsrSigning, A::Error> {
                let mut signers: Vec<(CsrSigner, SigningPair)> = Vec::new();
                while let Some((Text(signer), section)) =
                    map.next_entry::<Text<CsrSigner>, PairSection>()?
                {
                    if signers.iter().any(|(known, _)| *known == signer) {
                        return Err(A::Error::custom(format!(
                            "the signer {} is set twice; keep one of them",
                            signer.name()
                        )));
                    }
                    let (cert, key) = (section.cert.0.0, section.key.0.0);
                    if cert == key {
                        return Err(A::Error::custom(format!(
                            "cert and key of {} are the same file; name two files",
                            signer.name()
                        )));
                    }
                    signers.push((signer, SigningPair { cert, key }));
                }
                if signers.is_empty() {
                    return Err(A::Error::custom("no signer is set; write none for no signer"));
                }
                Ok(CsrSigning::PerSigner(signers))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

schema!(CsrSigning, "CsrSigning", {
    "description": "ca, none, or certificate and key on the masters for each signer.",
    "oneOf": [
        { "type": "string", "enum": ["ca", "none"] },
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": false,
            "patternProperties": {
                "^(kubelet-serving|kubelet-client|kube-apiserver-client|legacy-unknown)$": {
                    "type": "object",
                    "required": ["cert", "key"],
                    "additionalProperties": false,
                    "properties": { "cert": { "type": "string" }, "key": { "type": "string" } }
                }
            }
        }
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CsrSigning, String> {
        serde_yaml::from_str(text).map_err(|error: serde_yaml::Error| error.to_string())
    }

    #[test]
    fn words_and_signers_are_read() {
        assert_eq!(read("ca"), Ok(CsrSigning::Ca));
        assert_eq!(read("none"), Ok(CsrSigning::None));
        let CsrSigning::PerSigner(signers) =
            read("{kubelet-serving: {cert: /a.pem, key: /a.key}}").unwrap()
        else {
            panic!()
        };
        assert_eq!(signers[0].0, CsrSigner::KubeletServing);
        assert_eq!(signers[0].1.key.as_str(), "/a.key");
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, expected) in [
            ("all", "write ca, none"),
            ("{}", "no signer"),
            ("{kubelet: {cert: /a, key: /b}}", "kubelet-serving"),
            ("{kubelet-serving: {cert: /a}}", "key"),
            ("{kubelet-serving: {cert: /a, key: /a}}", "the same file"),
            ("{kubelet-serving: {cert: a, key: /b}}", "absolute"),
            ("{kubelet-serving: {cert: /a, key: /b, c: 1}}", "c"),
            ("[ca]", "ca, none"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
