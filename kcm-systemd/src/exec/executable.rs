//! The first word of a command: prefixes and executable.

use crate::environment::Surroundings;
use crate::exec::expand::specifiers;
use crate::exec::{CommandLine, Prefixes, Privileges};
use crate::executable::ExecutablePath;
use crate::finding::FindingCode;
use crate::text::unsafe_byte;

/// Splits the prefixes off the first word. Each prefix is accepted once; a repeated one is part of
/// the path.
pub(super) fn prefixes(word: &[u8]) -> (Prefixes, &[u8]) {
    let mut prefixes = Prefixes::default();
    let mut rest = word;
    while let Some((&prefix, after)) = rest.split_first() {
        match (prefix, prefixes.privileges) {
            (b'-', _) if !prefixes.ignore_failure => prefixes.ignore_failure = true,
            (b'@', _) if !prefixes.separate_argv0 => prefixes.separate_argv0 = true,
            (b':', _) if !prefixes.no_expansion => prefixes.no_expansion = true,
            (b'+', Privileges::Unit) => prefixes.privileges = Privileges::Full,
            (b'!', Privileges::Unit) => prefixes.privileges = Privileges::NoUser,
            (b'!', Privileges::NoUser) => prefixes.privileges = Privileges::Ambient,
            _ => break,
        }
        rest = after;
    }
    (prefixes, rest)
}

impl CommandLine {
    /// Parses the executable. `None` if systemd drops the whole value.
    pub(super) fn executable(
        &mut self,
        word: &[u8],
        prefixes: Prefixes,
        around: Option<&Surroundings>,
    ) -> Option<Vec<u8>> {
        let specified = specifiers(word, |letter| around?.specifier(letter));
        if let Some(unknown) = specified.unknown {
            self.refuse(FindingCode::UnknownSpecifier, &unknown, prefixes);
            return None;
        }
        let path = specified.text;
        // A path that starts with a specifier, such as `%h/bin/x`, is absolute only after
        // resolution.
        let depends = path.first() == Some(&b'%') && !specified.specifiers.is_empty();
        let absolute = path.first() == Some(&b'/') || depends;
        let fits = if absolute { is_path(&path) } else { is_file_name(&path) };
        if path.is_empty() || unsafe_byte(&path).is_some() || path.ends_with(b"/") || !fits {
            self.refuse(FindingCode::BadExecutable, word, prefixes);
            return None;
        }
        for specifier in specified.specifiers {
            self.find(FindingCode::Specifier, &specifier);
        }
        if !absolute {
            self.find(FindingCode::SearchedExecutable, &path);
        }
        Some(path)
    }
}

/// Follows `path_is_valid()` in `src/basic/path-util.c`.
fn is_path(path: &[u8]) -> bool {
    let components_fit = |path: &[u8]| {
        path.split(|&byte| byte == b'/')
            .all(|component| component.len() <= ExecutablePath::MAX_COMPONENT_BYTES)
    };
    path.len() <= ExecutablePath::MAX_BYTES && components_fit(path)
}

/// Follows `filename_is_valid()` in `src/basic/path-util.c`.
fn is_file_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.contains(&b'/')
        && name.len() <= ExecutablePath::MAX_COMPONENT_BYTES
}
