//! Positions of values in a YAML text, for errors found after parsing.

use std::collections::HashMap;

use granit_parser::{Event, Parser};

/// One step of a field's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Formats a path for messages, such as `masters[1].name`.
pub(super) fn show(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |shown, step| match step {
        Step::Key(key) => below(&shown, key),
        Step::Index(index) => format!("{shown}[{index}]"),
    })
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Lines and columns of values, both from 1, by their formatted paths.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, (usize, usize)>);

/// A collection whose end is not parsed yet.
enum Open {
    List { path: String, next: usize },
    Map { path: String, key: Option<String> },
}

impl Open {
    /// Returns the path of the next node, or `None` if that node is a key.
    fn next(&mut self, event: &Event<'_>) -> Option<String> {
        match self {
            Self::List { path, next } => {
                *next += 1;
                Some(format!("{path}[{}]", *next - 1))
            }
            Self::Map { path, key } => {
                let known = key.take();
                if known.is_none() {
                    let name = if let Event::Scalar(name, ..) = event { name } else { "" };
                    *key = Some(name.to_owned());
                }
                known.map(|key| below(path, &key))
            }
        }
    }
}

impl Places {
    /// Finds the values of the first document, up to the first syntax error.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        let mut open: Vec<Open> = Vec::new();
        let mut parser = Parser::new_from_str(text);
        while let Some(Ok((event, span))) = parser.next() {
            match &event {
                Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
                Event::DocumentEnd => break,
                event if event.is_node() => {
                    let path =
                        open.last_mut().map_or_else(|| Some(String::new()), |it| it.next(event));
                    open.extend(begun(event, path.clone().unwrap_or_default()));
                    if let Some(path) = path {
                        let place = (span.start.line(), span.start.col() + 1);
                        places.0.entry(path).or_insert(place);
                    }
                }
                _ => {}
            }
        }
        places
    }

    /// Returns the line and column of the value at a formatted path.
    pub(super) fn get(&self, path: &str) -> Option<(usize, usize)> {
        self.0.get(path).copied()
    }
}

fn begun(event: &Event<'_>, path: String) -> Option<Open> {
    match event {
        Event::SequenceStart(..) => Some(Open::List { path, next: 0 }),
        Event::MappingStart(..) => Some(Open::Map { path, key: None }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "cluster:\n  server: x\nmasters:\n  - name: a\n  - {name: b, address: c}\n? [x]\n: y\n";

    #[test]
    fn the_place_is_that_of_the_value() {
        use Step::{Index, Key};
        let places = Places::of(TEXT);
        assert_eq!(places.get("cluster.server"), Some((2, 11)));
        assert_eq!(places.get("masters"), Some((4, 3)));
        assert_eq!(places.get("masters[1].name"), Some((5, 12)));
        assert_eq!(places.get("masters[2]"), None);
        assert_eq!(places.get("nothing"), None);
        assert_eq!(show(&[Key("masters"), Index(1), Key("name")]), "masters[1].name");
        assert_eq!(Places::of("a: b\nc: [}").get("a"), Some((1, 4)));
    }
}
