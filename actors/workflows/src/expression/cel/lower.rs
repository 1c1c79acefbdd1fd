//! From the parser's tree to [`Node`]: names and functions are resolved, macros recognised.

use std::sync::Arc;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue,
    SelectExpr, operators as op,
};

use super::super::error::CompileError;
use super::super::path::{self, Segment};
use super::super::scope::{Names, Place, Root, Unknown, shown};
use super::functions::Function;
use super::node::{Binary, Literal, Loop, Node, What};

/// Deepest tree. Chains of operators nest to the left, so it is more than the nesting of brackets.
const MAX_DEPTH: usize = 200;

type Lowered = Result<Node, CompileError>;

/// Resolves the names of `parsed`, which was read from `text`.
pub(super) fn lower(
    parsed: &IdedExpr,
    text: &str,
    names: &Names,
    place: Place,
) -> Result<(Node, Vec<Root>), CompileError> {
    let (roots, locals) = (Vec::new(), Vec::new());
    let mut lowering = Lowering { text, names, place, roots, locals, depth: 0 };
    let node = lowering.node(parsed)?;
    Ok((node, lowering.roots))
}

struct Lowering<'a> {
    text: &'a str,
    names: &'a Names,
    place: Place,
    roots: Vec<Root>,
    /// Names of loop variables, the outermost first.
    locals: Vec<&'a str>,
    depth: usize,
}

impl<'a> Lowering<'a> {
    fn node(&mut self, expr: &'a IdedExpr) -> Lowered {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(expr, format!("nested deeper than {MAX_DEPTH}")));
        }
        let node = self.any(expr);
        self.depth -= 1;
        node
    }

    fn any(&mut self, expr: &'a IdedExpr) -> Lowered {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => match self.local(name) {
                Some(local) => Ok(Node::Local(local)),
                None => self.path(expr),
            },
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) if list.optional_indices.is_empty() => {
                Ok(Node::List(self.nodes(&list.elements)?))
            }
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| self.entry(expr, entry));
                Ok(Node::Map(entries.collect::<Result<_, _>>()?))
            }
            Expr::Comprehension(comprehension) => self.comprehension(expr, comprehension),
            Expr::List(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.fault(expr, "optional values and messages are not supported"))
            }
        }
    }

    fn nodes(&mut self, exprs: &'a [IdedExpr]) -> Result<Vec<Node>, CompileError> {
        exprs.iter().map(|expr| self.node(expr)).collect()
    }

    fn boxed(&mut self, expr: &'a IdedExpr) -> Result<Box<Node>, CompileError> {
        self.node(expr).map(Box::new)
    }

    fn literal(&self, expr: &IdedExpr, literal: &LiteralValue) -> Lowered {
        Ok(Node::Literal(match literal {
            LiteralValue::Null => Literal::Null,
            LiteralValue::Boolean(flag) => Literal::Bool(*flag.inner()),
            LiteralValue::Int(int) => Literal::Int(*int.inner()),
            LiteralValue::UInt(uint) => Literal::Uint(*uint.inner()),
            LiteralValue::Double(double) => Literal::Double(*double.inner()),
            LiteralValue::String(text) => Literal::Text(Arc::from(text.inner())),
            LiteralValue::Bytes(_) => return Err(self.fault(expr, "bytes are not supported")),
        }))
    }

    fn entry(
        &mut self,
        map: &IdedExpr,
        entry: &'a IdedEntryExpr,
    ) -> Result<(Node, Node), CompileError> {
        match &entry.expr {
            EntryExpr::MapEntry(entry) if !entry.optional => {
                Ok((self.node(&entry.key)?, self.node(&entry.value)?))
            }
            _ => Err(self.fault(map, "optional values and messages are not supported")),
        }
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|local| *local == name)
    }

    fn select(&mut self, expr: &'a IdedExpr, select: &'a SelectExpr) -> Lowered {
        let field: Arc<str> = Arc::from(select.field.as_str());
        if select.test {
            return Ok(Node::Has(self.boxed(&select.operand)?, field));
        }
        if self.is_path(expr) {
            return self.path(expr);
        }
        Ok(Node::Select(self.boxed(&select.operand)?, field))
    }

    /// Whether it begins with a name of the scope and goes on with members and constant indices.
    fn is_path(&self, expr: &IdedExpr) -> bool {
        let mut expr = expr;
        loop {
            expr = match &expr.expr {
                Expr::Ident(name) => return self.local(name).is_none(),
                Expr::Select(select) if !select.test => &select.operand,
                Expr::Call(call) if call.func_name == op::INDEX => match &call.args[..] {
                    [operand, index] if constant_index(index).is_some() => operand,
                    _ => return false,
                },
                _ => return false,
            }
        }
    }

    /// A path as a whole, which [`Self::is_path`] has found to be one.
    fn path(&mut self, expr: &'a IdedExpr) -> Lowered {
        let mut segments = Vec::new();
        let mut inner = expr;
        loop {
            inner = match &inner.expr {
                Expr::Select(select) => {
                    segments.push(Segment::Key(Arc::from(select.field.as_str())));
                    &select.operand
                }
                Expr::Call(call) => {
                    segments.extend(call.args.get(1).and_then(constant_index));
                    let Some(operand) = call.args.first() else { break };
                    operand
                }
                Expr::Ident(name) => {
                    segments.push(Segment::Key(Arc::from(name.as_str())));
                    break;
                }
                _ => break,
            }
        }
        segments.reverse();
        let text = written(&segments);
        let path = path::rooted(&segments, &text, self.names, self.place)
            .map_err(|unknown| self.unknown(inner, unknown))?;
        let at = self.roots.iter().position(|root| *root == path.root).unwrap_or_else(|| {
            self.roots.push(path.root.clone());
            self.roots.len() - 1
        });
        Ok(Node::Path(at, path))
    }

    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> Lowered {
        if self.is_path(expr) {
            return self.path(expr);
        }
        match (call.func_name.as_str(), &call.args[..]) {
            (op::LOGICAL_NOT, [flag]) => Ok(Node::Not(self.boxed(flag)?)),
            (op::NEGATE, [number]) => Ok(Node::Negate(self.boxed(number)?)),
            (op::LOGICAL_AND, [one, other]) => Ok(Node::And(self.boxed(one)?, self.boxed(other)?)),
            (op::LOGICAL_OR, [one, other]) => Ok(Node::Or(self.boxed(one)?, self.boxed(other)?)),
            (op::CONDITIONAL, [flag, yes, no]) => {
                let parts = [self.node(flag)?, self.node(yes)?, self.node(no)?];
                Ok(Node::If(Box::new(parts)))
            }
            (name, [one, other]) if binary(name).is_some() && call.target.is_none() => {
                let operator = binary(name).unwrap_or(Binary::Equal);
                Ok(Node::Binary(operator, self.boxed(one)?, self.boxed(other)?))
            }
            _ => self.function(expr, call),
        }
    }

    fn function(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> Lowered {
        let given = call.args.len() + usize::from(call.target.is_some());
        let function = Function::find(&call.func_name, call.target.is_some(), given)
            .map_err(|unknown| self.unknown(expr, unknown))?;
        let target = call.target.as_deref().map(|target| self.node(target)).transpose()?;
        let mut args = Vec::from_iter(target);
        args.extend(self.nodes(&call.args)?);
        Ok(Node::Call(function, args))
    }

    /// The parser has made a fold of each macro; what it was is read from the fold.
    fn comprehension(&mut self, expr: &'a IdedExpr, fold: &'a ComprehensionExpr) -> Lowered {
        let range = self.node(&fold.iter_range)?;
        if path::roots(self.place).any(|root| root == fold.iter_var) {
            let name = &fold.iter_var;
            return Err(self.fault(expr, format!("'{name}' is a name already: choose another")));
        }
        self.locals.push(&fold.iter_var);
        let what = self.what(expr, fold);
        self.locals.pop();
        Ok(Node::Loop(Box::new(Loop { range, what: what? })))
    }

    fn what(
        &mut self,
        expr: &'a IdedExpr,
        fold: &'a ComprehensionExpr,
    ) -> Result<What, CompileError> {
        let unknown = || CompileError::new(0, "this macro is not supported");
        let accu = |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(n) if *n == fold.accu_var);
        let Expr::Call(step) = &fold.loop_step.expr else { return Err(unknown()) };
        if fold.iter_var2.is_some() {
            return Err(self.fault(expr, "macros with two variables are not supported"));
        }
        match (step.func_name.as_str(), &step.args[..]) {
            (op::LOGICAL_AND, [so_far, test]) if accu(so_far) => Ok(What::All(self.node(test)?)),
            (op::LOGICAL_OR, [so_far, test]) if accu(so_far) => Ok(What::Exists(self.node(test)?)),
            (op::ADD, [so_far, item]) if accu(so_far) => {
                Ok(What::Collect { guard: None, item: self.single(item)? })
            }
            (op::CONDITIONAL, [guard, then, _]) => {
                let guard = self.node(guard)?;
                let Expr::Call(then) = &then.expr else { return Err(unknown()) };
                match &then.args[..] {
                    [_, item] if matches!(item.expr, Expr::List(_)) => {
                        Ok(What::Collect { guard: Some(guard), item: self.single(item)? })
                    }
                    _ => Ok(What::ExistsOne(guard)),
                }
            }
            _ => Err(unknown()),
        }
    }

    /// The element of a list of one.
    fn single(&mut self, list: &'a IdedExpr) -> Lowered {
        match &list.expr {
            Expr::List(list) if list.elements.len() == 1 => self.node(&list.elements[0]),
            _ => Err(self.fault(list, "this macro is not supported")),
        }
    }

    /// A fault at the name in hand, or at the beginning when it has none.
    fn fault(&self, expr: &IdedExpr, message: impl Into<String>) -> CompileError {
        let name = match &expr.expr {
            Expr::Ident(name) => name,
            Expr::Call(call) => &call.func_name,
            Expr::Comprehension(fold) => &fold.iter_var,
            _ => "",
        };
        CompileError::new(self.offset(name), message)
    }

    /// Characters before the first use of `name` as a word: the parser keeps no places.
    fn offset(&self, name: &str) -> usize {
        let word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let found = self.text.match_indices(name).find(|(at, _)| {
            let (before, rest) = self.text.split_at(*at);
            !before.ends_with(word) && !rest[name.len()..].starts_with(word)
        });
        found.filter(|_| !name.is_empty()).map_or(0, |(at, _)| self.text[..at].chars().count())
    }

    fn unknown(&self, expr: &IdedExpr, (message, suggestion): Unknown) -> CompileError {
        CompileError { suggestion, ..self.fault(expr, message) }
    }
}

/// A constant index, as a part of a path.
fn constant_index(index: &IdedExpr) -> Option<Segment> {
    match &index.expr {
        Expr::Literal(LiteralValue::String(key)) => Some(Segment::Key(Arc::from(key.inner()))),
        Expr::Literal(LiteralValue::Int(at)) => Some(Segment::Index(*at.inner())),
        _ => None,
    }
}

/// The path as text, for messages.
fn written(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(&shown(key)),
            Segment::Key(key) => text.push_str(&format!(".{}", shown(key))),
            Segment::Index(at) => text.push_str(&format!("[{at}]")),
        }
    }
    text
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        op::ADD => Binary::Add,
        op::SUBSTRACT => Binary::Subtract,
        op::MULTIPLY => Binary::Multiply,
        op::DIVIDE => Binary::Divide,
        op::MODULO => Binary::Modulo,
        op::EQUALS => Binary::Equal,
        op::NOT_EQUALS => Binary::NotEqual,
        op::LESS => Binary::Less,
        op::LESS_EQUALS => Binary::LessOrEqual,
        op::GREATER => Binary::Greater,
        op::GREATER_EQUALS => Binary::GreaterOrEqual,
        op::IN => Binary::In,
        op::INDEX => Binary::Index,
        _ => return None,
    })
}
