//! The value of an expression as JSON, as far as there is room for it.

use serde_json::{Map, Number, Value};

use super::evaluate::Stop;
use super::value::Val;
use crate::expression::error::ExpressionError;

/// `value` as JSON, at most about `max_bytes` of text.
pub(super) fn json(value: &Val<'_>, max_bytes: usize) -> Result<Value, Stop> {
    Room { left: max_bytes, max: max_bytes }.json(value)
}

/// What a result may still have of bytes.
struct Room {
    left: usize,
    max: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        let left = self.left.checked_sub(bytes);
        let oversize = || ExpressionError::oversize(self.max.saturating_add(1), self.max);
        self.left = left.ok_or_else(|| Stop::Spent(oversize()))?;
        Ok(())
    }

    fn json(&mut self, value: &Val<'_>) -> Result<Value, Stop> {
        self.take(1)?;
        Ok(match value {
            Val::Null => Value::Null,
            Val::Bool(flag) => Value::Bool(*flag),
            Val::Int(int) => Value::from(*int),
            Val::Uint(uint) => Value::from(*uint),
            Val::Double(double) => {
                Number::from_f64(*double).map(Value::Number).ok_or_else(|| {
                    Stop::new(format!("the result is {double}, which JSON can't say"))
                })?
            }
            Val::Text(text) => {
                self.take(text.len())?;
                Value::from(&**text)
            }
            Val::List(items) => {
                let items = items.iter().map(|item| self.json(&item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Val::Map(entries) => {
                let mut members = Map::new();
                for (key, value) in entries.entries() {
                    self.take(key.len())?;
                    members.insert(key, self.json(&value)?);
                }
                Value::Object(members)
            }
            Val::Moment(moment) => Value::from(moment.to_string()),
            Val::Span(span) => Value::from(super::moments::written(*span)),
        })
    }
}
