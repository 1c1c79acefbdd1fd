//! One text for each JSON value, so that equal values can be told by equal text.
//!
//! After RFC 8785: no white space, object members in order of their names (here of their bytes),
//! and a number that has no fraction and is exact in a double is written as an integer, so that
//! `1.0` and `1` are the same.

use serde_json::Value;

/// Largest integer up to which every integer is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The canonical text of a value.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() <= EXACT => {
                out.push_str(&(double as i64).to_string());
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, out);
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                separate(at, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn separate(at: usize, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn order_white_space_and_the_form_of_numbers_do_not_matter() {
        let one = of(r#"{"b": [1.0, -0.0, 1e2], "a": {"y": "\u00e4", "x": null}}"#);
        assert_eq!(one, r#"{"a":{"x":null,"y":"ä"},"b":[1,0,100]}"#);
        assert_eq!(of(r#" { "a":{"x":null, "y":"ä"},"b":[1,0,100.0]}"#), one);
    }

    #[test]
    fn different_values_have_different_text() {
        for (one, other) in [("1", "\"1\""), ("1.5", "1"), ("[]", "{}"), ("true", "\"true\"")] {
            assert_ne!(of(one), of(other));
        }
        assert_eq!(of("12345678901234567890"), "12345678901234567890");
    }
}
