//! Patterns of file names, as `EnvironmentFile=` takes them (glob(7)).

use crate::util::files::{FileError, FileSystem, RemotePath};

/// Returns the files that match a pattern, sorted; none for a path that is not a pattern.
pub(super) fn paths(files: &mut dyn FileSystem, pattern: &str) -> Result<Vec<String>, FileError> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(Vec::new());
    }
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for above in found {
            let Ok(folder) = RemotePath::new(if above.is_empty() { "/" } else { &above }) else {
                continue;
            };
            if !part.contains(['*', '?', '[']) {
                next.push(format!("{above}/{part}"));
                continue;
            }
            // A path that is not a folder has no entries.
            let names = files.list(&folder).unwrap_or_default();
            let names = names.iter().filter(|name| {
                matches(part, name) && (!name.starts_with('.') || part.starts_with('.'))
            });
            next.extend(names.map(|name| format!("{above}/{name}")));
        }
        found = next;
    }
    let mut there = Vec::new();
    for path in found {
        let Ok(at) = RemotePath::new(path.as_str()) else { continue };
        if files.stat(&at)?.is_some() {
            there.push(path);
        }
    }
    there.sort();
    Ok(there)
}

/// Reports whether a name matches a pattern of `*`, `?` and `[…]`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            let mut tails = ends.filter_map(|at| name.get(at..));
            tails.any(|tail| matches(rest.as_str(), tail))
        }
        Some('?') => {
            let mut name = name.chars();
            name.next().is_some() && matches(rest.as_str(), name.as_str())
        }
        Some('[') if set(rest.as_str()).is_some() => {
            let mut name = name.chars();
            let found = name.next().zip(set(rest.as_str()));
            found.is_some_and(|(first, (members, is_negated, rest))| {
                is_member(members, first) != is_negated && matches(rest, name.as_str())
            })
        }
        Some('\\') if !rest.as_str().is_empty() => {
            let literal = rest.next();
            let mut name = name.chars();
            name.next() == literal && matches(rest.as_str(), name.as_str())
        }
        Some(literal) => {
            let mut name = name.chars();
            name.next() == Some(literal) && matches(rest.as_str(), name.as_str())
        }
    }
}

/// Parses a bracket expression into its members, whether it is negated, and the text after it.
fn set(text: &str) -> Option<(&str, bool, &str)> {
    let is_negated = text.starts_with(['!', '^']);
    let members = if is_negated { text.get(1..)? } else { text };
    // A closing bracket in the first position is a member.
    let first = members.chars().next()?.len_utf8();
    let end = members.get(first..)?.find(']')? + first;
    Some((members.get(..end)?, is_negated, members.get(end + 1..)?))
}

fn is_member(members: &str, sought: char) -> bool {
    let members: Vec<char> = members.chars().collect();
    let mut rest = &members[..];
    while let [first, after @ ..] = rest {
        match after {
            ['-', last, after @ ..] => {
                if (*first..=*last).contains(&sought) {
                    return true;
                }
                rest = after;
            }
            _ if *first == sought => return true,
            _ => rest = after,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_glob_has_them() {
        for (pattern, name, expected) in [
            ("*.env", "a.env", true),
            ("*.env", "a.env~", false),
            ("?.env", "é.env", true),
            ("[a-c]*.env", "b1.env", true),
            ("[!a-c]*.env", "b1.env", false),
            ("[]x].env", "].env", true),
            ("[ab.env", "[ab.env", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            (r"a\*", "a*", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
