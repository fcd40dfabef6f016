//! The decision whether to keep the existing identity or to issue a new one. Pure.

use kcm_pki::Fingerprint;
use time::OffsetDateTime;

use super::{Decision, Held, IdentityFacts, Reason};
use crate::pki::IdentityRequest;

/// The identity on one master.
#[derive(Clone, Copy, Debug)]
pub struct HeldIdentity<'a> {
    /// Name of the master.
    pub master: &'a str,
    /// Properties of the certificate and key, or the reason why there are none.
    pub facts: Result<&'a IdentityFacts, &'a NotHeld>,
}

/// The reason why a master holds no usable identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// The master has none of the identity's files.
    Absent,
    /// The files cannot be used; the message says why.
    Unusable(String),
}

/// Decides between the operator's pair, the identity that all masters hold, and a new one.
///
/// An existing operator's pair is kept if it is valid. Otherwise a new one is issued. Only without
/// an operator's pair can the masters' identity be kept.
#[must_use]
pub fn decide(
    request: &IdentityRequest,
    operator: &Result<Option<IdentityFacts>, Reason>,
    masters: &[HeldIdentity<'_>],
    now: OffsetDateTime,
) -> Decision {
    match operator {
        Err(reason) => Decision::Issue { why: vec![reason.clone()] },
        Ok(Some(facts)) => match facts.reasons(request, now) {
            why if why.is_empty() => {
                Decision::Keep { fingerprint: facts.fingerprint, held: Held::ByOperator }
            }
            why => Decision::Issue { why },
        },
        Ok(None) => match held_by_all(request, masters, now) {
            Ok(facts) => Decision::Keep { fingerprint: facts.fingerprint, held: Held::ByMasters },
            Err(why) => Decision::Issue { why },
        },
    }
}

/// Returns the identity that all masters hold, if it can be kept.
fn held_by_all<'a>(
    request: &IdentityRequest,
    masters: &[HeldIdentity<'a>],
    now: OffsetDateTime,
) -> Result<&'a IdentityFacts, Vec<Reason>> {
    let names = |is_it: &dyn Fn(&HeldIdentity<'_>) -> bool| -> Vec<String> {
        let found = masters.iter().filter(|master| is_it(master));
        found.map(|master| master.master.to_owned()).collect()
    };
    let absent = names(&|master| master.facts == Err(&NotHeld::Absent));
    let Some(first) = masters.first().filter(|_| absent.len() < masters.len()) else {
        return Err(vec![Reason::Missing]);
    };
    let mut why: Vec<_> = masters.iter().filter_map(unusable).collect();
    if !absent.is_empty() {
        why.push(Reason::NotOnAll { masters: absent });
    }
    let known = || masters.iter().filter_map(|it| Some((it.master, it.facts.ok()?)));
    let held = grouped(known().map(|(master, facts)| (master, facts.fingerprint)));
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in known().flat_map(|(_, facts)| facts.reasons(request, now)) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if held.len() > 1 {
        why.push(Reason::MastersDiffer { held });
    } else if let Ok(one) = first.facts {
        let others = names(&|master| master.facts.is_ok_and(|facts| facts.key != one.key));
        if !others.is_empty() {
            why.push(Reason::KeysDiffer { masters: others });
        }
    }
    why.append(&mut reasons);
    match first.facts {
        Ok(facts) if why.is_empty() => Ok(facts),
        _ => Err(why),
    }
}

/// Groups masters by their certificate, in order of first appearance.
pub(crate) fn grouped<'a>(
    held: impl Iterator<Item = (&'a str, Fingerprint)>,
) -> Vec<(Fingerprint, Vec<String>)> {
    let mut groups: Vec<(Fingerprint, Vec<String>)> = Vec::new();
    for (master, fingerprint) in held {
        match groups.iter_mut().find(|(known, _)| *known == fingerprint) {
            Some((_, masters)) => masters.push(master.to_owned()),
            None => groups.push((fingerprint, vec![master.to_owned()])),
        }
    }
    groups
}

fn unusable(master: &HeldIdentity<'_>) -> Option<Reason> {
    match master.facts {
        Err(NotHeld::Unusable(error)) => Some(Reason::UnusableOnMaster {
            master: master.master.to_owned(),
            error: error.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kcm_pki::{CsrFile, KeyAlgorithm, SigningConfig};

    use super::*;
    use crate::cluster::layout;
    use crate::pki::identity::KeyMatch;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 06:00 UTC);

    fn request() -> IdentityRequest {
        let csr = r#"{"CN": "system:kube-controller-manager"}"#;
        let csr = CsrFile::parse(csr).unwrap().value;
        IdentityRequest {
            subject: csr.subject,
            hosts: csr.hosts,
            usages: SigningConfig::built_in().default_profile().unwrap().usages.clone(),
            key_algorithm: KeyAlgorithm::EcdsaP256,
            lifetime: DAY * 365,
            renew_before: DAY * 30,
        }
    }

    fn right() -> IdentityFacts {
        IdentityFacts {
            fingerprint: Fingerprint::of(b"a certificate"),
            common_name: Some(layout::USER.to_owned()),
            groups: Vec::new(),
            algorithm: Some(KeyAlgorithm::EcdsaP256),
            missing_usages: Vec::new(),
            not_after: NOW + DAY * 31,
            could_end_later: true,
            chain_error: None,
            key: KeyMatch::Matches,
        }
    }

    fn decision(operator: IdentityFacts) -> Decision {
        decide(&request(), &Ok(Some(operator)), &[], NOW)
    }

    #[test]
    fn a_right_pair_stays() {
        let held = Held::ByOperator;
        assert_eq!(decision(right()), Decision::Keep { fingerprint: right().fingerprint, held });
    }

    #[test]
    fn one_that_ends_with_its_ca_is_not_issued_again_and_again() {
        let ends = IdentityFacts { not_after: NOW + DAY, could_end_later: false, ..right() };
        assert!(matches!(decision(ends), Decision::Keep { .. }));
    }

    #[test]
    fn each_fault_alone_is_a_reason_and_all_together_are_all_reasons() {
        let faults: [fn(&mut IdentityFacts); 6] = [
            |f| f.chain_error = Some("another CA".to_owned()),
            |f| f.common_name = Some("system:kube-scheduler".to_owned()),
            |f| f.algorithm = Some(KeyAlgorithm::Rsa2048),
            |f| f.missing_usages = vec!["client auth".to_owned()],
            |f| f.key = KeyMatch::Differs,
            |f| f.not_after = NOW + DAY * 30,
        ];
        let mut all = right();
        for fault in faults {
            let mut one = right();
            fault(&mut one);
            fault(&mut all);
            assert!(matches!(decision(one), Decision::Issue { why } if why.len() == 1));
        }
        assert!(matches!(decision(all), Decision::Issue { why } if why.len() == faults.len()));
    }

    #[expect(clippy::unnecessary_wraps, reason = "as a master's are")]
    fn held(change: impl Fn(&mut IdentityFacts)) -> Result<IdentityFacts, NotHeld> {
        let mut facts =
            IdentityFacts { key: KeyMatch::NotObserved(Fingerprint::of(b"key")), ..right() };
        change(&mut facts);
        Ok(facts)
    }

    type Seen = Result<IdentityFacts, NotHeld>;

    fn decision_of(masters: &[Seen]) -> Decision {
        let named = masters.iter().zip(["m1", "m2", "m3"]);
        let masters: Vec<_> =
            named.map(|(it, master)| HeldIdentity { master, facts: it.as_ref() }).collect();
        decide(&request(), &Ok(None), &masters, NOW)
    }

    #[test]
    fn what_all_masters_hold_stays() {
        let same = || held(|_| {});
        let decision = decision_of(&[same(), same()]);
        assert!(matches!(decision, Decision::Keep { held: Held::ByMasters, .. }));
    }

    #[test]
    fn the_reason_for_a_new_identity_is_the_one_seen_on_the_masters() {
        let same = || held(|_| {});
        let other = held(|it| it.fingerprint = Fingerprint::of(b"other"));
        let garbage = Err(NotHeld::Unusable("it is empty".to_owned()));
        let day = time::Duration::DAY;
        let cases: Vec<(Vec<Seen>, &[&str])> = vec![
            (vec![], &["no certificate exists yet"]),
            (vec![Err(NotHeld::Absent), Err(NotHeld::Absent)], &["no certificate exists yet"]),
            (vec![same(), Err(NotHeld::Absent)], &["the certificate is missing on m2"]),
            (vec![Err(NotHeld::Absent), same(), same()], &["the certificate is missing on m1"]),
            (vec![same(), garbage.clone()], &["the certificate on m2 cannot be used: it is empty"]),
            (vec![garbage], &["the certificate on m1 cannot be used: it is empty"]),
            (vec![same(), other], &["different certificates", " on m1; sha256:", " on m2"]),
            (
                vec![same(), held(|it| it.key = KeyMatch::NotObserved(Fingerprint::of(b"x")))],
                &["the key on m2 differs from the key on the first master"],
            ),
            (
                vec![held(|it| it.common_name = Some("admin".to_owned()))],
                &["the common name is admin, not system:kube-controller-manager"],
            ),
            (vec![held(|it| it.not_after = NOW - day)], &["the certificate expired on 2026-11-22"]),
            (vec![held(|it| it.not_after = NOW + day)], &["the certificate expires on 2026-11-24"]),
            (
                vec![held(|it| it.chain_error = Some("another CA signed it".to_owned()))],
                &["another CA signed it"],
            ),
            (
                vec![held(|it| it.algorithm = Some(KeyAlgorithm::Rsa4096))],
                &["the key algorithm is rsa-4096, not ecdsa-p256"],
            ),
        ];
        for (masters, expected) in cases {
            let Decision::Issue { why } = decision_of(&masters) else { panic!("{masters:?}") };
            let said = why.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
            assert!(expected.iter().all(|it| said.contains(it)), "{said}");
            assert_eq!(why.len(), 1, "{said}");
        }
    }
}
