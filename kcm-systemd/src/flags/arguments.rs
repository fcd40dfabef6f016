//! Parses flags from the arguments of a process, as kube-controller-manager does.

use std::collections::BTreeSet;

use crate::argument::Argument;
use crate::flags::{FlagError, FlagKind, FlagName, Flags, lookup};

impl Flags {
    /// Parses the arguments after the executable by the rules of
    /// [pflag](https://pkg.go.dev/github.com/spf13/pflag#hdr-Command_line_flag_syntax).
    ///
    /// Accepted forms are `--name=value`, `--name value`, a bare `--name` for booleans, `-v=2`, `-v
    /// 2` and `-v2`; `_` is equal to `-`. The last of several occurrences counts, except for lists
    /// and maps, whose values are joined with commas. The result is semantically equal to the
    /// arguments.
    ///
    /// # Errors
    ///
    /// [`FlagError::NotAFlag`] and [`FlagError::MissingValue`] for arguments that the program would
    /// reject. [`FlagError::BareUnknown`] if the meaning depends on an unknown flag. All errors of
    /// [`FlagName::parse`] and [`Flags::set`].
    pub fn from_arguments<'a>(
        arguments: impl IntoIterator<Item = &'a Argument>,
    ) -> Result<Self, FlagError> {
        let mut flags = Self::new();
        let arguments: Vec<_> = arguments.into_iter().take(Self::MAX + 1).collect();
        if arguments.len() > Self::MAX {
            return Err(FlagError::TooMany { limit: Self::MAX });
        }
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let spelled = Spelled::parse(text(argument)?)?;
            let name = FlagName::parse(&spelled.name.replace('_', "-"))?;
            let kind = lookup(name.as_str()).map(|flag| flag.kind);
            let value = match (spelled.value, kind) {
                (Some(value), _) => value.to_owned(),
                (None, None) => return Err(FlagError::BareUnknown { flag: name }),
                (None, Some(kind)) if kind.may_be_bare() => "true".to_owned(),
                (None, Some(_)) => match arguments.next() {
                    Some(value) => text(value)?.to_owned(),
                    None => return Err(FlagError::MissingValue { flag: name }),
                },
            };
            let before =
                flags.get(name.as_str()).filter(|_| kind.is_some_and(FlagKind::accumulates));
            let value = before.map_or(value.clone(), |before| format!("{before},{value}"));
            flags.set(name, value)?;
        }
        Ok(flags)
    }

    /// Returns the flags that the arguments contain more than once, except lists and maps, in the
    /// order of their second occurrences. Only the last occurrence of each counts. Arguments that
    /// are not flags are skipped.
    #[must_use]
    pub fn repeated<'a>(arguments: impl IntoIterator<Item = &'a Argument>) -> Vec<FlagName> {
        let (mut seen, mut repeated) = (BTreeSet::new(), Vec::new());
        let arguments = arguments.into_iter().take(Self::MAX);
        let spelled = arguments.filter_map(|it| Spelled::parse(it.to_str()?).ok());
        for name in spelled.filter_map(|it| FlagName::parse(&it.name.replace('_', "-")).ok()) {
            let accumulates = lookup(name.as_str()).is_some_and(|flag| flag.kind.accumulates());
            if accumulates || !seen.contains(&name) {
                seen.insert(name);
            } else if !repeated.contains(&name) {
                repeated.push(name);
            }
        }
        repeated
    }
}

/// A flag as spelled in one argument.
struct Spelled<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Spelled<'a> {
    fn parse(argument: &'a str) -> Result<Self, FlagError> {
        if let Some(long) = argument.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (name, value) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            return Ok(Self { name, value });
        }
        // `-v` is the only short flag with a value.
        match argument.strip_prefix("-v") {
            Some("") => Ok(Self { name: "v", value: None }),
            Some(rest) => {
                Ok(Self { name: "v", value: Some(rest.strip_prefix('=').unwrap_or(rest)) })
            }
            None => Err(FlagError::NotAFlag { argument: argument.into() }),
        }
    }
}

fn text(argument: &Argument) -> Result<&str, FlagError> {
    argument.to_str().ok_or_else(|| FlagError::NotAFlag {
        argument: String::from_utf8_lossy(argument.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Vec<(String, String)>, FlagError> {
        let arguments: Vec<_> =
            arguments.iter().map(|text| Argument::try_from(*text).unwrap()).collect();
        let flags = Flags::from_arguments(&arguments)?;
        Ok(flags.iter().map(|(name, value)| (name.to_string(), value.to_owned())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn every_spelling_is_understood() {
        assert_eq!(
            read(&["--leader_elect", "--cluster-name", "x y", "--profiling=false", "-v", "4"])
                .unwrap(),
            pairs(&[
                ("cluster-name", "x y"),
                ("leader-elect", "true"),
                ("profiling", "false"),
                ("v", "4")
            ])
        );
        assert_eq!(read(&["-v=3"]).unwrap(), pairs(&[("v", "3")]));
        assert_eq!(read(&["-v3"]).unwrap(), pairs(&[("v", "3")]));
        assert_eq!(read(&["--later-flag=a=b"]).unwrap(), pairs(&[("later-flag", "a=b")]));
    }

    #[test]
    fn lists_add_up_and_the_last_of_others_wins() {
        assert_eq!(
            read(&["--controllers=*", "--v=1", "--controllers", "-ttl", "--v=2"]).unwrap(),
            pairs(&[("controllers", "*,-ttl"), ("v", "2")])
        );
    }

    #[test]
    fn a_flag_that_is_given_twice_is_named_once() {
        let words = [
            "--v=1",
            "--controllers=*",
            "-v",
            "2",
            "--controllers=-ttl",
            "--v=3",
            "--leader_elect",
            "--leader-elect",
        ];
        let arguments = words.map(|text| Argument::try_from(text).unwrap());
        let repeated: Vec<_> =
            Flags::repeated(&arguments).iter().map(ToString::to_string).collect();
        assert_eq!(repeated, ["v", "leader-elect"]);
    }

    #[test]
    fn what_the_program_would_refuse_is_an_error() {
        assert!(matches!(read(&["--leader-elect", "false"]), Err(FlagError::NotAFlag { .. })));
        assert!(matches!(read(&["--"]), Err(FlagError::NotAFlag { .. })));
        assert!(matches!(read(&["-x"]), Err(FlagError::NotAFlag { .. })));
        assert!(matches!(read(&["--cluster-name"]), Err(FlagError::MissingValue { .. })));
        assert!(matches!(read(&["--unheard-of"]), Err(FlagError::BareUnknown { .. })));
        assert!(matches!(read(&["--=x"]), Err(FlagError::EmptyName)));
    }

    #[test]
    fn more_arguments_than_any_command_has_are_refused() {
        let argument =
            |number: usize| Argument::try_from(format!("--f{number}=x").as_str()).unwrap();
        let most: Vec<_> = (0..Flags::MAX).map(argument).collect();
        assert_eq!(Flags::from_arguments(&most).unwrap().len(), Flags::MAX);
        let more: Vec<_> = (0..=Flags::MAX).map(argument).collect();
        let error = FlagError::TooMany { limit: Flags::MAX };
        assert_eq!(Flags::from_arguments(&more), Err(error.clone()));
        let pairs = (0..=Flags::MAX).map(|number| (format!("f{number}"), "x"));
        assert_eq!(Flags::from_pairs(pairs), Err(error));
        // Repeated flags count as separate arguments.
        let same = vec![argument(0); Flags::MAX + 1];
        assert!(Flags::from_arguments(&same).is_err());
    }
}
