//! A checked expression: names and functions resolved.

use std::sync::Arc;

use super::super::path::Path;
use super::functions::Function;

/// An expression.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Literal),
    /// A value of the scope: which root, and the way from there.
    Path(usize, Path),
    /// A variable of a loop: how many loops begin outside of its own.
    Local(usize),
    Select(Box<Node>, Arc<str>),
    /// `has(a.b)`
    Has(Box<Node>, Arc<str>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
    Binary(Binary, Box<Node>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Function, Vec<Node>),
    Loop(Box<Loop>),
}

/// A constant.
#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
}

/// Operators that evaluate both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
}

/// A macro over a list or the keys of a map.
#[derive(Debug)]
pub(super) struct Loop {
    pub range: Node,
    pub what: What,
}

/// What is done with the elements; each is the innermost local there.
#[derive(Debug)]
pub(super) enum What {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    /// `map` and `filter`: what is collected, of the elements for which the guard holds.
    Collect {
        guard: Option<Node>,
        item: Node,
    },
}
