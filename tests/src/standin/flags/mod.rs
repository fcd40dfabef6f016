//! The parser of command lines, as strict as pflag and cobra: no unknown flags, no invalid values,
//! no positional arguments.

mod help;
mod table;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::version::Version;
pub(super) use table::controller_manager;
pub use value::Type;
pub(super) use value::boolean;

/// A flag of a program.
#[derive(Clone, Debug)]
pub struct Flag {
    name: Cow<'static, str>,
    kind: Type,
}

impl Flag {
    /// Creates a flag of this name and type.
    #[must_use]
    pub const fn new(name: &'static str, kind: Type) -> Self {
        Self { name: Cow::Borrowed(name), kind }
    }
}

/// A parsed command line.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    values: BTreeMap<String, Vec<String>>,
}

impl Parsed {
    /// Creates a command line with these values.
    #[cfg(test)]
    pub(super) fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        Self { values: values.collect() }
    }

    /// Returns all values of a flag, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the last value of a flag.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// Returns a path, unless it is absent or empty.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Returns a boolean value.
    #[must_use]
    pub fn is_on(&self, name: &str, default: bool) -> bool {
        self.text(name).and_then(value::boolean).unwrap_or(default)
    }

    /// Returns an integer, if the flag was set.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(value::whole)
    }

    /// Returns a duration in seconds, which may be negative.
    #[must_use]
    pub fn seconds(&self, name: &str, default: f64) -> f64 {
        self.text(name).and_then(value::duration).unwrap_or(default)
    }

    /// Returns a duration. A negative one counts as zero.
    #[must_use]
    pub fn duration(&self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.text(name) else { return default };
        value::duration(text).map_or(Duration::ZERO, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
        })
    }

    /// Returns the items of all values of a flag. Each value is a line of CSV; an empty one has no
    /// items.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let values = self.values.get(name)?;
        Some(values.iter().filter(|value| !value.is_empty()).flat_map(|value| csv(value)).collect())
    }

    /// Reports whether a flag was set.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// Returns the fields of a line of CSV, as Go's `encoding/csv` reads it.
fn csv(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                field.push('"');
                rest.next();
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

/// Parses a command line.
///
/// # Errors
/// The message that pflag or cobra prints.
pub fn parse(program: &str, known: &[Flag], arguments: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = arguments.iter();
    let mut left_over = Vec::new();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            left_over.extend(rest.by_ref());
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = split(long);
            if name.is_empty() || name.starts_with('-') {
                return Err(format!("bad flag syntax: {argument}"));
            }
            let flag = find(known, name).ok_or_else(|| format!("unknown flag: --{name}"))?;
            let value = value_of(flag, value, &mut rest)
                .ok_or_else(|| format!("flag needs an argument: --{name}"))?;
            set(&mut parsed, flag, value)?;
        } else if let Some(short) = argument.strip_prefix('-').filter(|short| !short.is_empty()) {
            let (letter, value) = short.split_at(short.chars().next().map_or(0, char::len_utf8));
            let flag = match letter {
                "h" => find(known, "help"),
                "v" => find(known, "v"),
                _ => None,
            };
            let unknown = || format!("unknown shorthand flag: '{letter}' in -{short}");
            let flag = flag.ok_or_else(unknown)?;
            let value =
                Some(value.strip_prefix('=').unwrap_or(value)).filter(|_| !value.is_empty());
            let value = value_of(flag, value, &mut rest)
                .ok_or_else(|| format!("flag needs an argument: '{letter}' in -{short}"))?;
            set(&mut parsed, flag, value)?;
        } else {
            left_over.push(argument);
        }
    }
    let wants_help = parsed.is_on("help", false);
    if !wants_help && left_over.iter().any(|argument| !argument.is_empty()) {
        return Err(format!("{program:?} does not take any arguments, got {left_over:?}"));
    }
    Ok(parsed)
}

/// Returns the text to print if the command line requests help or the version. Help lists `gates`.
pub(super) fn asked_for(
    parsed: &Parsed,
    known: &[Flag],
    version: Version,
    gates: &[String],
) -> Option<String> {
    if parsed.is_on("help", false) {
        return Some(usage(known, gates));
    }
    match parsed.text("version")? {
        "raw" => Some(format!("{}\n", version.raw())),
        text if boolean(text) == Some(true) => Some(format!("Kubernetes {version}\n")),
        // Another value only changes the version that is reported elsewhere.
        _ => None,
    }
}

/// Returns the text of `--help`, which also precedes the error about an invalid command line.
pub(super) fn usage(known: &[Flag], gates: &[String]) -> String {
    help::text(known, gates)
}

/// Prints requested text to standard output.
#[expect(clippy::print_stdout, reason = "somebody asked for it")]
pub(super) fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn value_of<'a>(
    flag: &Flag,
    given: Option<&str>,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Option<String> {
    let given = given.or_else(|| flag.kind.without_value()).map(str::to_owned);
    given.or_else(|| rest.next().cloned())
}

fn split(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (argument, None),
    }
}

fn find<'a>(known: &'a [Flag], name: &str) -> Option<&'a Flag> {
    let normal = |name: &str| name.replace('_', "-");
    known.iter().find(|flag| normal(&flag.name) == normal(name))
}

fn set(parsed: &mut Parsed, flag: &Flag, value: String) -> Result<(), String> {
    if let Err(why) = flag.kind.check(&value) {
        return Err(format!("invalid argument {value:?} for \"--{}\" flag: {why}", flag.name));
    }
    parsed.values.entry(flag.name.to_string()).or_default().push(value);
    Ok(())
}
