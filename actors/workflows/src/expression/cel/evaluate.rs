//! Evaluation with a meter: each step is charged before it is done.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::super::error::ExpressionError;
use super::super::path::Path;
use super::super::scope::{Root, Scope};
use super::access::{constant, has, index, select};
use super::arithmetic;
use super::functions;
use super::node::{Binary, Loop, Node, What};
use super::result;
use super::value::{Entries, List, Text, Val};
use crate::json::Json;

/// Why an evaluation ends without a value.
#[derive(Debug)]
pub(super) enum Stop {
    /// An error, which `&&` and `||` may outvote.
    Fault(String),
    /// What it may take is used up; nothing outvotes that.
    Spent(ExpressionError),
}

impl Stop {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Fault(message.into())
    }
}

impl From<Stop> for ExpressionError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(message) => Self::new(message),
            Stop::Spent(error) => error,
        }
    }
}

pub(super) type Evaluated<'a> = Result<Val<'a>, Stop>;

/// What the roots of a program are; each is asked for once, when it is looked at.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub scope: &'a dyn Scope,
    pub roots: &'a [Root],
    pub found: &'a [OnceCell<Option<Json>>],
}

impl<'a> Seen<'a> {
    fn get(self, at: usize) -> Option<&'a Json> {
        let (cell, root) = (self.found.get(at)?, self.roots.get(at)?);
        cell.get_or_init(|| self.scope.get(root)).as_ref()
    }
}

/// One evaluation.
pub(super) struct Evaluation<'a> {
    seen: Seen<'a>,
    locals: Vec<Val<'a>>,
    left: u64,
    max_bytes: usize,
}

impl<'a> Evaluation<'a> {
    /// May take `cost` steps, and make texts of `max_bytes`.
    pub(super) fn new(seen: Seen<'a>, cost: u64, max_bytes: usize) -> Self {
        Self { seen, locals: Vec::new(), left: cost, max_bytes }
    }

    /// The value of `node`, at most `max_bytes` of JSON text.
    pub(super) fn run(
        &mut self,
        node: &'a Node,
        max_bytes: usize,
    ) -> Result<Value, ExpressionError> {
        let value = self.value(node)?;
        Ok(result::json(&value, max_bytes)?)
    }

    /// Takes `cost` of what is left.
    pub(super) fn charge(&mut self, cost: usize) -> Result<(), Stop> {
        match self.left.checked_sub(cost as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let message = format!("it takes more than {} steps", super::MAX_COST);
                Err(Stop::Spent(ExpressionError::new(message)))
            }
        }
    }

    /// Charges for reading or making a text.
    pub(super) fn charge_text(&mut self, bytes: usize) -> Result<(), Stop> {
        self.allow_text(bytes)?;
        self.charge(bytes / 16 + 1)
    }

    /// Refuses a text that is too long.
    pub(super) fn allow_text(&self, bytes: usize) -> Result<(), Stop> {
        if bytes > self.max_bytes {
            return Err(Stop::Spent(ExpressionError::oversize(bytes, self.max_bytes)));
        }
        Ok(())
    }

    pub(super) fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.charge(1)?;
        match node {
            Node::Literal(literal) => Ok(constant(literal)),
            Node::Path(at, path) => self.path(*at, path),
            Node::Local(at) => self.local(*at),
            Node::Select(inner, key) => select(&self.value(inner)?, key),
            Node::Has(inner, key) => has(&self.value(inner)?, key),
            Node::Not(inner) => self.truth(inner).map(|flag| Val::Bool(!flag)),
            Node::Negate(inner) => arithmetic::negate(&self.value(inner)?),
            Node::And(one, other) => self.either(one, other, false),
            Node::Or(one, other) => self.either(one, other, true),
            Node::If(parts) => {
                let [flag, yes, no] = parts.as_ref();
                if self.truth(flag)? { self.value(yes) } else { self.value(no) }
            }
            Node::Binary(operator, one, other) => self.binary(*operator, one, other),
            Node::List(items) => Ok(Val::from(self.values(items)?)),
            Node::Map(entries) => self.map(entries),
            Node::Call(function, args) => {
                let args = self.values(args)?;
                functions::call(self, *function, &args)
            }
            Node::Loop(one) => self.each(one),
        }
    }

    fn values(&mut self, nodes: &'a [Node]) -> Result<Vec<Val<'a>>, Stop> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    fn path(&mut self, at: usize, path: &'a Path) -> Evaluated<'a> {
        self.charge(path.rest.len())?;
        let Some(root) = self.seen.get(at) else {
            return Err(Stop::new(format!("{}: there is no such value here", path.text)));
        };
        let value = path.walk(root.value()).map_err(|error| Stop::Fault(error.message))?;
        Ok(Val::from(value))
    }

    fn local(&self, at: usize) -> Evaluated<'a> {
        self.locals.get(at).cloned().ok_or_else(|| Stop::new("a variable of no loop"))
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.value(node)? {
            Val::Bool(flag) => Ok(flag),
            other => Err(Stop::new(format!("expected true or false, found {}", other.kind()))),
        }
    }

    /// `&&` (decided by false) and `||` (decided by true), from whichever side decides.
    fn either(&mut self, one: &'a Node, other: &'a Node, decides: bool) -> Evaluated<'a> {
        let first = match self.truth(one) {
            Ok(flag) if flag == decides => return Ok(Val::Bool(decides)),
            Err(Stop::Spent(error)) => return Err(Stop::Spent(error)),
            first => first,
        };
        match (first, self.truth(other)) {
            (_, Err(Stop::Spent(error))) => Err(Stop::Spent(error)),
            (_, Ok(flag)) if flag == decides => Ok(Val::Bool(decides)),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
            (Ok(_), Ok(_)) => Ok(Val::Bool(!decides)),
        }
    }

    fn binary(&mut self, operator: Binary, one: &'a Node, other: &'a Node) -> Evaluated<'a> {
        let (one, other) = (self.value(one)?, self.value(other)?);
        match operator {
            Binary::Equal => self.equal(&one, &other).map(Val::Bool),
            Binary::NotEqual => self.equal(&one, &other).map(|same| Val::Bool(!same)),
            Binary::In => self.contains(&other, &one).map(Val::Bool),
            Binary::Index => index(&one, &other),
            Binary::Add => self.add(&one, &other),
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                if let (Val::Text(one), Val::Text(other)) = (&one, &other) {
                    self.charge_text(one.len().min(other.len()))?;
                }
                arithmetic::compare(operator, &one, &other)
            }
            Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Modulo => {
                arithmetic::calculate(operator, &one, &other)
            }
        }
    }

    /// Numbers, and texts and lists one after the other.
    fn add(&mut self, one: &Val<'a>, other: &Val<'a>) -> Evaluated<'a> {
        match (one, other) {
            (Val::Text(one), Val::Text(other)) => {
                self.charge_text(one.len() + other.len())?;
                Ok(Val::from([&**one, &**other].concat()))
            }
            (Val::List(one), Val::List(other)) => {
                self.charge(one.len() + other.len())?;
                Ok(Val::from(one.iter().chain(other.iter()).collect::<Vec<_>>()))
            }
            _ => arithmetic::calculate(Binary::Add, one, other),
        }
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<'a> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let key: Rc<str> = match self.value(key)? {
                Val::Text(Text::Borrowed(key)) => Rc::from(key),
                Val::Text(Text::Shared(key)) => key,
                other => {
                    let found = other.kind();
                    return Err(Stop::new(format!("keys of maps are strings, found {found}")));
                }
            };
            self.charge_text(key.len())?;
            if map.insert(key.clone(), self.value(value)?).is_some() {
                return Err(Stop::new(format!("the key '{key}' is there twice")));
            }
        }
        Ok(Val::Map(Entries::Shared(Rc::new(map))))
    }

    /// CEL's equality: numbers by value, different kinds are different.
    pub(super) fn equal(&mut self, one: &Val<'a>, other: &Val<'a>) -> Result<bool, Stop> {
        self.charge(1)?;
        match (one, other) {
            (Val::Text(one), Val::Text(other)) => {
                self.charge_text(one.len().min(other.len()))?;
                Ok(**one == **other)
            }
            (Val::List(one), Val::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (one, other) in one.iter().zip(other.iter()) {
                    if !self.equal(&one, &other)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Val::Map(one), Val::Map(other)) => self.equal_maps(one, other),
            _ => Ok(arithmetic::equal(one, other)),
        }
    }

    fn equal_maps(&mut self, one: &Entries<'a>, other: &Entries<'a>) -> Result<bool, Stop> {
        if one.len() != other.len() {
            return Ok(false);
        }
        self.charge(one.len())?;
        for (key, value) in one.entries() {
            self.charge_text(key.len())?;
            let Some(other) = other.get(&key) else { return Ok(false) };
            if !self.equal(&value, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn contains(&mut self, whole: &Val<'a>, part: &Val<'a>) -> Result<bool, Stop> {
        match (whole, part) {
            (Val::List(items), part) => {
                for item in items.iter() {
                    if self.equal(&item, part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Val::Map(entries), Val::Text(key)) => Ok(entries.get(key).is_some()),
            // These are keys in CEL, though none of JSON's.
            (Val::Map(_), Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Bool(_)) => Ok(false),
            (Val::Map(_), key) => Err(Stop::new(format!("no map has {} as a key", key.kind()))),
            (other, _) => {
                Err(Stop::new(format!("'in' expects a list or a map, found {}", other.kind())))
            }
        }
    }

    fn each(&mut self, one: &'a Loop) -> Evaluated<'a> {
        let items = match self.value(&one.range)? {
            Val::List(items) => items,
            Val::Map(entries) => {
                self.charge(entries.len())?;
                List::Shared(Rc::new(entries.keys()))
            }
            other => {
                let found = other.kind();
                return Err(Stop::new(format!("a macro goes over a list or a map, found {found}")));
            }
        };
        match &one.what {
            What::All(test) => self.quantify(&items, test, false),
            What::Exists(test) => self.quantify(&items, test, true),
            What::ExistsOne(test) => {
                let mut found = 0_usize;
                for item in items.iter() {
                    found += usize::from(self.with(item, |this| this.truth(test))?);
                }
                Ok(Val::Bool(found == 1))
            }
            What::Collect { guard, item } => self.collect(&items, guard.as_ref(), item),
        }
    }

    fn collect(
        &mut self,
        items: &List<'a>,
        guard: Option<&'a Node>,
        item: &'a Node,
    ) -> Evaluated<'a> {
        let mut collected = Vec::new();
        for element in items.iter() {
            let taken = self.with(element, |this| {
                let wanted = guard.map_or(Ok(true), |guard| this.truth(guard))?;
                if wanted { this.value(item).map(Some) } else { Ok(None) }
            })?;
            collected.extend(taken);
        }
        Ok(Val::from(collected))
    }

    /// `all` and `exists`: an element that decides outvotes the errors of others.
    fn quantify(&mut self, items: &List<'a>, test: &'a Node, decides: bool) -> Evaluated<'a> {
        let mut fault = None;
        for item in items.iter() {
            match self.with(item, |this| this.truth(test)) {
                Ok(flag) if flag == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(Stop::Spent(error)) => return Err(Stop::Spent(error)),
                Err(stop) => fault = Some(stop),
            }
        }
        fault.map_or(Ok(Val::Bool(!decides)), Err)
    }

    /// Does `what` with `item` as the innermost local.
    fn with<T>(
        &mut self,
        item: Val<'a>,
        what: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.charge(1)?;
        self.locals.push(item);
        let done = what(self);
        self.locals.pop();
        done
    }
}
