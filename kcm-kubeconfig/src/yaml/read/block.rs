//! Documents, and the collections that live by indentation.

use std::collections::BTreeSet;

use super::cursor::Cursor;
use super::{Entry, Kind, Location, Node, Scalar, YamlError};

/// Whether a block collection may begin at this place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collections {
    Allowed,
    /// Behind `key:` or `---` on the same line. (Behind the `:` of an explicit key it is allowed.)
    Refused,
}

/// The column of the collection around; one outside of everything.
type Indent = Option<usize>;

impl<'a> Cursor<'a> {
    /// Reads the one document there may be.
    pub(super) fn root(&mut self) -> Result<Option<Node<'a>>, YamlError> {
        self.next_token(false);
        if self.column() == 0 && self.peek() == Some(b'%') {
            return self.unsupported("a YAML directive", "remove the line");
        }
        let mut collections = Collections::Allowed;
        if self.at_document_marker() && self.peek() == Some(b'-') {
            let line = self.here().line;
            self.advance(3);
            self.next_token(false);
            if self.here().line == line {
                collections = Collections::Refused;
            }
        }
        let root = if self.at_end() || self.at_document_marker() {
            None
        } else {
            Some(self.node(None, collections)?)
        };
        self.end_of_document()?;
        Ok(root)
    }

    fn end_of_document(&mut self) -> Result<(), YamlError> {
        self.next_token(false);
        while self.at_document_marker() {
            let at = self.here();
            self.advance(3);
            self.next_token(false);
            if !self.at_end() && !self.at_document_marker() {
                return Err(YamlError::SecondDocument { at });
            }
        }
        if self.at_end() {
            return Ok(());
        }
        self.syntax(
            "text behind the end of the document",
            "indent it to where it belongs, or remove it",
        )
    }

    /// Reads a node whose first character is here.
    fn node(&mut self, parent: Indent, collections: Collections) -> Result<Node<'a>, YamlError> {
        let at = self.here();
        let column = self.column();
        let indicator = self.is_blank_or_end_at(1);
        match self.peek() {
            Some(b'-') if indicator => {
                if collections == Collections::Refused {
                    return self
                        .syntax("a list item behind a key", "put `- ` on a line of its own");
                }
                self.nested(|cursor| cursor.list(at, column))
            }
            Some(b'?') if indicator && collections == Collections::Allowed => {
                self.nested(|cursor| cursor.map(at, column, None))
            }
            Some(b':') if indicator => self.syntax("`:` without a key", "write `key: value`"),
            Some(b'|' | b'>') => {
                let text = self.literal(parent)?;
                Ok(Node { at, kind: Kind::Scalar(Scalar { text, plain: false }) })
            }
            Some(b'{' | b'[') => {
                let node = self.flow_node()?;
                self.end_of_value()?;
                Ok(node)
            }
            Some(b'"' | b'\'') => {
                let text = self.quoted()?;
                let one_line = self.here().line == at.line;
                let key = Scalar { text, plain: false };
                if collections == Collections::Allowed && one_line && self.colon_follows() {
                    return self.nested(|cursor| cursor.map(at, column, Some(key)));
                }
                self.end_of_value()?;
                Ok(Node { at, kind: Kind::Scalar(key) })
            }
            _ => {
                self.check_plain_start(false)?;
                if collections == Collections::Allowed
                    && let Some(key) = self.plain_key()
                {
                    return self.nested(|cursor| cursor.map(at, column, Some(key)));
                }
                let text = self.plain(parent)?;
                self.end_of_value()?;
                Ok(Node { at, kind: Kind::Scalar(Scalar { text, plain: true }) })
            }
        }
    }

    fn list(&mut self, at: Location, column: usize) -> Result<Node<'a>, YamlError> {
        let mut items = Vec::new();
        while self.column() == column && self.peek() == Some(b'-') && self.is_blank_or_end_at(1) {
            let here = self.here();
            self.advance(1);
            self.blanks_behind_indicator()?;
            let rest_is_empty = self.at_end() || self.is_break_at(0) || self.peek() == Some(b'#');
            let item = if rest_is_empty {
                self.next_token(false);
                if !self.at_end() && !self.at_document_marker() && self.column() > column {
                    self.node(Some(column), Collections::Allowed)?
                } else {
                    Node::empty(here)
                }
            } else {
                self.node(Some(column), Collections::Allowed)?
            };
            items.push(item);
            self.next_token(false);
        }
        self.check_dedent(column)?;
        Ok(Node { at, kind: Kind::List(items) })
    }

    /// Reads a map whose first key has been read already, unless it is an explicit one.
    fn map(
        &mut self,
        at: Location,
        column: usize,
        first: Option<Scalar<'a>>,
    ) -> Result<Node<'a>, YamlError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut key_at = at;
        let (mut key, mut behind_colon) = match first {
            Some(key) => (key, Collections::Refused),
            None => (self.explicit_key(column)?, Collections::Allowed),
        };
        loop {
            self.skip_blanks();
            self.advance(1); // the colon, which the key reader has seen
            let value = self.value(column, behind_colon)?;
            entries.push(Entry { at: key_at, key, value });
            self.next_token(false);
            if self.at_end() || self.at_document_marker() || self.column() != column {
                break;
            }
            key_at = self.here();
            (key, behind_colon) = if self.peek() == Some(b'?') && self.is_blank_or_end_at(1) {
                (self.explicit_key(column)?, Collections::Allowed)
            } else {
                (self.next_key()?, Collections::Refused)
            };
        }
        self.check_dedent(column)?;
        check_keys(&entries)?;
        Ok(Node { at, kind: Kind::Map(entries) })
    }

    fn next_key(&mut self) -> Result<Scalar<'a>, YamlError> {
        let key = match self.peek() {
            Some(b'"' | b'\'') => {
                let line = self.here().line;
                let text = self.quoted()?;
                (self.here().line == line && self.colon_follows())
                    .then_some(Scalar { text, plain: false })
            }
            Some(b'-') if self.is_blank_or_end_at(1) => None,
            Some(b'{' | b'[' | b'|' | b'>') => None,
            _ => {
                self.check_plain_start(false)?;
                self.plain_key()
            }
        };
        match key {
            Some(key) => Ok(key),
            None => self.syntax(
                "a line that is no `key: value`",
                "add the `:` and a blank, or mend the indentation",
            ),
        }
    }

    /// Reads `? key` up to the `:` on a line of its own.
    fn explicit_key(&mut self, column: usize) -> Result<Scalar<'a>, YamlError> {
        self.advance(1);
        self.blanks_behind_indicator()?;
        self.next_token(false);
        let node = if self.column() > column {
            Some(self.node(Some(column), Collections::Allowed)?)
        } else {
            None
        };
        self.next_token(false);
        let colon =
            self.column() == column && self.peek() == Some(b':') && self.is_blank_or_end_at(1);
        match node.map(|node| node.kind) {
            Some(Kind::Scalar(key)) if colon => Ok(key),
            Some(Kind::Scalar(_)) | None => {
                self.syntax("`? key` without its `: value`", "write `key: value`")
            }
            Some(_) => self.unsupported("a key that is no text", "write `key: value`"),
        }
    }

    /// Reads what follows the colon of a key at `column`.
    fn value(&mut self, column: usize, behind_colon: Collections) -> Result<Node<'a>, YamlError> {
        let here = self.here();
        if behind_colon == Collections::Allowed {
            self.blanks_behind_indicator()?;
        }
        self.skip_blanks();
        let rest_is_empty = self.at_end() || self.is_break_at(0) || self.peek() == Some(b'#');
        if !rest_is_empty {
            return self.node(Some(column), behind_colon);
        }
        self.next_token(false);
        if self.at_end() || self.at_document_marker() {
            return Ok(Node::empty(here));
        }
        let list_follows = self.peek() == Some(b'-') && self.is_blank_or_end_at(1);
        if self.column() > column || (self.column() == column && list_follows) {
            self.node(Some(column), Collections::Allowed)
        } else {
            Ok(Node::empty(here))
        }
    }

    /// Skips the blanks behind `-`, `?`, or the `:` of an explicit key: they indent what follows, so no tabs.
    fn blanks_behind_indicator(&mut self) -> Result<(), YamlError> {
        while self.peek() == Some(b' ') {
            self.advance(1);
        }
        if self.peek() == Some(b'\t') {
            return self.syntax("a tab in the indentation", "indent with blanks");
        }
        Ok(())
    }

    /// Returns whether `:` and a blank follow, maybe after blanks.
    fn colon_follows(&self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.peek_at(blanks) == Some(b':') && self.is_blank_or_end_at(blanks + 1)
    }

    /// Demands that nothing but a comment follows on the line.
    fn end_of_value(&mut self) -> Result<(), YamlError> {
        self.skip_blanks();
        match self.peek() {
            None | Some(b'#') => Ok(()),
            _ if self.is_break_at(0) => Ok(()),
            Some(b':') => self.syntax("`: ` within a value", "put the value in quotes"),
            _ => self.syntax("text behind a value", "put the whole value in quotes"),
        }
    }

    /// Refuses a line that stands between the columns of two collections.
    fn check_dedent(&self, column: usize) -> Result<(), YamlError> {
        if self.at_end() || self.at_document_marker() || self.column() < column {
            return Ok(());
        }
        if self.peek() == Some(b'\t') {
            return self.syntax("a tab in the indentation", "indent with blanks");
        }
        if self.column() == column {
            // A list ends before the keys of the map around it, at the same column.
            return Ok(());
        }
        self.syntax("a line indented too far", "align it with the lines above")
    }
}

/// Refuses keys that stand twice, and merge keys.
pub(super) fn check_keys(entries: &[Entry<'_>]) -> Result<(), YamlError> {
    let mut seen = BTreeSet::new();
    for entry in entries {
        if entry.key.plain && entry.key.text == "<<" {
            return Err(YamlError::Unsupported {
                at: entry.at,
                what: "a merge key (`<<`)",
                mend: "write the merged fields out",
            });
        }
        if !seen.insert(&*entry.key.text) {
            return Err(YamlError::DuplicateKey {
                at: entry.at,
                key: entry.key.text.clone().into_owned(),
            });
        }
    }
    Ok(())
}
