//! Shapes and labels, and the SVG made of them. Only black, white and grey, so that prints and
//! photocopies stay legible.

use std::fmt::Write as _;

/// Fill of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Black,
    White,
    Grey,
    /// No fill, and a dashed outline.
    Dashed,
    /// Strokes in one direction.
    Hatched,
    /// Strokes in two directions.
    Crossed,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A mark at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A process has ended.
    Cross,
    /// A service was started again.
    Circle,
    /// A Deployment was reconciled.
    Diamond,
}

/// Position of a label's point within its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) x: f64,
    /// Baseline of the text.
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
    pub(super) text: String,
}

/// A drawing in progress.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shapes: String,
    pub(super) labels: Vec<Label>,
}

/// Returns the maximum width of a text.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    text.chars().map(letter).sum::<f64>() * size * if bold { 1.12 } else { 1.0 }
}

/// Returns the maximum width of a letter relative to its size, in `DejaVu Sans`, the widest of the
/// fonts.
fn letter(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | '\'' => 0.3,
        ' ' | '.' | ',' | ':' | ';' | '|' => 0.34,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | '/' | '!' => 0.42,
        's' | 'c' | 'k' | 'v' | 'x' | 'y' | 'z' => 0.6,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.0,
        'a'..='z' | '0'..='9' => 0.64,
        _ if letter.is_ascii() => 0.84,
        _ => 1.1,
    }
}

/// Shortens a text to the width `most`, with an ellipsis where it was cut.
pub(super) fn fitting(text: &str, size: f64, most: f64) -> String {
    if width(text, size, false) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        short.push(letter);
        if width(&short, size, false) + width("…", size, false) > most {
            short.pop();
            break;
        }
    }
    short + "…"
}

/// Wraps a text into lines of the width `most`.
pub(super) fn lines(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if width(last, size, false) + width(word, size, false) + size <= most => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(fitting(word, size, most)),
        }
    }
    lines
}

impl Canvas {
    pub(super) fn area(&mut self, area: Area, fill: Fill) {
        let Area { x, y, width, height } = area;
        let paint = match fill {
            Fill::Black => r##"fill="#1a1a1a" stroke="#1a1a1a""##,
            Fill::White => r##"fill="#ffffff" stroke="#1a1a1a""##,
            Fill::Grey => r##"fill="#d4d4d4" stroke="none""##,
            Fill::Dashed => r##"fill="none" stroke="#1a1a1a" stroke-dasharray="3 3""##,
            Fill::Hatched => r##"fill="url(#hatched)" stroke="#1a1a1a""##,
            Fill::Crossed => r##"fill="url(#crossed)" stroke="#1a1a1a""##,
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            self.shapes,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" {paint}/>"#
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), dashed: bool) {
        let pattern = if dashed { r#" stroke-dasharray="4 3""# } else { "" };
        let _ = writeln!(
            self.shapes,
            r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#1a1a1a"{pattern}/>"##,
            from.0, from.1, to.0, to.1
        );
    }

    /// Draws a mark that is visible on black and on white.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), mark: Mark) {
        let path = match mark {
            Mark::Cross => format!("M{:.1} {:.1}l10 10m0 -10l-10 10", x - 5.0, y - 5.0),
            Mark::Circle => format!("M{:.1} {y:.1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", x - 5.0),
            Mark::Diamond => format!("M{x:.1} {:.1}l6 6l-6 6l-6 -6z", y - 6.0),
        };
        let paint = match mark {
            Mark::Cross => r##"fill="none" stroke="#1a1a1a" stroke-width="2.5""##,
            Mark::Circle => r##"fill="#ffffff" stroke="#1a1a1a" stroke-width="2""##,
            Mark::Diamond => r##"fill="#1a1a1a" stroke="#ffffff" stroke-width="1""##,
        };
        if mark == Mark::Cross {
            let _ = writeln!(
                self.shapes,
                r##"<path d="{path}" fill="none" stroke="#ffffff" stroke-width="6"/>"##
            );
        }
        let _ = writeln!(self.shapes, r#"<path d="{path}" {paint}/>"#);
    }

    pub(super) fn label(&mut self, label: Label) {
        self.labels.push(label);
    }

    /// Renders the SVG file, with its `title` and a `description` for screen readers.
    pub(super) fn to_svg(&self, size: (f64, f64), title: &str, description: &str) -> String {
        let (width, height) = size;
        let (title, description) = (escaped(title), escaped(description));
        let mut svg = format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img" font-family="DejaVu Sans, Verdana, Arial, sans-serif" fill="#1a1a1a">
<title>{title}</title>
<desc>{description}</desc>
<defs>
<pattern id="hatched" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" fill="#ffffff"/><line x1="0" y1="0" x2="0" y2="7" stroke="#1a1a1a" stroke-width="2.4"/></pattern>
<pattern id="crossed" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" fill="#ffffff"/><path d="M0 0l6 6m0 -6l-6 6" stroke="#1a1a1a" stroke-width="1"/></pattern>
</defs>
<rect width="100%" height="100%" fill="#ffffff"/>
"##
        );
        svg.push_str(&self.shapes);
        for Label { x, y, size, anchor, bold, text } in &self.labels {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let weight = if *bold { r#" font-weight="bold""# } else { "" };
            let text = escaped(text);
            let _ = writeln!(
                svg,
                r#"<text x="{x:.1}" y="{y:.1}" font-size="{size:.0}" text-anchor="{anchor}"{weight}>{text}</text>"#
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// Escapes a text for XML 1.0, which permits no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_is_text() {
        let text = escaped("a<b>&\"\u{1}\u{1b}[2J\n\u{ffff}é");
        assert_eq!(text, "a&lt;b&gt;&amp;&quot;  [2J \u{fffd}é");
    }

    #[test]
    fn a_text_is_cut_and_wrapped_to_what_there_is() {
        assert_eq!(fitting("k8s-master-01", 13.0, 200.0), "k8s-master-01");
        let short = fitting(&"x".repeat(100), 13.0, 200.0);
        assert!(short.ends_with('…') && width(&short, 13.0, false) <= 200.0, "{short}");
        let wrapped = lines("one two three four five six", 10.0, 80.0);
        assert!(wrapped.len() > 1 && wrapped.iter().all(|line| width(line, 10.0, false) <= 80.0));
        assert_eq!(wrapped.join(" "), "one two three four five six");
    }
}
