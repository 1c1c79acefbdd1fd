//! JSON (RFC 8259) with places. YAML's parser refuses some of it: tabs, surrogate pairs.

use std::collections::HashSet;

use serde_json::Value;

use super::node::{Content, Key, Node, Spot};
use super::{MAX_DEPTH, MAX_NODES};
use crate::definition::fault::Fault;

/// Reads a text that is not too long.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: 0, spot: Spot::START, nodes: 0, depth: 0 };
    reader.space();
    let node = reader.node()?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.spot.fault("not JSON: found more after its end"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    spot: Spot,
    nodes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes `bytes` on.
    fn skip(&mut self, bytes: usize) {
        for letter in self.text[self.at..self.at + bytes].chars() {
            if letter == '\n' {
                self.spot = Spot { line: self.spot.line + 1, column: 1 };
            } else {
                self.spot.column += 1;
            }
        }
        self.at += bytes;
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.skip(rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len());
    }

    /// Goes on after `sign`, if it is next.
    fn take(&mut self, sign: char) -> bool {
        self.space();
        let found = self.rest().starts_with(sign);
        if found {
            self.skip(1);
        }
        self.space();
        found
    }

    fn expected(&self, what: &str) -> Fault {
        let found = match self.rest().chars().next() {
            Some(letter) => format!("'{}'", letter.escape_default()),
            None => "the end".to_owned(),
        };
        self.spot.fault(format!("not JSON: found {found}, expected {what}"))
    }

    fn node(&mut self) -> Result<Node, Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.spot.fault(format!("more than {MAX_NODES} values")));
        }
        let spot = self.spot;
        match self.rest().as_bytes().first() {
            Some(b'{' | b'[') => {
                if self.depth == MAX_DEPTH {
                    return Err(spot.fault(format!("nested deeper than {MAX_DEPTH}")));
                }
                self.depth += 1;
                let content = if self.take('{') { self.object() } else { self.list() }?;
                self.depth -= 1;
                Ok(Node { spot, shift: None, content })
            }
            Some(b'"') => {
                let (text, exact) = self.string()?;
                let shift = exact.then_some(1);
                Ok(Node { spot, shift, content: Content::Scalar(Value::String(text)) })
            }
            _ => {
                let content = Content::Scalar(self.word()?);
                Ok(Node { spot, shift: None, content })
            }
        }
    }

    fn list(&mut self) -> Result<Content, Fault> {
        self.take('[');
        let mut items = Vec::new();
        if self.take(']') {
            return Ok(Content::List(items));
        }
        loop {
            items.push(self.node()?);
            if self.take(']') {
                return Ok(Content::List(items));
            }
            if !self.take(',') {
                return Err(self.expected("',' or ']'"));
            }
        }
    }

    fn object(&mut self) -> Result<Content, Fault> {
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        if self.take('}') {
            return Ok(Content::Object(members));
        }
        loop {
            let spot = self.spot;
            if !self.rest().starts_with('"') {
                return Err(self.expected("a key in quotes"));
            }
            let (name, _) = self.string()?;
            if !seen.insert(name.clone()) {
                let name = crate::expression::shown(&name);
                return Err(spot.fault(format!("the key '{name}' is there twice")));
            }
            if !self.take(':') {
                return Err(self.expected("':'"));
            }
            members.push((Key { name, spot }, self.node()?));
            if self.take('}') {
                return Ok(Content::Object(members));
            }
            if !self.take(',') {
                return Err(self.expected("',' or '}'"));
            }
        }
    }

    /// A text in quotes, and whether its characters are written as they are.
    fn string(&mut self) -> Result<(String, bool), Fault> {
        let rest = self.rest().as_bytes();
        let mut end = 1;
        while let Some(byte) = rest.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        if end >= rest.len() {
            return Err(self.spot.fault("not JSON: a text without its closing quote"));
        }
        let written = &self.rest()[..=end];
        let text: String = serde_json::from_str(written)
            .map_err(|error| self.spot.fault(format!("not JSON: in this text, {error}")))?;
        self.skip(end + 1);
        Ok((text, !written.contains('\\')))
    }

    /// A number, or one of JSON's three words.
    fn word(&mut self) -> Result<Value, Fault> {
        let rest = self.rest();
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r', ':', '"', '{', '[']);
        let word = &rest[..end.unwrap_or(rest.len())];
        let value = serde_json::from_str(word).map_err(|_| self.expected("a value"))?;
        self.skip(word.len());
        Ok(value)
    }
}
