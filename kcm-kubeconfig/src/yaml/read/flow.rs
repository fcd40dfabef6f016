//! `{}` and `[]`, and with them JSON.

use super::block::check_keys;
use super::cursor::Cursor;
use super::{Entry, Kind, Node, Scalar, YamlError};

impl<'a> Cursor<'a> {
    /// Reads a node within `{}` or `[]`, or one that opens them.
    pub(super) fn flow_node(&mut self) -> Result<Node<'a>, YamlError> {
        let at = self.here();
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::flow_map)?,
            Some(b'[') => self.nested(Self::flow_list)?,
            _ => Kind::Scalar(self.flow_scalar()?),
        };
        Ok(Node { at, kind })
    }

    fn flow_map(&mut self) -> Result<Kind<'a>, YamlError> {
        self.advance(1);
        let mut entries = Vec::new();
        loop {
            self.flow_token()?;
            if self.take(b'}') {
                check_keys(&entries)?;
                return Ok(Kind::Map(entries));
            }
            let at = self.here();
            let key = self.flow_scalar()?;
            self.flow_token()?;
            if self.here().line != at.line {
                return self.syntax("a key whose `:` is on another line", "put both on one line");
            }
            // JSON needs no blank behind the colon; without quotes, `a:b` is a text.
            if self.peek() != Some(b':') || (key.plain && !self.is_blank_or_end_at(1)) {
                return self.syntax("a key without `: `", "write `key: value`");
            }
            self.advance(1);
            self.flow_token()?;
            let value = if matches!(self.peek(), Some(b',' | b'}')) {
                Node::empty(self.here())
            } else {
                self.flow_node()?
            };
            entries.push(Entry { at, key, value });
            self.flow_token()?;
            if !self.take(b',') && self.peek() != Some(b'}') {
                return self.syntax("neither `,` nor `}` behind a value", "add it");
            }
        }
    }

    fn flow_list(&mut self) -> Result<Kind<'a>, YamlError> {
        self.advance(1);
        let mut items = Vec::new();
        loop {
            self.flow_token()?;
            if self.take(b']') {
                return Ok(Kind::List(items));
            }
            items.push(self.flow_node()?);
            self.flow_token()?;
            if self.peek() == Some(b':') {
                return self.unsupported("a `key: value` directly within `[]`", "put it in `{}`");
            }
            if !self.take(b',') && self.peek() != Some(b']') {
                return self.syntax("neither `,` nor `]` behind an item", "add it");
            }
        }
    }

    fn flow_scalar(&mut self) -> Result<Scalar<'a>, YamlError> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            return Ok(Scalar { text: self.quoted()?, plain: false });
        }
        self.check_plain_start(true)?;
        Ok(Scalar { text: self.flow_plain(), plain: true })
    }

    fn flow_token(&mut self) -> Result<(), YamlError> {
        self.next_token(true);
        if self.at_end() || self.at_document_marker() {
            return self.syntax("a `{` or `[` that is not closed", "close it");
        }
        Ok(())
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }
}
