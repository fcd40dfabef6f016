//! Measures kcm alone: issuing, rendering, planning. Exits with 1 if a bound is exceeded.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and prints its table"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kcm::transport::fake::Fake;
use kcm::{Cluster, Fleet, Interrupt, Network, Run, Silent};
use kcm_benches::{Subject, interleaved};
use kcm_kubeconfig::{CertificateSource, ComponentKubeconfig, KeySource, Secret};
use kcm_pki::{
    CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, LeafRequest, OutlivesCa, PrivateKey,
    SerialNumber, SigningConfig,
};
use kcm_systemd::{ControllerManagerUnit, ExecutablePath, Flags};
use rcgen::SigningKey as _;
use time::OffsetDateTime;

const ROUNDS: usize = 15;
const MASTERS: usize = 1_000;
const TUTORIAL_CSR: &str = r#"{"CN": "system:kube-controller-manager", "hosts": [], "key": {"algo": "rsa", "size": 2048},
  "names": [{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:kube-controller-manager", "OU": "System"}]}"#;

/// A measured figure with its bound.
struct Figure {
    name: &'static str,
    measured: String,
    bound: &'static str,
    held: bool,
}

fn main() -> ExitCode {
    let figures = [
        p256_issue(),
        rsa_issue(),
        kubeconfig(),
        unit(),
        plan(State::Fresh),
        plan(State::Deployed),
    ];
    println!("{:<44} {:>22}  {:<24}", "", "median", "bound");
    for figure in &figures {
        let held = if figure.held { "held" } else { "NOT HELD" };
        println!("{:<44} {:>22}  {:<24} {held}", figure.name, figure.measured, figure.bound);
    }
    if figures.iter().all(|figure| figure.held) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn authority(algorithm: KeyAlgorithm) -> CertificateAuthority {
    let csr = CsrFile::parse(r#"{"CN": "kubernetes"}"#).unwrap().value;
    let key = PrivateKey::generate(algorithm).unwrap();
    let lifetime = CaRequest::DEFAULT_LIFETIME;
    let request = CaRequest { subject: csr.subject, lifetime, path_len: None };
    let root = CertificateAuthority::create(&request, &key, serial(), OffsetDateTime::now_utc());
    let root = root.unwrap().to_pem();
    CertificateAuthority::load(root.as_bytes(), key.to_pem().as_bytes()).unwrap()
}

fn leaf() -> LeafRequest {
    let csr = CsrFile::parse(TUTORIAL_CSR).unwrap().value;
    LeafRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: SigningConfig::built_in().default_profile().unwrap().usages.clone(),
        lifetime: Duration::from_secs(8_760 * 3_600),
        outlives_ca: OutlivesCa::Clamp,
    }
}

fn serial() -> SerialNumber {
    SerialNumber::from_random([0x5a; 20])
}

fn pair(times: Vec<Duration>) -> [Duration; 2] {
    times.try_into().unwrap()
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn p256_issue() -> Figure {
    let (authority, leaf, now) =
        (authority(KeyAlgorithm::EcdsaP256), leaf(), OffsetDateTime::now_utc());
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let subject_key = rcgen::KeyPair::generate().unwrap();
    let signer = rcgen::KeyPair::from_pem(&authority.key().to_pem()).unwrap();
    let root = authority.certificate().certificate().to_pem();
    let rcgen_ca = rcgen::Issuer::from_ca_cert_pem(&root, signer).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:kube-controller-manager");
    params.use_authority_key_identifier_extension = true;
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages =
        vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let [ours, theirs] = pair(interleaved(
        ROUNDS,
        400,
        &mut [
            Subject::new("kcm", || {
                let issued = authority.issue(&leaf, key.public_key(), serial(), now).unwrap();
                black_box(issued.certificate.to_pem());
            }),
            Subject::new("rcgen", || {
                black_box(params.signed_by(&subject_key, &rcgen_ca).unwrap().pem());
            }),
        ],
    ));
    let rate = ratio(theirs, ours);
    Figure {
        name: "P-256 issue, rate against rcgen alone",
        measured: format!("{rate:.2} ({ours:.1?}, {theirs:.1?})"),
        bound: "at least 0.60",
        held: rate >= 0.6,
    }
}

fn rsa_issue() -> Figure {
    let (authority, leaf, now) =
        (authority(KeyAlgorithm::Rsa2048), leaf(), OffsetDateTime::now_utc());
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let signer = rcgen::KeyPair::from_pem(&authority.key().to_pem()).unwrap();
    let message = vec![0x5a; 900];
    let [ours, theirs] = pair(interleaved(
        ROUNDS,
        40,
        &mut [
            Subject::new("kcm", || {
                let issued = authority.issue(&leaf, key.public_key(), serial(), now).unwrap();
                black_box(issued.certificate.to_pem());
            }),
            Subject::new("signature", || {
                black_box(signer.sign(&message).unwrap());
            }),
        ],
    ));
    let factor = ratio(ours, theirs);
    Figure {
        name: "RSA 2048 issue, time against raw signature",
        measured: format!("{factor:.2} ({ours:.0?}, {theirs:.0?})"),
        bound: "at most 2.00",
        held: factor <= 2.0,
    }
}

fn at_most(
    name: &'static str,
    times: u32,
    bound: (Duration, &'static str),
    once: impl FnMut(),
) -> Figure {
    let time = interleaved(ROUNDS, times, &mut [Subject::new(name, once)]).remove(0);
    Figure { name, measured: format!("{time:.1?}"), bound: bound.1, held: time <= bound.0 }
}

fn kubeconfig() -> Figure {
    let authority = authority(KeyAlgorithm::Rsa2048);
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let issued = authority.issue(&leaf(), key.public_key(), serial(), OffsetDateTime::now_utc());
    let pem = |text: &str| CertificateSource::Embedded(text.as_bytes().to_vec());
    let document = ComponentKubeconfig {
        cluster: "kubernetes".to_owned(),
        server: "https://192.168.1.210:6443".parse().unwrap(),
        certificate_authority: pem(&authority.certificate().certificate().to_pem()),
        user: "kube-controller-manager".to_owned(),
        client_certificate: pem(&issued.unwrap().certificate.to_pem()),
        client_key: KeySource::Embedded(Secret::new(key.to_pem().as_bytes().to_vec())),
        context: "default".to_owned(),
    };
    let document = document.build().unwrap();
    at_most(
        "kubeconfig from parsed input",
        500,
        (Duration::from_micros(20), "at most 20 µs"),
        || {
            black_box(document.to_yaml());
        },
    )
}

fn unit() -> Figure {
    let root = "/opt/kubernetes";
    let kubeconfig = format!("{root}/kubeconfig/kube-controller-manager.kubeconfig");
    let flags = Flags::from_pairs([
        ("allocate-node-cidrs", "true"),
        ("authentication-kubeconfig", &kubeconfig),
        ("authorization-kubeconfig", &kubeconfig),
        ("bind-address", "192.168.1.204"),
        ("cluster-cidr", "172.20.0.0/16"),
        ("cluster-name", "kubernetes"),
        ("cluster-signing-cert-file", "/opt/kubernetes/pki/ca/cert/ca.pem"),
        ("cluster-signing-key-file", "/opt/kubernetes/pki/ca/cert/ca-key.pem"),
        ("kubeconfig", &kubeconfig),
        ("leader-elect", "true"),
        ("node-cidr-mask-size", "24"),
        ("root-ca-file", "/opt/kubernetes/pki/ca/cert/ca.pem"),
        ("service-account-private-key-file", "/opt/kubernetes/pki/ca/cert/ca-key.pem"),
        ("service-cluster-ip-range", "10.68.0.0/16"),
        ("use-service-account-credentials", "true"),
        ("v", "2"),
    ]);
    let executable =
        ExecutablePath::try_from("/opt/kubernetes/bin/kube-controller-manager").unwrap();
    let unit = ControllerManagerUnit::new(executable, flags.unwrap());
    at_most("unit from parsed input", 500, (Duration::from_micros(20), "at most 20 µs"), || {
        black_box(unit.render());
    })
}

/// Measures a plan for many masters: all empty, or all deployed with one changed flag.
fn plan(state: State) -> Figure {
    let workspace = tempfile::tempdir().unwrap();
    let authority = authority(KeyAlgorithm::EcdsaP256);
    fs::write(workspace.path().join("ca.pem"), authority.certificate().certificate().to_pem())
        .unwrap();
    fs::write(workspace.path().join("ca-key.pem"), authority.key().to_pem()).unwrap();
    let fakes: Vec<_> = (0..MASTERS).map(|place| Fake::new(format!("m{place}"))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (name, expected) = match state {
        State::Fresh => ("plan, 1,000 fresh masters", 7 * MASTERS),
        State::Deployed => {
            let cluster = cluster(workspace.path(), 2);
            let fleet = fleet(&cluster, &fakes);
            runtime.block_on(kcm::apply(run(&cluster, &fleet))).unwrap();
            ("plan, 1,000 deployed masters, one flag", 3 * MASTERS)
        }
    };
    let cluster = cluster(workspace.path(), 4);
    let fleet = fleet(&cluster, &fakes);
    at_most(name, 1, (Duration::from_millis(200), "at most 200 ms"), || {
        let prepared = runtime.block_on(kcm::plan(run(&cluster, &fleet))).unwrap();
        assert_eq!(prepared.steps(), expected);
        black_box(prepared);
    })
}

#[derive(Clone, Copy)]
enum State {
    Fresh,
    Deployed,
}

fn cluster(workspace: &Path, verbosity: u8) -> Cluster {
    let masters = (0..MASTERS).map(|place| {
        format!("  - {{name: m{place}, address: 192.168.{}.{}}}\n", place / 250, 1 + place % 250)
    });
    let text = format!(
        "apiVersion: kcm/v1
cluster: {{server: \"https://192.168.1.210:6443\", clusterCidr: 172.20.0.0/16, serviceClusterIpRange: 10.68.0.0/16}}
pki: {{caCert: ca.pem, caKey: ca-key.pem, keyAlgorithm: ecdsa-p256}}
controllerManager: {{flags: {{v: {verbosity}}}}}
masters:
{}",
        masters.collect::<String>()
    );
    Cluster::parse(&text, &workspace.join("kcm.yaml")).unwrap()
}

fn fleet(cluster: &Cluster, fakes: &[Fake]) -> Fleet {
    let mut fakes = fakes.iter();
    Fleet::new(cluster, Network::Forbidden, |_| Arc::new(fakes.next().unwrap().clone()))
}

static NEVER: Interrupt = Interrupt::new();

fn run<'a>(cluster: &'a Cluster, fleet: &'a Fleet) -> Run<'a> {
    Run::new(cluster, fleet, OffsetDateTime::now_utc(), &Silent, &NEVER)
}
