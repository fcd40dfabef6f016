use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use time::macros::datetime;

use super::*;
use crate::cluster::Cluster;

const NOW: OffsetDateTime = datetime!(2026-11-30 06:00 UTC);

/// A folder with a CA, and the section `pki` of its cluster file.
struct Site {
    folder: tempfile::TempDir,
    pki: Pki,
}

impl Site {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "apiVersion: kcm/v1\ncluster: {{server: 'https://10.0.0.1:6443', clusterCidr: 172.20.0.0/16, serviceClusterIpRange: 10.68.0.0/16}}\npki: {{caCert: ca.pem, trust: bundle.pem{more}}}\nmasters: [{{name: m1, address: 10.0.0.1}}]\n"
        );
        let cluster = Cluster::parse(&text, &folder.path().join("kcm.yaml")).unwrap();
        let site = Self { folder, pki: cluster.pki };
        let (certificate, key) = root("kubernetes");
        site.write("ca.pem", &certificate.to_pem());
        if site.pki.ca_key.is_some() {
            site.write("ca-key.pem", &key.to_pem());
        }
        site
    }

    fn with_key() -> Self {
        Self::new(", caKey: ca-key.pem")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn files(&self) -> CaFiles {
        self.try_files().unwrap()
    }

    fn try_files(&self) -> Result<CaFiles, OperatorError> {
        CaFiles::read(&self.pki, self.pki.trust.as_deref().unwrap()).map(Option::unwrap)
    }

    fn bundle(&self, certificates: &[Certificate]) {
        write_bundle(self.pki.trust.as_deref().unwrap(), certificates).unwrap();
    }
}

fn root(name: &str) -> (Certificate, PrivateKey) {
    let key = PrivateKey::generate(kcm_pki::KeyAlgorithm::EcdsaP256).unwrap();
    let subject = Subject::new(name, Vec::new(), None).unwrap();
    let request = CaRequest { subject, lifetime: CaRequest::DEFAULT_LIFETIME, path_len: Some(1) };
    let serial = serial().unwrap();
    (CertificateAuthority::create(&request, &key, serial, NOW).unwrap(), key)
}

#[test]
fn a_new_ca_becomes_the_current_one_and_the_former_one_is_kept() {
    let site = Site::with_key();
    let before = site.files();
    assert!(!before.has_bundle && before.trust == [before.current.certificate().clone()]);
    let old = [site.text("ca.pem"), site.text("ca-key.pem")];

    let (next, pair) = before.new_root(&site.pki, NOW).unwrap();
    assert_eq!(site.names(), ["ca-key.pem", "ca.pem"], "nothing is stored yet");
    let (ours, theirs) = (next.certificate(), before.current.certificate());
    assert_eq!(ours.subject_der(), theirs.subject_der());
    assert_eq!(ours.key_algorithm(), theirs.key_algorithm());
    assert_eq!(ours.path_len(), Some(1));
    assert_eq!(ours.not_after() - ours.not_before(), theirs.not_after() - theirs.not_before());
    assert_ne!(ours.public_key(), theirs.public_key());

    store_next(&site.pki, &pair).unwrap();
    site.bundle(&[theirs.clone(), ours.clone()]);
    let during = site.files();
    assert_eq!(during.next.as_ref(), Some(&next));
    assert!(during.has_bundle && during.trusts(&next) && during.former.is_none());
    let mode = |name| fs::metadata(site.folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("ca-key.pem.next") & 0o777, 0o600);

    promote(&site.pki, &during).unwrap();
    let after = site.files();
    assert_eq!((&after.current, &after.next), (&next, &None));
    assert_eq!([site.text("ca.pem.former"), site.text("ca-key.pem.former")], old);
    assert_eq!(mode("ca-key.pem.former") & 0o777, 0o600);
    assert_eq!(
        [site.text("ca.pem"), site.text("ca-key.pem")],
        [pair.certificate, pair.key.to_string()]
    );
    let names = ["bundle.pem", "ca-key.pem", "ca-key.pem.former", "ca.pem", "ca.pem.former"];
    assert_eq!(site.names(), names);

    let refused = after.new_root(&site.pki, NOW).unwrap_err().to_string();
    assert!(refused.contains("ca.pem.former") && refused.contains("earlier rotation"), "{refused}");
}

#[test]
fn an_interrupted_promotion_is_completed() {
    // Each state is one in which an interrupted promotion leaves the files.
    let (next, next_key) = root("kubernetes");
    for step in 0..3 {
        let site = Site::with_key();
        let (old, old_key) = (site.text("ca.pem"), site.text("ca-key.pem"));
        site.write("ca.pem.next", &next.to_pem());
        site.write("ca-key.pem.next", &next_key.to_pem());
        site.write("ca.pem.former", &old);
        site.write("ca-key.pem.former", &old_key);
        if step > 0 {
            site.write("ca.pem", &next.to_pem());
            site.write("ca-key.pem", &next_key.to_pem());
        }
        if step > 1 {
            fs::remove_file(site.folder.path().join("ca-key.pem.next")).unwrap();
        }
        let files = site.files();
        assert_eq!(files.next.is_some(), step == 0, "{step}");
        assert_eq!(files.former.is_some(), step > 0, "{step}");
        promote(&site.pki, &files).unwrap();
        let files = site.files();
        assert_eq!(files.current.certificate(), &next, "{step}");
        assert_eq!((files.next, site.text("ca.pem.former")), (None, old), "{step}");
        assert_eq!(site.text("ca-key.pem.former"), old_key, "{step}");
    }
}

#[test]
fn without_the_key_the_operator_provides_the_next_ca() {
    let site = Site::new("");
    let refused = site.files().new_root(&site.pki, NOW).unwrap_err().to_string();
    assert!(refused.contains("no key"), "{refused}");
    let (next, _) = root("kubernetes");
    site.write("ca.pem.next", &next.to_pem());
    promote(&site.pki, &site.files()).unwrap();
    assert_eq!(site.files().current.certificate(), &next);
    assert_eq!(site.names(), ["ca.pem", "ca.pem.former"]);

    // With the key of the current CA, the next certificate alone would leave a wrong pair.
    let site = Site::with_key();
    let old = site.text("ca.pem");
    site.write("ca.pem.next", &next.to_pem());
    let refused = promote(&site.pki, &site.files()).unwrap_err().to_string();
    assert!(refused.contains("ca-key.pem.next"), "{refused}");
    assert_eq!(site.text("ca.pem"), old);
}

#[test]
fn a_bundle_keeps_its_comments() {
    let site = Site::with_key();
    let (other, _) = root("other");
    let (next, _) = root("kubernetes");
    let ca = site.files().current.certificate().clone();
    let text = format!("# ours\n{}\n# theirs\n{}", ca.to_pem(), other.to_pem().trim_end());
    site.write("bundle.pem", &text);
    site.bundle(&[ca.clone(), other.clone()]);
    assert_eq!(site.text("bundle.pem"), text, "an equal bundle is not written");
    site.bundle(&[ca.clone(), other.clone(), next.clone()]);
    assert_eq!(site.text("bundle.pem"), format!("{text}\n{}", next.to_pem()));
    site.bundle(&[other.clone(), next.clone()]);
    let left = site.text("bundle.pem");
    assert!(left.contains("# theirs\n") && !left.contains("# ours"), "{left}");
    assert_eq!(Certificate::all_from_pem(left.as_bytes()).unwrap(), [other, next]);
}

#[test]
fn unusable_files_are_errors_that_name_the_file() {
    let site = Site::with_key();
    for name in ["ca.pem.next", "ca.pem.former", "bundle.pem", "ca.pem"] {
        let before = fs::read(site.folder.path().join(name)).ok();
        site.write(name, "nothing");
        let error = site.try_files().unwrap_err();
        assert!(error.to_string().contains(name) && error.help().is_some(), "{error}");
        match before {
            Some(before) => fs::write(site.folder.path().join(name), before).unwrap(),
            None => fs::remove_file(site.folder.path().join(name)).unwrap(),
        }
    }
}
