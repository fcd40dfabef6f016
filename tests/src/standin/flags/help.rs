//! The text of `--help`, as pflag prints flags.

use std::fmt::Write as _;

use super::{Flag, Type};

pub(super) fn text(known: &[Flag], gates: &[String]) -> String {
    let mut text = String::from("Usage:\n  [flags]\n\nFlags:\n\n");
    for flag in known {
        let short = match flag.name.as_ref() {
            "help" => "-h, ",
            "v" => "-v, ",
            _ => "    ",
        };
        let separator = if flag.kind == Type::Bool { "" } else { " " };
        let (name, label) = (&flag.name, flag.kind.label());
        writeln!(text, "  {short}--{name}{separator}{label}").unwrap();
        if flag.kind == Type::FeatureGates {
            let pairs = "A set of key=value pairs that describe feature gates for alpha/experimental features.";
            writeln!(text, "{PLACE}{pairs} Options are:").unwrap();
            for gate in gates {
                writeln!(text, "{PLACE}{gate}").unwrap();
            }
        }
    }
    text
}

/// Indentation of descriptions.
const PLACE: &str = "                ";
