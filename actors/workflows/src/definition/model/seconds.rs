//! A span of time as definitions write it: seconds, with a fraction down to the millisecond.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest span: ten years.
const MAX: f64 = 315_360_000.0;

/// A span of time: `300`, `0.25`; 0 to ten years, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds {
    millis: u64,
}

impl Seconds {
    /// Whole seconds.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self { millis: seconds.saturating_mul(1_000) }
    }

    /// Milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// As milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.millis.is_multiple_of(1_000) {
            serializer.serialize_u64(self.millis / 1_000)
        } else {
            serializer.serialize_f64(self.millis as f64 / 1_000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..=MAX).contains(&seconds) {
            let message = format!("{seconds} s is out of range: expected 0 to {MAX}");
            return Err(serde::de::Error::custom(message));
        }
        Ok(Self { millis: (seconds * 1_000.0).round() as u64 })
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds, to the millisecond; at most ten years.",
            "type": "number",
            "minimum": 0,
            "maximum": MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_milliseconds_and_refuse_what_is_no_span() {
        for (text, millis) in [("300", 300_000), ("0.25", 250), ("1.5", 1_500), ("0", 0)] {
            let seconds: Seconds = serde_json::from_str(text).unwrap();
            assert_eq!(seconds.as_millis(), millis);
            assert_eq!(serde_json::to_string(&seconds).unwrap(), text);
        }
        for bad in ["-1", "1e300", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Seconds>(bad).is_err(), "{bad}");
        }
    }
}
