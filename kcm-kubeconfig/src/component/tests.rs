use super::*;

const CA: &[u8] = include_bytes!("../../testdata/kubectl-1.32/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../testdata/kubectl-1.32/cert.pem");
const KEY: &[u8] = include_bytes!("../../testdata/kubectl-1.32/key.pem");

fn tutorial() -> ComponentKubeconfig {
    ComponentKubeconfig {
        cluster: "kubernetes".into(),
        server: "https://192.168.1.210:6443".parse().unwrap(),
        certificate_authority: CertificateSource::Embedded(CA.to_vec()),
        user: "kube-controller-manager".into(),
        client_certificate: CertificateSource::Embedded(CERTIFICATE.to_vec()),
        client_key: KeySource::Embedded(KEY.to_vec().into()),
        context: "default".into(),
    }
}

#[test]
fn the_tutorials_kubeconfig_has_kubectls_bytes() {
    let expected = include_str!("../../testdata/kubectl-1.32/tutorial.kubeconfig");
    let built = tutorial().build().unwrap();
    assert_eq!(*built.to_yaml(), expected);
    assert_eq!(Kubeconfig::from_yaml(expected).unwrap().kubeconfig, built);
    let current = built.current().unwrap();
    assert_eq!(current.cluster.entry.embedded_ca(), Some(CA));
    assert_eq!(current.user.entry.embedded_certificate(), Some(CERTIFICATE));
}

#[test]
fn paths_in_place_of_data_have_kubectls_bytes() {
    let expected = include_str!("../../testdata/kubectl-1.32/paths.kubeconfig");
    let built = ComponentKubeconfig {
        certificate_authority: CertificateSource::File("/opt/kubernetes/pki/ca/cert/ca.pem".into()),
        client_certificate: CertificateSource::File("/opt/kubernetes/pki/both.pem".into()),
        client_key: KeySource::File("/opt/kubernetes/pki/both.pem".into()),
        ..tutorial()
    };
    assert_eq!(*built.build().unwrap().to_yaml(), expected);
}

#[test]
fn applying_twice_changes_nothing_and_names_what_is_stale() {
    let mut document = tutorial().build().unwrap();
    let once = document.clone();
    assert_eq!(tutorial().apply_to(&mut document), Ok(vec![]));
    assert_eq!(document, once);
    document.users[0].entry.token = "t".to_owned().into();
    assert_eq!(tutorial().apply_to(&mut document), Ok(vec![StaleCredential::Token]));
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() {
    let mut document = Kubeconfig::default();
    let mut refuse = |parameters: ComponentKubeconfig| {
        let error = parameters.apply_to(&mut document).unwrap_err();
        assert_eq!(document, Kubeconfig::default());
        error
    };
    assert_eq!(
        refuse(ComponentKubeconfig { user: String::new(), ..tutorial() }),
        ComponentError::Empty { parameter: "user" }
    );
    assert_eq!(
        refuse(ComponentKubeconfig { context: "a\nb".into(), ..tutorial() }),
        ComponentError::ControlCharacter { parameter: "context" }
    );
    assert_eq!(
        refuse(ComponentKubeconfig {
            client_key: KeySource::Embedded(CERTIFICATE.to_vec().into()),
            ..tutorial()
        }),
        ComponentError::Pem {
            parameter: "client_key",
            source: PemError::Missing { expected: "private key" }
        }
    );
    assert_eq!(
        refuse(ComponentKubeconfig {
            certificate_authority: CertificateSource::Embedded(vec![]),
            ..tutorial()
        }),
        ComponentError::Pem { parameter: "certificate_authority", source: PemError::Empty }
    );
}

#[test]
fn no_link_of_an_error_chain_repeats_the_next() {
    let empty = CertificateSource::Embedded(vec![]);
    let error =
        ComponentKubeconfig { certificate_authority: empty, ..tutorial() }.build().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(!error.to_string().contains(&source), "{error}: {source}");
}
