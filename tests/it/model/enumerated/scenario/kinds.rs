//! The commands, each with the state of the masters before it.

use kcm::files::RemotePath;
use kcm::kube::{PublishedTrust, TokenVerification, VerificationKey};
use kcm::rotate::ca::CaStage;
use kcm::rotate::service_account_key::TokenKeyStage;
use kcm::transport::fake::{Fake, Fault, FaultKind, FaultPoint, When};
use kcm::transport::{Batch, Operation, Read, Reply, Transport as _, View};
use kcm_pki::{Certificate, Fingerprint, KeyAlgorithm};

use super::{End, Ended, SERVICE, Scenario, Verb, labels};

impl Scenario {
    /// Bare machines; the operator already has a pair.
    pub(in super::super) async fn first_deployment(masters: usize) -> Self {
        let scenario = Self::bare("first deployment", masters);
        // This run issues the pair.
        let done = scenario.run(&scenario.fork(), &Verb::Apply).await;
        assert!(done.is_done(), "{done:?}");
        scenario.keep_pki()
    }

    /// A complete deployment that runs in its second generation.
    async fn deployed(name: &'static str, masters: usize) -> Self {
        let mut scenario = Self::bare(name, masters);
        for flags in ["", "controllerManager: {flags: {v: 3}}\n"] {
            scenario.edit("masters:\n", &format!("{flags}masters:\n"));
            let done = scenario.run(&scenario.fakes, &Verb::Apply).await;
            assert!(done.is_done(), "{done:?}");
        }
        scenario.can_go_back = true;
        scenario.keep_pki()
    }

    pub(in super::super) async fn flag_change(masters: usize) -> Self {
        let mut scenario = Self::deployed("flag change", masters).await;
        scenario.edit("v: 3", "v: 4");
        scenario
    }

    /// A flag change with a rollback after the cut, instead of the same command.
    pub(in super::super) async fn flag_change_that_is_taken_back(masters: usize) -> Self {
        let scenario = Self::flag_change(masters).await;
        Self { name: "flag change, then a rollback", instead: Some(Verb::Rollback), ..scenario }
    }

    /// A rollback with an apply of the former state after the cut.
    pub(in super::super) async fn rollback_that_is_taken_back(masters: usize) -> Self {
        let scenario = Self::rollback(masters).await;
        Self { name: "rollback, then an apply", instead: Some(Verb::Apply), ..scenario }
    }

    /// A renewal that issues another identity, because the key is missing on the operator's
    /// machine.
    pub(in super::super) async fn renewal(masters: usize) -> Self {
        let mut scenario = Self::deployed("renewal", masters).await;
        scenario.verb = Verb::Renew;
        scenario.pki.retain(|(path, _)| !path.ends_with("kube-controller-manager-key.pem"));
        scenario
    }

    /// A renewal where the kubeconfig names a file with certificate and key.
    pub(in super::super) async fn renewal_of_a_named_file(masters: usize) -> Self {
        let mut scenario = Self::deployed("renewal of a named file", masters).await;
        scenario.edit("masters:\n", "kubeconfig: {credentials: files}\nmasters:\n");
        let done = scenario.run(&scenario.fork(), &Verb::Apply).await;
        assert!(done.is_done(), "{done:?}");
        let done = scenario.run(&scenario.fakes, &Verb::Apply).await;
        assert!(done.is_done(), "{done:?}");
        scenario.pki.retain(|(path, _)| !path.ends_with("kube-controller-manager-key.pem"));
        scenario
    }

    /// A stage of the replacement of the CA, after the stages before it.
    pub(in super::super) async fn ca_stage(masters: usize, stage: CaStage) -> Self {
        const PKI: &str = "pki:\n  trust: pki/ca/cert/ca-bundle.pem\n  serviceAccountKey: {file: pki/sa.key, algorithm: ecdsa-p256}\n";
        let name = match stage {
            CaStage::Issue => "renewal by the next CA",
            _ => "another bundle of CA certificates",
        };
        let mut scenario = Self::bare(name, masters);
        scenario.edit("pki:\n", PKI);
        let old = scenario.workspace.read("pki/ca/cert/ca.pem");
        scenario.workspace.write("pki/ca/cert/ca-bundle.pem", &old);
        let done = scenario.run(&scenario.fakes, &Verb::Apply).await;
        assert!(done.is_done(), "{done:?}");
        let (next, key) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "kubernetes");
        scenario.workspace.write("pki/ca/cert/ca.pem.next", &next);
        scenario.workspace.write("pki/ca/cert/ca-key.pem.next", &key);
        let client_cas = Certificate::all_from_pem(format!("{old}{next}").as_bytes()).unwrap();
        scenario.published = PublishedTrust { client_cas, ..PublishedTrust::default() };
        scenario.leader = Some(0);
        for earlier in [CaStage::Trust, CaStage::Issue].into_iter().take_while(|it| *it != stage) {
            scenario.begin_election(&scenario.fakes);
            let done = scenario.run(&scenario.fakes, &Verb::RotateCa(earlier)).await;
            assert!(done.is_done() && !done.is_unchanged(), "{earlier:?}: {done:?}");
        }
        scenario.verb = Verb::RotateCa(stage);
        scenario.can_go_back = true;
        scenario.keep_pki()
    }

    /// A stage of the replacement of the CA key by a separate key for service account tokens, after
    /// the stages before it.
    pub(in super::super) async fn token_key_stage(masters: usize, stage: TokenKeyStage) -> Self {
        const KEY: &str = "  serviceAccountKey: {file: pki/sa.key, algorithm: ecdsa-p256}\n";
        let mut scenario = Self::deployed("replacement of the token key", masters).await;
        scenario.edit("pki:\n", &format!("pki:\n{KEY}"));
        scenario.leader = Some(0);
        if stage == TokenKeyStage::Announce {
            // This run creates the key.
            let done = scenario.run(&scenario.fork(), &Verb::RotateTokenKey(stage)).await;
            assert!(done.is_done() && !done.is_unchanged(), "{done:?}");
        }
        for earlier in [TokenKeyStage::Announce, TokenKeyStage::Switch] {
            if earlier == stage {
                break;
            }
            scenario.begin_election(&scenario.fakes);
            let done = scenario.run(&scenario.fakes, &Verb::RotateTokenKey(earlier)).await;
            assert!(done.is_done() && !done.is_unchanged(), "{earlier:?}: {done:?}");
            let mut keys = Vec::new();
            for file in ["pki/ca/cert/ca-key.pem", "pki/sa.key"] {
                let public_part = public_part(scenario.workspace.read(file).as_bytes()).await;
                keys.push(VerificationKey { id: file.to_owned(), public_part });
            }
            scenario.verified = TokenVerification { keys, ..TokenVerification::default() };
        }
        scenario.verb = Verb::RotateTokenKey(stage);
        // A public key is uploaded without a gate. A rollback then returns only masters with an open
        // change, so the masters may differ until the next announcement.
        scenario.can_go_back = stage == TokenKeyStage::Switch;
        scenario.keep_pki()
    }

    pub(in super::super) async fn rollback(masters: usize) -> Self {
        let mut scenario = Self::deployed("rollback", masters).await;
        scenario.verb = Verb::Rollback;
        scenario
    }

    pub(in super::super) async fn removal(masters: usize, of: Vec<&'static str>) -> Self {
        let mut scenario = Self::deployed("removal", masters).await;
        scenario.verb = Verb::Remove(of);
        scenario.can_go_back = false;
        scenario
    }

    pub(in super::super) async fn removal_of_all(masters: usize) -> Self {
        let names =
            ["k8s-master-01", "k8s-master-02", "k8s-master-03", "k8s-master-04", "k8s-master-05"];
        Self { name: "removal of all", ..Self::removal(masters, names[..masters].to_vec()).await }
    }

    /// A change after which the first master's service exits right after its start.
    pub(in super::super) async fn deadly_flag(masters: usize) -> Self {
        let mut scenario = Self::deployed("service that dies", masters).await;
        scenario.edit("v: 3", "v: 13");
        scenario.end = End::Restores;
        scenario
    }

    /// A change after which the first master's service never becomes healthy.
    pub(in super::super) async fn unhealthy_flag(masters: usize) -> Self {
        let mut scenario = Self::deployed("service that is never healthy", masters).await;
        scenario.edit("v: 3", "v: 14");
        scenario.end = End::Restores;
        scenario
    }

    /// A change while the API server is down: nothing can be verified, and no service ran before.
    pub(in super::super) async fn without_api_server(masters: usize) -> Self {
        let mut scenario = Self::flag_change(masters).await;
        scenario.name = "API server down";
        scenario.without_api_server = true;
        for fake in &scenario.fakes {
            fake.inspect(|state| {
                state.set_api_server(false);
                state.end_service(&SERVICE.parse().unwrap(), "leader election lost");
            });
        }
        scenario
    }

    /// A rollback of an unverified change on the first master.
    pub(in super::super) async fn rollback_of_the_unproven(masters: usize) -> Self {
        let mut scenario = Self::flag_change(masters).await;
        let fakes = scenario.fork();
        let labels = labels(&fakes[0]);
        assert!(scenario.run(&fakes, &Verb::Apply).await.is_done());
        let is_restart = |label: &String| label.starts_with("restart");
        let index = labels.lock().unwrap().iter().position(is_restart).unwrap();
        let at = FaultPoint::Effect { index, when: When::Before };
        let fault = Fault { at, kind: FaultKind::KillsCaller };
        scenario.fakes = scenario.fork();
        scenario.fakes[0].inspect(|state| state.faults.push(fault));
        assert!(matches!(scenario.run(&scenario.fakes, &Verb::Apply).await, Ended::Killed));
        scenario.name = "rollback of what is not proven";
        scenario.verb = Verb::Rollback;
        scenario.can_go_back = false;
        scenario
    }
}

/// Reads the public part of a key as a master does.
async fn public_part(key: &[u8]) -> Option<Fingerprint> {
    let fake = Fake::new("reader");
    fake.inspect(|state| state.put_file("/key", key, 0o600));
    let read = Read { path: RemotePath::new("/key").unwrap(), view: View::PublicPart };
    let replies = fake.call(&Batch::new(vec![Operation::Read(read)])).await.unwrap();
    let Some(Reply::Read(Some(digest))) = replies.done.into_iter().next() else { panic!("no key") };
    format!("sha256:{}", std::str::from_utf8(&digest).unwrap().trim()).parse().ok()
}
