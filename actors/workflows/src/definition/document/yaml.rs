//! YAML 1.2, by its events.

use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::{Number, Value};

use super::node::{Content, Key, Node, Spot};
use super::{MAX_DEPTH, MAX_NODES};
use crate::definition::fault::Fault;

/// Longest line in which places inside of texts are told.
const LONGEST_LINE: usize = 4_096;

/// Reads a text that is not too long and has no NUL.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let lines = text.split('\n').collect();
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { parser, nodes: 0, depth: 0, text, lines };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, spot) => {
                return Err(spot.fault("the text is empty: expected a definition"));
            }
            (event, spot) => {
                let node = reader.node(event, spot)?;
                reader.end()?;
                return Ok(node);
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    nodes: usize,
    depth: usize,
    text: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Spot), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, spot(span.start))),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Err(Spot::of(self.text, self.text.len()).fault("the text ends too early")),
        }
    }

    fn line(&self, spot: Spot) -> &'a str {
        self.lines.get(spot.line as usize - 1).copied().unwrap_or_default()
    }

    fn broken(&self, error: &ScanError) -> Fault {
        let spot = spot(*error.marker());
        let line = self.line(spot);
        let indent = &line[..line.len() - line.trim_start().len()];
        if error.info() == "recursion limit exceeded" {
            return spot.fault(format!("nested deeper than {MAX_DEPTH}"));
        }
        let fault = spot.fault(format!("not YAML: {}", error.info()));
        if indent.contains('\t') {
            return fault.suggest("indent with spaces: YAML has no tabs there".to_owned());
        }
        fault
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, spot) => return Err(spot.fault("found a second document: expected one")),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, spot: Spot) -> Result<Node, Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(spot.fault(format!("more than {MAX_NODES} values")));
        }
        self.plain(&event, spot)?;
        match event {
            Event::Scalar(text, style, ..) => Ok(self.scalar(&text, style, spot)?),
            Event::SequenceStart(..) => self.deeper(spot, Self::list),
            Event::MappingStart(..) => self.deeper(spot, Self::object),
            _ => Err(spot.fault("not YAML: expected a value")),
        }
    }

    /// Refuses what makes one text stand for another.
    fn plain(&self, event: &Event<'_>, spot: Spot) -> Result<(), Fault> {
        let (anchor, tagged) = match event {
            Event::Alias(_) => return Err(spot.fault("aliases (*name) are not supported")),
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => (0, false),
        };
        if anchor > 0 {
            return Err(spot.fault("anchors (&name) are not supported"));
        }
        if tagged {
            return Err(spot.fault("tags (!name) are not supported"));
        }
        Ok(())
    }

    fn deeper(
        &mut self,
        spot: Spot,
        read: fn(&mut Self) -> Result<Content, Fault>,
    ) -> Result<Node, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(spot.fault(format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let content = read(self)?;
        self.depth -= 1;
        Ok(Node { spot, shift: None, content })
    }

    fn list(&mut self) -> Result<Content, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, spot) => items.push(self.node(event, spot)?),
            }
        }
    }

    fn object(&mut self) -> Result<Content, Fault> {
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, spot) = self.next()?;
            self.plain(&event, spot)?;
            let name = match event {
                Event::MappingEnd => return Ok(Content::Object(members)),
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(spot.fault("a key is a text, found a list or an object")),
            };
            if !seen.insert(name.clone()) {
                let name = crate::expression::shown(&name);
                return Err(spot.fault(format!("the key '{name}' is there twice")));
            }
            let (event, at) = self.next()?;
            members.push((Key { name, spot }, self.node(event, at)?));
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, spot: Spot) -> Result<Node, Fault> {
        let (shift, value) = match style {
            ScalarStyle::Plain => (0, resolved(text, spot)?),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (1, Value::from(text)),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let content = Content::Scalar(Value::from(text));
                return Ok(Node { spot, shift: None, content });
            }
        };
        let line = self.line(spot);
        if line.len() > LONGEST_LINE {
            return Ok(Node { spot, shift: None, content: Content::Scalar(value) });
        }
        let begin = line.char_indices().nth((spot.column - 1 + shift) as usize);
        let written = begin.map_or("", |(at, _)| &line[at..]);
        let shift = written.starts_with(text).then_some(shift);
        Ok(Node { spot, shift, content: Content::Scalar(value) })
    }
}

fn spot(mark: Marker) -> Spot {
    let at = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Spot { line: at(mark.line().max(1)), column: at(mark.col()).saturating_add(1) }
}

/// A plain scalar by the core schema of YAML 1.2.2 (section 10.3.2).
fn resolved(text: &str, spot: Spot) -> Result<Value, Fault> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        text => match number(text) {
            Some(Ok(number)) => Value::Number(number),
            Some(Err(())) => return Err(spot.fault("found a number that JSON can't say")),
            None => Value::from(text),
        },
    })
}

/// `None` when the text is no number; an error when it is none of JSON's.
fn number(text: &str) -> Option<Result<Number, ()>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Some(Err(()));
    }
    let radix = |prefix, radix| u64::from_str_radix(text.strip_prefix(prefix)?, radix).ok();
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(Ok(number.into()));
    }
    let mut digits = unsigned.bytes();
    let looks = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && digits.next().is_some_and(|first| first.is_ascii_digit() || first == b'.')
        && unsigned.bytes().any(|byte| byte.is_ascii_digit());
    if !looks {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(int) = text.parse::<i64>() {
        return Some(Ok(int.into()));
    }
    if let Ok(uint) = text.parse::<u64>() {
        return Some(Ok(uint.into()));
    }
    let double: f64 = text.parse().ok()?;
    Some(Number::from_f64(double).ok_or(()))
}
