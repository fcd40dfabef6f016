//! Reads the first document of a text as a tree with positions and quoting. Aliases and merge keys
//! are resolved as in goyaml.v2.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag, options};

/// Maximum nesting depth of collections. kubeconfigs need about eight.
const DEEPEST: usize = 64;
/// Maximum number of nodes that aliases may add.
const MOST_COPIES: usize = 10_000;

/// A position in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Location {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A value with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) at: Location,
    pub(crate) kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
}

/// A text; `plain` if it was unquoted, so that it may be resolved to another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) plain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) at: Location,
    pub(crate) key: Scalar<'a>,
    pub(crate) value: Node<'a>,
}

/// A document with the parts that printing would lose.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    /// Root node; `None` if the text contains only blanks and comments.
    pub(crate) root: Option<Node<'a>>,
    /// Positions of the comments, in order.
    pub(crate) comments: Vec<Location>,
    /// Keys that occur again in their map: the last one counts.
    pub(crate) duplicates: Vec<(Location, String)>,
    /// Position of the second document.
    pub(crate) second: Option<Location>,
}

/// An error in a YAML text. Messages never quote a value, which might be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum YamlError {
    /// The text is not YAML.
    Syntax { at: Location, problem: String },
    /// The text is YAML, but uses a feature that is not supported in kubeconfigs.
    Unsupported { at: Location, what: &'static str, help: &'static str },
    /// Collections are nested more deeply than in any kubeconfig, or aliases add too many nodes.
    TooDeep { at: Location },
}

/// Reads the first document of a text; kubectl ignores the others.
pub(crate) fn document(text: &str) -> Result<Document<'_>, YamlError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    check_characters(text)?;
    let options = options! {
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: 2 * DEEPEST,
        block_nesting_limit: 2 * DEEPEST,
    };
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        document: Document::default(),
        anchors: HashMap::new(),
        copies: 0,
        separators: 0,
    };
    builder.run()?;
    match text.find(SEPARATORS) {
        Some(first) if text.matches(SEPARATORS).count() != builder.separators => {
            Err(unfit_character(text, first))
        }
        _ => Ok(builder.document),
    }
}

/// LINE SEPARATOR and PARAGRAPH SEPARATOR, which are line breaks in YAML 1.1 but not in YAML 1.2
/// (5.4, Line Break Characters).
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    document: Document<'a>,
    anchors: HashMap<usize, Node<'a>>,
    copies: usize,
    /// Number of line and paragraph separators read as in YAML 1.1.
    separators: usize,
}

impl<'a> Builder<'a> {
    fn run(&mut self) -> Result<(), YamlError> {
        loop {
            match self.event()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => break,
                (event, span) if event.is_node() => {
                    self.document.root = Some(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
        // Errors after the first document are ignored, since kubectl does not read that text.
        while let Ok((event, span)) = self.event() {
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) => {
                    self.document.second = Some(place(span.start));
                    break;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the next event other than a comment.
    fn event(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        loop {
            match self.parser.next() {
                Some(Ok((Event::Comment(..), span))) => {
                    self.document.comments.push(place(span.start));
                }
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => {
                    let problem = error.kind().to_string();
                    return Err(YamlError::Syntax { at: place(*error.marker()), problem });
                }
                None => return Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node<'a>, YamlError> {
        let at = place(span.start);
        if depth > DEEPEST {
            return Err(YamlError::TooDeep { at });
        }
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = is_plain(style, tag.as_deref(), at)?;
                let is_line = span.start.line() == span.end.line();
                let text = if style == ScalarStyle::SingleQuoted && is_line {
                    self.fold_at_separators(text)
                } else {
                    text
                };
                (anchor, Kind::Scalar(Scalar { text, plain }))
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.event()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (anchor, Kind::List(items))
            }
            Event::MappingStart(_, anchor, _) => (anchor, Kind::Map(self.map(depth)?)),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let problem = "an alias is used within its own anchored node".to_owned();
                    return Err(YamlError::Syntax { at, problem });
                };
                self.copies += size(node);
                if self.copies > MOST_COPIES {
                    return Err(YamlError::TooDeep { at });
                }
                return Ok(Node { at, ..node.clone() });
            }
            _ => {
                let problem = "expected a node".to_owned();
                return Err(YamlError::Syntax { at, problem });
            }
        };
        let node = Node { at, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Removes the blanks around separators, as goyaml.v2 does when it folds lines. kubectl writes
    /// separators within single quotes and indents the following text.
    fn fold_at_separators(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        let count = text.matches(SEPARATORS).count();
        if count == 0 {
            return text;
        }
        self.separators += count;
        let blanks = [' ', '\t'];
        let mut lines = text.split_inclusive(SEPARATORS);
        let mut folded = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            let separator = folded.pop();
            folded.truncate(folded.trim_end_matches(blanks).len());
            folded.extend(separator);
            folded.push_str(line.trim_start_matches(blanks));
        }
        Cow::Owned(folded)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry<'a>>, YamlError> {
        let mut entries = Entries::default();
        loop {
            let (event, span) = self.event()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries.list);
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            match key.kind {
                Kind::Scalar(Scalar { text, plain: true }) if text == "<<" => {
                    for entry in merged(value)? {
                        entries.put(entry, false);
                    }
                }
                Kind::Scalar(key_text) => {
                    if entries.is_own(&key_text.text) {
                        let name = key_text.text.clone().into_owned();
                        self.document.duplicates.push((key.at, name));
                    }
                    entries.put(Entry { at: key.at, key: key_text, value }, true);
                }
                Kind::List(_) | Kind::Map(_) => {
                    return Err(YamlError::Unsupported {
                        at: key.at,
                        what: "a list or map as a key",
                        help: "write a string as the key",
                    });
                }
            }
        }
    }
}

/// Entries of a map in the order of the first occurrence of their keys; the last value counts.
#[derive(Default)]
struct Entries<'a> {
    list: Vec<Entry<'a>>,
    /// Index of each key in the list, and true if the map itself contains the key.
    known: HashMap<String, (usize, bool)>,
}

impl<'a> Entries<'a> {
    fn is_own(&self, key: &str) -> bool {
        self.known.get(key).is_some_and(|(_, own)| *own)
    }

    fn put(&mut self, entry: Entry<'a>, own: bool) {
        let last = self.list.len();
        let known = self.known.entry(entry.key.text.to_string()).or_insert((last, own));
        known.1 |= own;
        match self.list.get_mut(known.0) {
            Some(place) => *place = entry,
            None => self.list.push(entry),
        }
    }
}

/// Returns the entries that a merge key adds: in a list of maps, earlier maps take precedence.
fn merged(value: Node<'_>) -> Result<Vec<Entry<'_>>, YamlError> {
    let at = value.at;
    let maps = match value.kind {
        Kind::Map(entries) => return Ok(entries),
        Kind::List(items) => items,
        Kind::Scalar(_) => Vec::new(),
    };
    let is_empty = maps.is_empty();
    let maps = maps.into_iter().rev().map(|node| match node.kind {
        Kind::Map(entries) => Some(entries),
        _ => None,
    });
    match maps.collect::<Option<Vec<_>>>().filter(|_| !is_empty) {
        Some(maps) => Ok(maps.into_iter().flatten().collect()),
        None => Err(YamlError::Syntax {
            at,
            problem: "the value of the merge key `<<` must be a map or a list of maps".to_owned(),
        }),
    }
}

/// Reports whether a scalar may be resolved to a type other than text.
fn is_plain(style: ScalarStyle, tag: Option<&Tag>, at: Location) -> Result<bool, YamlError> {
    match tag {
        None => Ok(style == ScalarStyle::Plain),
        Some(tag) if tag.is_custom() && tag.suffix().ends_with("binary") => {
            Err(YamlError::Unsupported {
                at,
                what: "the tag !!binary",
                help: "write the decoded text",
            })
        }
        Some(tag) => Ok(tag.core_suffix().is_some_and(|kind| kind != "str")),
    }
}

fn size(node: &Node<'_>) -> usize {
    match &node.kind {
        Kind::Scalar(_) => 1,
        Kind::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Kind::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum::<usize>() + 1,
    }
}

fn place(marker: Marker) -> Location {
    Location { line: marker.line(), column: marker.col() + 1 }
}

/// Rejects characters that goyaml.v2 rejects, and NEL, which is a line break in YAML 1.1 only.
fn check_characters(text: &str) -> Result<(), YamlError> {
    let is_fit = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
    text.find(|c| !is_fit(c)).map_or(Ok(()), |offset| Err(unfit_character(text, offset)))
}

fn unfit_character(text: &str, offset: usize) -> YamlError {
    let before = text.get(..offset).unwrap_or_default();
    let (lines, last) = before
        .rsplit_once('\n')
        .map_or((0, before), |(above, last)| (above.matches('\n').count() + 1, last));
    YamlError::Unsupported {
        at: Location { line: lines + 1, column: last.chars().count() + 1 },
        what: "a control character or line separator",
        help: "remove the character, or write an escape sequence in double quotes",
    }
}

#[cfg(test)]
mod tests;
