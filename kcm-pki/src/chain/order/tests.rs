use super::*;
use crate::testing::testdata;

const LEAF: &str = testdata!("chain/leaf.pem");
const INTERMEDIATE: &str = testdata!("chain/intermediate.pem");
const ROOT: &str = testdata!("chain/root.pem");

fn read(pems: &[&str]) -> Result<CertificateChain, CertificateChainError> {
    CertificateChain::from_pem(pems.concat().as_bytes())
}

#[test]
fn any_order_becomes_leaf_first() {
    let ordered = [LEAF, INTERMEDIATE, ROOT];
    for pems in [ordered, [ROOT, INTERMEDIATE, LEAF], [INTERMEDIATE, LEAF, ROOT]] {
        let chain = read(&pems).unwrap();
        assert_eq!(chain.to_pem(), ordered.concat());
        assert_eq!(chain.leaf().subject(), "CN=leaf");
        assert_eq!(chain.intermediates().len(), 2);
    }
    assert_eq!(read(&[LEAF]).unwrap().to_pem(), LEAF);
    assert_eq!(read(&[ROOT]).unwrap().to_pem(), ROOT);
    assert!(read(&[LEAF, INTERMEDIATE]).unwrap().to_pem().starts_with(LEAF));
}

#[test]
fn a_certificate_outside_of_the_chain_is_refused() {
    let recreated = testdata!("chain/recreated.pem");
    for pems in [
        &[LEAF, ROOT][..],
        &[LEAF, INTERMEDIATE, recreated],
        &[LEAF, LEAF],
        &[LEAF, INTERMEDIATE, INTERMEDIATE],
        &[LEAF, testdata!("chain/server.pem"), INTERMEDIATE],
    ] {
        let error = read(pems).unwrap_err();
        assert!(matches!(error, CertificateChainError::Unrelated { .. }), "{error:?}");
    }
    assert_eq!(
        read(&[LEAF, INTERMEDIATE, recreated]).unwrap_err().to_string(),
        "the certificate of CN=root does not belong to the chain of CN=leaf; remove the certificate"
    );
}

#[test]
fn an_issuer_without_the_rights_of_a_ca_is_refused() {
    let error = read(&[testdata!("chain/below-leaf.pem"), LEAF, INTERMEDIATE]).unwrap_err();
    let not_ca = CaError::NotCa { subject: "CN=leaf".into() };
    assert_eq!(error, CertificateChainError::Ca(not_ca));
    assert!(matches!(read(&["text"]), Err(CertificateChainError::Certificate(_))));
}
