//! `--help`, as pflag lists flags.

use std::fmt::Write as _;

use super::{Flag, Type};

pub(super) fn text(known: &[Flag]) -> String {
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
    }
    text
}
