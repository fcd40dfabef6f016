use crate::event::DrillMethod;
use proptest::prelude::*;
use time::macros::datetime;

use super::super::report::{EndOfLeadership, HealthSpan, MasterTimeline, NotPutBack, Timeline};
use super::*;

fn succession(from: usize, to: usize, ended: u64, gap: u64) -> Succession {
    let name = |place: usize| format!("k8s-master-{:02}", place + 1);
    Succession {
        from: name(from),
        from_holder: format!("{}_a", name(from)),
        ended_milliseconds: ended,
        end: EndOfLeadership::ProcessGone,
        to: Some(name(to)),
        to_holder: Some(format!("{}_b", name(to))),
        led_milliseconds: Some(ended + gap),
        renewed_milliseconds: Some(ended + gap + 2000),
        gap_milliseconds: Some(gap),
        precision_milliseconds: Some(55),
        promise_milliseconds: Some(23_800),
        left: None,
        probe: Some(Reconciliation::Reconciled {
            asked_milliseconds: ended + 20,
            done_milliseconds: ended + gap + 310,
            delay_milliseconds: Some(310),
        }),
        back_milliseconds: Some(ended + gap.min(9300)),
        healthy_milliseconds: Some(ended + gap.min(9300) + 4000),
        held_back: Vec::new(),
    }
}

/// Builds a report of three masters, each of which takes over once.
pub(super) fn report() -> DrillReport {
    let successions = vec![
        succession(0, 2, 3000, 16_420),
        succession(2, 1, 24_000, 17_010),
        Succession {
            held_back: vec!["k8s-master-03".to_owned()],
            ..succession(1, 0, 46_000, 18_900)
        },
    ];
    let down = |place: usize| -> Vec<(u64, u64)> {
        successions
            .iter()
            .filter(|it| it.from.ends_with(&(place + 1).to_string()))
            .map(|it| (it.ended_milliseconds, it.back_milliseconds.unwrap_or_default()))
            .collect()
    };
    let lane = |place: usize| {
        let mut health = Vec::new();
        let mut from = 0;
        for (down, up) in down(place) {
            health.push((from, down, HealthAnswer::Healthy));
            health.push((down, up, HealthAnswer::Silent));
            from = up;
        }
        health.push((from, 70_000, HealthAnswer::Healthy));
        let span = |(from_milliseconds, until_milliseconds, answer)| HealthSpan {
            from_milliseconds,
            until_milliseconds,
            answer,
        };
        let name = format!("k8s-master-{:02}", place + 1);
        MasterTimeline { name, health: health.into_iter().map(span).collect() }
    };
    let masters: Vec<_> = (0..3).map(lane).collect();
    DrillReport {
        at: datetime!(2026-11-25 15:14:41 UTC),
        cluster: "kubernetes".to_owned(),
        method: DrillMethod::Stop,
        leader: "k8s-master-01".to_owned(),
        masters: masters.iter().map(|master| master.name.clone()).collect(),
        first_probe: Some(Reconciliation::Reconciled {
            asked_milliseconds: 900,
            done_milliseconds: 1100,
            delay_milliseconds: None,
        }),
        successions,
        trouble: None,
        not_put_back: Vec::new(),
        left_behind: Vec::new(),
        is_interrupted: false,
        timeline: Timeline {
            length_milliseconds: 70_000,
            blind_milliseconds: 60,
            lease: Vec::new(),
            masters,
        },
    }
}

/// Returns the maximum area that a label covers.
fn area(label: &Label) -> Area {
    let width = width(&label.text, label.size, label.bold);
    let x = match label.anchor {
        Anchor::Start => label.x,
        Anchor::Middle => label.x - width / 2.0,
        Anchor::End => label.x - width,
    };
    Area { x, y: label.y - 0.8 * label.size, width, height: 1.05 * label.size }
}

fn overlap(one: Area, other: Area) -> bool {
    one.x < other.x + other.width
        && other.x < one.x + one.width
        && one.y < other.y + other.height
        && other.y < one.y + one.height
}

/// Returns the labels that overlap each other or exceed the edge.
fn collisions(report: &DrillReport) -> Vec<String> {
    let (canvas, height) = draw(report);
    let mut found = Vec::new();
    for (number, label) in canvas.labels.iter().enumerate() {
        let covered = area(label);
        let is_within = covered.x >= 0.0
            && covered.x + covered.width <= WIDTH
            && covered.y >= 0.0
            && covered.y + covered.height <= height;
        if !is_within {
            found.push(format!("{:?} is not within", label.text));
        }
        for other in canvas.labels.iter().skip(number + 1) {
            if overlap(covered, area(other)) {
                found.push(format!("{:?} and {:?}", label.text, other.text));
            }
        }
    }
    found
}

#[test]
fn no_label_lies_on_another_or_beyond_the_edge() {
    assert_eq!(collisions(&report()), [""; 0]);
    // Gaps of handovers are narrow and close to each other.
    let mut close = report();
    close.successions =
        (0..9).map(|it| succession(it % 3, (it + 1) % 3, 1000 + 400 * it as u64, 300)).collect();
    close.trouble = Some("k8s-master-02 leads and does not reconcile ".repeat(9));
    let (master, why) = ("k8s-master-03".to_owned(), "lost\nin the middle".to_owned());
    close.not_put_back = vec![NotPutBack { master, why, start: String::new() }];
    assert_eq!(collisions(&close), [""; 0]);
    // Proves that the check detects an overlap.
    let (mut canvas, _) = draw(&report());
    let label = canvas.labels[0].clone();
    canvas.label(label);
    assert!(overlap(area(&canvas.labels[0]), area(canvas.labels.last().unwrap())));
}

#[test]
fn everything_that_counts_is_in_it() {
    let svg = report().to_svg();
    for part in [
        "Failover drill of kubernetes",
        "2026-11-25 15:14:41 UTC",
        "no leader: 16.4 s",
        "k8s-master-02 to k8s-master-01: no leader for 18.9 s (limit by its Lease: 23.8 s)",
        "had its Pod 0.31 s later",
        ">k8s-master-03</text>",
        ">70 s</text>",
    ] {
        let text = svg.replace('\n', " ").replace("</text> <text", "</text><text");
        let joined: String = text
            .split("</text>")
            .map(|it| it.rsplit('>').next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(" ");
        assert!(text.contains(part) || joined.contains(part), "no {part:?} in {svg}");
    }
    // The red, green and blue parts of black, white and grey are equal.
    for colour in svg.split("\"#").skip(1).filter(|it| it.as_bytes().get(6) == Some(&b'"')) {
        let (red, green, blue) = (&colour[..2], &colour[2..4], &colour[4..6]);
        assert!(red == green && green == blue, "{colour:.6}");
    }
    assert!(!svg.contains("href") && !svg.contains("<script"));
}

#[test]
fn a_drill_in_which_nothing_came_to_be_is_drawn_too() {
    let mut empty = report();
    empty.successions.clear();
    empty.timeline = Timeline::default();
    empty.first_probe = None;
    empty.trouble = Some("<nobody> & nothing \u{1}".to_owned());
    assert_eq!(collisions(&empty), [""; 0]);
    let svg = empty.to_svg();
    assert!(svg.contains("&lt;nobody&gt; &amp; nothing"), "{svg}");
}

proptest! {
    #[test]
    fn whatever_happens_labels_stay_apart(
        gaps in proptest::collection::vec((0_u64..200_000, 0_u64..40_000), 0..30),
        length in 0_u64..400_000,
        name in "[a-z0-9.-]{1,80}",
        trouble in ".{0,300}",
    ) {
        let mut report = report();
        report.successions = gaps.iter().map(|(ended, gap)| succession(0, 1, *ended, *gap)).collect();
        report.timeline.length_milliseconds = length;
        report.timeline.masters[0].name.clone_from(&name);
        report.trouble = Some(trouble);
        prop_assert_eq!(collisions(&report), Vec::<String>::new());
        let svg = report.to_svg();
        prop_assert!(svg.ends_with("</svg>\n"));
        prop_assert!(!svg.chars().any(|it| it.is_control() && it != '\n'));
    }
}
