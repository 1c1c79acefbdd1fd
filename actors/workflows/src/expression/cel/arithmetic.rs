//! Operators on scalars: checked, and between numbers of one kind, as CEL has it.

use std::cmp::Ordering;

use super::evaluate::{Evaluated, Stop};
use super::node::Binary;
use super::value::Val;

/// `-number`
pub(super) fn negate<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(int) => int.checked_neg().map(Val::Int).ok_or_else(overflow),
        Val::Double(double) => Ok(Val::Double(-double)),
        other => Err(Stop::new(format!("'-' expects a number, found {}", other.kind()))),
    }
}

fn overflow() -> Stop {
    Stop::new("the number is out of range")
}

/// `+ - * / %` on numbers, moments and spans.
pub(super) fn calculate<'a>(operator: Binary, one: &Val<'a>, other: &Val<'a>) -> Evaluated<'a> {
    match (one, other) {
        (Val::Int(one), Val::Int(other)) => ints(operator, *one, *other).map(Val::Int),
        (Val::Uint(one), Val::Uint(other)) => uints(operator, *one, *other).map(Val::Uint),
        (Val::Double(one), Val::Double(other)) => doubles(operator, *one, *other),
        _ => moments(operator, one, other),
    }
}

/// Why a division is none.
fn by_zero(other_is_zero: bool) -> Result<(), Stop> {
    if other_is_zero { Err(Stop::new("division by zero")) } else { Ok(()) }
}

fn ints(operator: Binary, one: i64, other: i64) -> Result<i64, Stop> {
    let value = match operator {
        Binary::Add => one.checked_add(other),
        Binary::Subtract => one.checked_sub(other),
        Binary::Multiply => one.checked_mul(other),
        Binary::Divide => {
            by_zero(other == 0)?;
            one.checked_div(other)
        }
        _ => {
            by_zero(other == 0)?;
            one.checked_rem(other)
        }
    };
    value.ok_or_else(overflow)
}

fn uints(operator: Binary, one: u64, other: u64) -> Result<u64, Stop> {
    let value = match operator {
        Binary::Add => one.checked_add(other),
        Binary::Subtract => one.checked_sub(other),
        Binary::Multiply => one.checked_mul(other),
        Binary::Divide => {
            by_zero(other == 0)?;
            one.checked_div(other)
        }
        _ => {
            by_zero(other == 0)?;
            one.checked_rem(other)
        }
    };
    value.ok_or_else(overflow)
}

fn doubles<'a>(operator: Binary, one: f64, other: f64) -> Evaluated<'a> {
    Ok(Val::Double(match operator {
        Binary::Add => one + other,
        Binary::Subtract => one - other,
        Binary::Multiply => one * other,
        Binary::Divide => one / other,
        _ => return Err(Stop::new("'%' expects two ints")),
    }))
}

fn moments<'a>(operator: Binary, one: &Val<'a>, other: &Val<'a>) -> Evaluated<'a> {
    let value = match (operator, one, other) {
        (Binary::Add, Val::Moment(moment), Val::Span(span))
        | (Binary::Add, Val::Span(span), Val::Moment(moment)) => {
            moment.checked_add(*span).ok().map(Val::Moment)
        }
        (Binary::Subtract, Val::Moment(moment), Val::Span(span)) => {
            moment.checked_sub(*span).ok().map(Val::Moment)
        }
        (Binary::Subtract, Val::Moment(one), Val::Moment(other)) => {
            Some(Val::Span(one.duration_since(*other)))
        }
        (Binary::Add, Val::Span(one), Val::Span(other)) => one.checked_add(*other).map(Val::Span),
        (Binary::Subtract, Val::Span(one), Val::Span(other)) => {
            one.checked_sub(*other).map(Val::Span)
        }
        _ => return Err(unfit(operator, one, other)),
    };
    value.ok_or_else(overflow)
}

fn unfit(operator: Binary, one: &Val<'_>, other: &Val<'_>) -> Stop {
    let sign = match operator {
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Modulo => "%",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::In => "in",
        Binary::Index => "[]",
    };
    let (one, other) = (one.kind(), other.kind());
    let meant = match (one, other) {
        ("int" | "uint", "double") | ("double", "int" | "uint") => " (write double(…))",
        ("string", "int" | "uint" | "double" | "bool") => " (write string(…))",
        ("int" | "uint" | "double" | "bool", "string") => " (write string(…))",
        _ => "",
    };
    Stop::new(format!("there is no '{one} {sign} {other}'{meant}"))
}

/// `< <= > >=`
pub(super) fn compare<'a>(operator: Binary, one: &Val<'a>, other: &Val<'a>) -> Evaluated<'a> {
    let order = match (one, other) {
        (Val::Bool(one), Val::Bool(other)) => Some(one.cmp(other)),
        (Val::Text(one), Val::Text(other)) => Some((**one).cmp(&**other)),
        (Val::Moment(one), Val::Moment(other)) => Some(one.cmp(other)),
        (Val::Span(one), Val::Span(other)) => Some(one.cmp(other)),
        _ => match (is_number(one), is_number(other)) {
            (true, true) => numbers(one, other),
            _ => return Err(unfit(operator, one, other)),
        },
    };
    // Nothing is less or greater than what is no number.
    let Some(order) = order else { return Ok(Val::Bool(false)) };
    Ok(Val::Bool(match operator {
        Binary::Less => order == Ordering::Less,
        Binary::LessOrEqual => order != Ordering::Greater,
        Binary::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

fn is_number(value: &Val<'_>) -> bool {
    matches!(value, Val::Int(_) | Val::Uint(_) | Val::Double(_))
}

/// The order of two numbers of any kinds, exact.
fn numbers(one: &Val<'_>, other: &Val<'_>) -> Option<Ordering> {
    match (one, other) {
        (Val::Double(one), Val::Double(other)) => one.partial_cmp(other),
        (Val::Double(double), whole) => against(*double, integer(whole)?),
        (whole, Val::Double(double)) => against(*double, integer(whole)?).map(Ordering::reverse),
        (one, other) => Some(integer(one)?.cmp(&integer(other)?)),
    }
}

fn integer(value: &Val<'_>) -> Option<i128> {
    match value {
        Val::Int(int) => Some(i128::from(*int)),
        Val::Uint(uint) => Some(i128::from(*uint)),
        _ => None,
    }
}

/// A double against an integer of at most 64 bits.
fn against(double: f64, whole: i128) -> Option<Ordering> {
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if double.is_nan() {
        return None;
    }
    let floor = double.floor().clamp(-BEYOND, BEYOND);
    let order = (floor as i128).cmp(&whole);
    let fraction = order == Ordering::Equal && double > floor;
    Some(if fraction { Ordering::Greater } else { order })
}

/// Equality of scalars; what is of different kinds is different, but numbers are equal by value.
pub(super) fn equal(one: &Val<'_>, other: &Val<'_>) -> bool {
    match (one, other) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(one), Val::Bool(other)) => one == other,
        (Val::Moment(one), Val::Moment(other)) => one == other,
        (Val::Span(one), Val::Span(other)) => one == other,
        _ if is_number(one) && is_number(other) => numbers(one, other) == Some(Ordering::Equal),
        _ => false,
    }
}
