use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::plan::MasterPlan;

const NOW: OffsetDateTime = datetime!(2026-11-30 06:00 UTC);
const DAY: time::Duration = time::Duration::DAY;

fn facts(plan: &Plan) -> PlanFacts<'_> {
    PlanFacts {
        options: PlanOptions::default(),
        cluster_file: b"apiVersion: kcm/v1",
        inputs: Fingerprint::of(b"inputs"),
        plan,
        text: "k8s-master-01\n  create /a\n\nleader: k8s-master-01 leads\n".to_owned(),
    }
}

fn plan() -> Plan {
    let master = |name: &str| MasterPlan { name: name.to_owned(), steps: Vec::new() };
    Plan::without_certificates(vec![master("k8s-master-01"), master("k8s-master-02")])
}

fn file() -> PlanFile {
    PlanFile::new(facts(&plan()), NOW, NOW + DAY).unwrap()
}

/// Returns the text of a plan file, as a document.
fn text(file: &PlanFile) -> Vec<u8> {
    let mut value = serde_json::to_value(file).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.insert("apiVersion".to_owned(), "kcm/v1".into());
    fields.insert("kind".to_owned(), "PlanFile".into());
    serde_json::to_vec(&value).unwrap()
}

fn parse(text: &[u8]) -> Result<PlanFile, PlanFileError> {
    PlanFile::parse(text, "kcm/v1", "PlanFile")
}

#[test]
fn a_plan_file_is_read_as_it_was_written() {
    let approved = file();
    assert_eq!(parse(&text(&approved)), Ok(approved.clone()));
    assert_eq!(approved.differences(&file()), [""; 0]);
    let mut plan = plan();
    plan.creates_ca = true;
    let now = PlanFile::new(facts(&plan), NOW, NOW + DAY).unwrap();
    assert_eq!(approved.differences(&now), ["createsCa: false, now true"]);
}

#[test]
fn a_changed_file_is_refused() {
    let approved = text(&file());
    let whole: Value = serde_json::from_slice(&approved).unwrap();
    for key in whole.as_object().unwrap().keys() {
        let mut changed = whole.clone();
        changed[key] = match &whole[key] {
            Value::String(text) => format!("{text} ").into(),
            _ => json!({"another": 1}),
        };
        assert!(parse(&serde_json::to_vec(&changed).unwrap()).is_err(), "{key}");
        changed.as_object_mut().unwrap().remove(key);
        assert!(parse(&serde_json::to_vec(&changed).unwrap()).is_err(), "{key}");
    }
    for end in 0..approved.len() {
        assert!(parse(&approved[..end]).is_err(), "{end}");
    }
    for invalid in ["", "null", "[]", "{}", r#"{"apiVersion": "kcm/v1", "kind": "Plan"}"#] {
        assert!(matches!(parse(invalid.as_bytes()), Err(PlanFileError::Invalid { .. })));
    }
}

/// The digest of each of these files matches, as if somebody had computed it again.
#[test]
fn a_file_that_says_something_else_than_the_new_plan_is_refused() {
    type Change = fn(&mut PlanFile);
    let cases: [(Change, &str); 11] = [
        (|it| it.valid_until = NOW - DAY, "valid until"),
        (|it| it.created_at = NOW + DAY, "later than this machine's time"),
        (|it| it.kcm = "99.1.0".to_owned(), "kcm 99.1.0 made the plan"),
        (|it| it.cluster_file = "sha256:00".to_owned(), "the cluster file was changed"),
        (|it| it.inputs = "sha256:00".to_owned(), "a file of this machine"),
        (|it| it.plan["createsCa"] = true.into(), "createsCa: true, now false"),
        (|it| it.plan["identity"] = json!({"decision": "issue"}), "identity: issue, now nothing"),
        (|it| it.plan["masters"] = json!([]), "the masters were , and are"),
        (
            |it| it.plan["masters"][1]["steps"] = json!([{"step": "restart"}]),
            "k8s-master-02: restart, now nothing",
        ),
        (|it| it.plan["more"] = 1.into(), "the text of the plan differs"),
        (|it| it.text = it.text.replace("create", "keep"), "the text of the plan differs"),
    ];
    for (change, expected) in cases {
        let mut approved = file();
        change(&mut approved);
        approved.digest = approved.compute_digest().unwrap();
        let approved = parse(&text(&approved)).unwrap();
        let found = approved.differences(&file());
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn another_leader_is_no_difference() {
    let mut approved = file();
    approved.text = approved.text.replace("k8s-master-01 leads", "k8s-master-02 leads");
    assert_eq!(approved.differences(&file()), [""; 0]);
}
