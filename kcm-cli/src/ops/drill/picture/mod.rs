//! Drawing of a drill: leaders, leaderless gaps, health and reconciliation. Pure: values in, SVG
//! out.

mod canvas;
#[cfg(test)]
mod tests;

use super::report::{DrillReport, EndOfLeadership, HealthAnswer, Reconciliation, Succession};
use crate::event::DrillMethod;
use crate::util::words::moment;
use canvas::{Anchor, Area, Canvas, Fill, Label, Mark, fitting, lines, width};

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 24.0;
/// Distance between a name and its lane.
const INDENT: f64 = 12.0;
const NAMES: f64 = 220.0;
const LANE: f64 = 38.0;
const BAR: f64 = 24.0;
const ROW: f64 = 18.0;
const TEXT: f64 = 13.0;
const SMALL: f64 = 12.0;
const TITLE: f64 = 20.0;

impl DrillReport {
    /// Draws the drill as SVG for an incident review: a timeline of leaders, gaps, health and
    /// reconciliation, with every figure below.
    ///
    /// The drawing is black, white and grey, and loads no external resources.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let (canvas, height) = draw(self);
        canvas.to_svg((WIDTH, height), &title(self), &description(self))
    }
}

/// Horizontal time scale.
struct Scale {
    left: f64,
    width: f64,
    length: f64,
}

impl Scale {
    fn of(report: &DrillReport) -> Self {
        let names = report.timeline.masters.iter().map(|master| master.name.as_str());
        let longest = names.chain([PROBE]).map(|name| width(name, TEXT, false)).fold(0.0, f64::max);
        let left = MARGIN + longest.min(NAMES) + INDENT;
        let length = number(report.timeline.length_milliseconds.max(1));
        Self { left, width: WIDTH - MARGIN - left, length }
    }

    fn x(&self, milliseconds: u64) -> f64 {
        self.left + self.width * (number(milliseconds) / self.length).min(1.0)
    }

    fn area(&self, (from, until): (u64, u64), y: f64, height: f64) -> Area {
        let x = self.x(from);
        // A minimum width keeps short spans visible.
        let width = (self.x(until) - x).max(1.5);
        Area { x, y, width, height }
    }
}

const PROBE: &str = "Deployment";

fn draw(report: &DrillReport) -> (Canvas, f64) {
    let (mut canvas, scale) = (Canvas::default(), Scale::of(report));
    let mut y = heading(&mut canvas, report);
    y = gap_labels(&mut canvas, report, &scale, y);
    let top = y;
    let lanes = number(u64::try_from(report.timeline.masters.len()).unwrap_or(u64::MAX));
    let has_probe = report.first_probe.is_some();
    let bottom = top + LANE * (lanes + if has_probe { 1.0 } else { 0.0 });
    gaps(&mut canvas, report, &scale, (top, bottom));
    for master in &report.timeline.masters {
        name(&mut canvas, &master.name, &scale, y);
        let mut spans = master.health.iter().peekable();
        while let Some(span) = spans.next() {
            let fill = match span.answer {
                HealthAnswer::Healthy => Fill::White,
                HealthAnswer::Unhealthy => Fill::Crossed,
                HealthAnswer::Silent => Fill::Hatched,
                HealthAnswer::Unknown => Fill::Dashed,
            };
            // The last span is extended, so that all lanes end together.
            let end = report.timeline.length_milliseconds;
            let until = if spans.peek().is_none() { end } else { span.until_milliseconds };
            let times = (span.from_milliseconds, until);
            canvas.area(scale.area(times, y + (LANE - BAR) / 2.0, BAR), fill);
        }
        leads(&mut canvas, report, &scale, &master.name, y);
        y += LANE;
    }
    if has_probe {
        name(&mut canvas, PROBE, &scale, y);
        probes(&mut canvas, report, &scale, y);
        y += LANE;
    }
    y = axis(&mut canvas, &scale, y);
    y = legend(&mut canvas, report, y);
    y = figures(&mut canvas, report, y);
    (canvas, y + MARGIN)
}

fn title(report: &DrillReport) -> String {
    format!("Failover drill of {}", report.cluster)
}

fn heading(canvas: &mut Canvas, report: &DrillReport) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    let mut y = MARGIN + TITLE;
    let title = fitting(&title(report), TITLE * 1.1, room);
    canvas.label(Label {
        x: MARGIN,
        y,
        size: TITLE,
        anchor: Anchor::Start,
        bold: true,
        text: title,
    });
    y += 6.0;
    let has_released = |it: &Succession| it.end == EndOfLeadership::Released;
    let released = report.successions.iter().filter(|it| has_released(it)).count();
    let how = match report.method {
        _ if released > 0 && released == report.successions.len() => {
            "each leader was stopped and released its Lease"
        }
        DrillMethod::Stop if released > 0 => {
            "each leader was stopped, and its Lease expired or was released"
        }
        DrillMethod::Stop => "each leader was stopped, and its Lease expired",
        DrillMethod::Kill => "each leader was killed (SIGKILL), and its Lease expired",
        DrillMethod::Handover => "each leader was stopped for a handover of its Lease",
    };
    let said = format!("{}; {how}; {}", moment(report.at), summary(report));
    paragraph(canvas, &said, y, room) + 10.0
}

/// Returns a short summary of the result.
fn summary(report: &DrillReport) -> String {
    let longest = report.successions.iter().filter_map(|it| it.gap_milliseconds).max();
    match longest {
        Some(longest) if report.successions.len() == 1 => {
            format!("no leader for {}", time(longest))
        }
        Some(longest) => {
            format!(
                "{} failovers; no leader for at most {}",
                report.successions.len(),
                time(longest)
            )
        }
        None => "no process took over".to_owned(),
    }
}

/// Draws the length of each gap above it, in as many rows as needed.
fn gap_labels(canvas: &mut Canvas, report: &DrillReport, scale: &Scale, y: f64) -> f64 {
    let mut rows: Vec<f64> = Vec::new();
    for succession in &report.successions {
        let text = match succession.gap_milliseconds {
            Some(gap) => format!("no leader: {}", time(gap)),
            None => "no leader".to_owned(),
        };
        let (from, until) = gap(succession, report);
        let half = width(&text, SMALL, false) / 2.0;
        let middle = f64::midpoint(scale.x(from), scale.x(until));
        let x = middle.clamp(MARGIN + half, WIDTH - MARGIN - half);
        let row = rows.iter().position(|end| x - half > *end + 6.0).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0.0);
        }
        if let Some(end) = rows.get_mut(row) {
            *end = x + half;
        }
        let row = number(u64::try_from(row).unwrap_or(u64::MAX));
        let y = y + ROW * (row + 1.0) - 5.0;
        canvas.label(Label { x, y, size: SMALL, anchor: Anchor::Middle, bold: false, text });
    }
    y + ROW * number(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}

/// Returns the start and the end of a leaderless gap.
fn gap(succession: &Succession, report: &DrillReport) -> (u64, u64) {
    let until = succession.led_milliseconds.unwrap_or(report.timeline.length_milliseconds);
    (succession.ended_milliseconds, until.max(succession.ended_milliseconds))
}

fn gaps(canvas: &mut Canvas, report: &DrillReport, scale: &Scale, (top, bottom): (f64, f64)) {
    for succession in &report.successions {
        let area = scale.area(gap(succession, report), top, bottom - top);
        canvas.area(area, Fill::Grey);
        for x in [area.x, area.x + area.width] {
            canvas.line((x, top), (x, bottom), true);
        }
    }
}

fn name(canvas: &mut Canvas, name: &str, scale: &Scale, y: f64) {
    canvas.label(Label {
        x: scale.left - INDENT,
        y: y + LANE / 2.0 + 4.5,
        size: TEXT,
        anchor: Anchor::End,
        bold: false,
        text: fitting(name, TEXT, NAMES),
    });
}

/// Draws the times in which a master led, and its ends and restarts.
fn leads(canvas: &mut Canvas, report: &DrillReport, scale: &Scale, master: &str, y: f64) {
    let (top, middle) = (y + (LANE - BAR) / 2.0, y + LANE / 2.0);
    let mut since = (report.leader == master).then_some(0);
    for succession in &report.successions {
        if let Some(from) = since.take() {
            let times = (from, succession.ended_milliseconds.max(from));
            canvas.area(scale.area(times, top, BAR), Fill::Black);
        }
        if succession.to.as_deref() == Some(master) {
            since = succession.led_milliseconds;
        }
    }
    if let Some(from) = since {
        let times = (from, report.timeline.length_milliseconds.max(from));
        canvas.area(scale.area(times, top, BAR), Fill::Black);
    }
    for succession in report.successions.iter().filter(|it| it.from == master) {
        canvas.mark((scale.x(succession.ended_milliseconds), middle), Mark::Cross);
        if let Some(back) = succession.back_milliseconds {
            canvas.mark((scale.x(back), middle), Mark::Circle);
        }
    }
}

/// Draws the time from the creation of each Deployment until its Pod was seen.
fn probes(canvas: &mut Canvas, report: &DrillReport, scale: &Scale, y: f64) {
    let all = report.successions.iter().filter_map(|it| it.probe.as_ref());
    for probe in report.first_probe.iter().chain(all) {
        if let Reconciliation::Reconciled { asked_milliseconds, done_milliseconds, .. } = probe {
            let times = (*asked_milliseconds, *done_milliseconds);
            canvas.area(scale.area(times, y + LANE / 2.0 - 4.0, 8.0), Fill::White);
            canvas.mark((scale.x(*done_milliseconds), y + LANE / 2.0), Mark::Diamond);
        }
    }
}

fn axis(canvas: &mut Canvas, scale: &Scale, y: f64) -> f64 {
    canvas.line((scale.left, y), (scale.left + scale.width, y), false);
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 36_000, 360_000];
    // A longer timeline has only the first mark.
    let fits = |step: &&u64| number(**step) * 1000.0 / scale.length * scale.width >= 64.0;
    let step = steps.iter().find(fits).copied().unwrap_or(u64::MAX / 1000);
    let mut second = 0_u64;
    while number(second) * 1000.0 <= scale.length {
        let x = scale.x(second.saturating_mul(1000));
        canvas.line((x, y), (x, y + 5.0), false);
        let (anchor, text) = (Anchor::Middle, format!("{second} s"));
        canvas.label(Label { x, y: y + 19.0, size: SMALL, anchor, bold: false, text });
        second = second.saturating_add(step);
    }
    y + 30.0
}

/// Symbol of a legend entry.
enum Sample {
    Area(Fill),
    Mark(Mark),
}

/// Draws the legend, with rare symbols only if they are used.
fn legend(canvas: &mut Canvas, report: &DrillReport, y: f64) -> f64 {
    let answers = report.timeline.masters.iter().flat_map(|master| &master.health);
    let has = |answer| answers.clone().any(|span| span.answer == answer);
    let mut samples = vec![
        (Sample::Area(Fill::Black), "leader"),
        (Sample::Area(Fill::White), "healthy"),
        (Sample::Area(Fill::Hatched), "no answer"),
        (Sample::Area(Fill::Grey), "no leader"),
        (Sample::Mark(Mark::Cross), "process ended"),
        (Sample::Mark(Mark::Circle), "started again"),
    ];
    if has(HealthAnswer::Unhealthy) {
        samples.push((Sample::Area(Fill::Crossed), "unhealthy"));
    }
    if has(HealthAnswer::Unknown) {
        samples.push((Sample::Area(Fill::Dashed), "unknown"));
    }
    if report.first_probe.is_some() {
        samples.push((Sample::Mark(Mark::Diamond), "Deployment has its Pod"));
    }
    let (mut x, mut y) = (MARGIN, y + 10.0);
    for (sample, text) in samples {
        let wide = 36.0 + width(text, SMALL, false) + 16.0;
        if x + wide > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + ROW + 4.0);
        }
        match sample {
            Sample::Area(fill) => {
                canvas.area(Area { x, y, width: 28.0, height: 14.0 }, fill);
            }
            Sample::Mark(mark) => canvas.mark((x + 14.0, y + 7.0), mark),
        }
        let (x_text, text) = (x + 36.0, text.to_owned());
        let (anchor, bold) = (Anchor::Start, false);
        canvas.label(Label { x: x_text, y: y + 11.5, size: SMALL, anchor, bold, text });
        x += wide;
    }
    y + ROW + 12.0
}

/// Writes every succession as a sentence.
fn figures(canvas: &mut Canvas, report: &DrillReport, mut y: f64) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    for (number, succession) in (1..).zip(&report.successions) {
        y = paragraph(canvas, &format!("{number}. {}", sentence(succession)), y, room);
    }
    for text in endings(report) {
        y = paragraph(canvas, &text, y + 4.0, room);
    }
    y
}

/// Describes a succession in a sentence.
fn sentence(succession: &Succession) -> String {
    let Succession { from, to, gap_milliseconds, promise_milliseconds, probe, .. } = succession;
    let promised = promise_milliseconds
        .map_or_else(String::new, |promise| format!(" (limit by its Lease: {})", time(promise)));
    let mut parts = vec![match (to.as_ref().or(succession.to_holder.as_ref()), gap_milliseconds) {
        (Some(to), Some(gap)) => format!("{from} to {to}: no leader for {}{promised}", time(*gap)),
        _ => format!("{from}: no process took over{promised}"),
    }];
    parts.extend(
        succession.left.as_ref().map(|left| format!("its Lease was left to expire: {left}")),
    );
    match probe {
        Some(Reconciliation::Reconciled { delay_milliseconds: Some(delay), .. }) => {
            parts.push(format!("the Deployment had its Pod {} later", time(*delay)));
        }
        Some(Reconciliation::Failed { why }) => {
            parts.push(format!("the Deployment was not reconciled: {why}"));
        }
        _ => {}
    }
    if !succession.held_back.is_empty() {
        let all = succession.held_back.join(", ");
        parts.push(format!(
            "restarted during the gap, so that another master becomes leader: {all}"
        ));
    }
    parts.join("; ") + "."
}

fn endings(report: &DrillReport) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(trouble) = &report.trouble {
        all.push(format!("The drill stopped: {trouble}."));
    }
    if report.is_interrupted {
        all.push("The drill was interrupted.".to_owned());
    }
    for down in &report.not_put_back {
        all.push(format!("{} is not confirmed to run again: {}.", down.master, down.why));
    }
    if report.first_probe.is_none() {
        all.push("Reconciliation by the leaders was not checked.".to_owned());
    }
    all
}

fn description(report: &DrillReport) -> String {
    let sentences = report.successions.iter().map(sentence);
    sentences.chain(endings(report)).collect::<Vec<_>>().join(" ")
}

fn paragraph(canvas: &mut Canvas, text: &str, y: f64, room: f64) -> f64 {
    let mut y = y;
    for text in lines(text, TEXT, room) {
        y += ROW;
        let (x, anchor, bold) = (MARGIN, Anchor::Start, false);
        canvas.label(Label { x, y, size: TEXT, anchor, bold, text });
    }
    y
}

/// Formats a duration for people: `0.31 s`, `16.4 s`.
pub(crate) fn time(milliseconds: u64) -> String {
    let seconds = number(milliseconds) / 1000.0;
    if milliseconds < 10_000 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

/// Converts a count to a length, limited to `u32::MAX`.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
