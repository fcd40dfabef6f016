//! The reference of the command line, from the definitions of clap.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::NOTE;
use super::markdown::{code, codes, line, sentence, table};
use crate::cli::args::Arguments;

/// The text of a default that only the help text describes.
const DESCRIBED: &str = "[default: ";

/// Returns the page.
pub(super) fn page() -> String {
    let mut kcm = Arguments::command();
    kcm.build();
    let mut text = format!(
        "# Commands\n{NOTE}\n\n`kcm help COMMAND` prints the same. A `DURATION` is a duration as in Go, such as `720h` or `1m30s`.\n\n\
         ## Global options\n\nEvery command has these options. They work before and after its name.\n\n"
    );
    text += &options(&kcm, Arg::is_global_set);
    let codes = kcm.get_after_help().unwrap().to_string();
    let codes = codes.lines().skip(1).filter_map(|line| line.trim().split_once("  "));
    let codes: Vec<_> =
        codes.map(|(code, meaning)| [code.to_owned(), sentence(meaning.trim())]).collect();
    text += "\n## Exit codes\n\n[Exit codes and machine-readable output](exit-codes-and-json.md) has the details.\n\n";
    text += &table(["Code", "Meaning"], &codes);
    commands(&mut text, &mut kcm);
    text
}

/// Appends the subcommands of a command, each with its subcommands.
fn commands(text: &mut String, parent: &mut Command) {
    for command in parent.get_subcommands_mut().filter(|it| it.get_name() != "help") {
        if command.has_subcommands() {
            commands(text, command);
            continue;
        }
        let about = command.get_about().unwrap().to_string();
        let name = command.get_bin_name().unwrap().to_owned();
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        write!(text, "\n## {name}\n\n{}\n\n```text\n{usage}\n```\n", sentence(&about)).unwrap();
        let own = options(command, |option| !option.is_global_set());
        if !own.is_empty() {
            write!(text, "\n{own}").unwrap();
        }
    }
}

/// Returns the table of the options of a command that `is_shown` selects.
fn options(command: &Command, is_shown: impl Fn(&Arg) -> bool) -> String {
    let shown = command.get_arguments().filter(|option| is_shown(option));
    let shown = shown.filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
    let rows: Vec<_> = shown.map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    table(["Option", "Default", "Environment", "Meaning"], &rows)
}

fn row(option: &Arg) -> [String; 4] {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let (help, described) = match help.split_once(DESCRIBED) {
        Some((help, default)) => (help.trim(), default.trim_end_matches(']')),
        None => (&*help, ""),
    };
    let values = option.get_default_values().iter().map(|it| it.to_string_lossy());
    let takes_value = option.get_action().takes_values();
    let default = if takes_value { codes(values) } else { String::new() };
    let default = if option.is_required_set() { "required".to_owned() } else { default };
    let default = if default.is_empty() { line(described) } else { default };
    let variable = option.get_env().map(|name| code(name.to_string_lossy())).unwrap_or_default();
    [names(option), default, variable, sentence(help) + &possible(option)]
}

/// Returns the short and the long name, with the name of the value.
fn names(option: &Arg) -> String {
    let first = option.get_value_names().and_then(<[_]>::first);
    let Some(long) = option.get_long() else {
        return code(first.map_or("", |name| name.as_str()));
    };
    let long = format!("--{long}");
    let short = option.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let value = option.get_value_names().filter(|_| option.get_action().takes_values());
    let value = value.and_then(<[_]>::first).map(|value| {
        if option.is_require_equals_set() { format!("[={value}]") } else { format!(" {value}") }
    });
    format!("{short}`{long}{}`", value.unwrap_or_default())
}

/// Returns the possible values of an option, each with its meaning.
fn possible(option: &Arg) -> String {
    if !option.get_action().takes_values() {
        return String::new();
    }
    let values = option.get_possible_values().into_iter().map(|value| {
        let help = value.get_help().map(|help| format!(" ({})", line(&help.to_string())));
        format!("`{}`{}", value.get_name(), help.unwrap_or_default())
    });
    let values: Vec<_> = values.collect();
    if values.is_empty() { String::new() } else { format!(" Values: {}.", values.join(", ")) }
}
