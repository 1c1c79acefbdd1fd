//! The written forms of types that other families own.

use schemars::{Schema, SchemaGenerator, json_schema};
use synod_tasks::{Allocation, TaskMode};

/// A priority by name, or a number from 1 (most urgent) to 10.
pub(super) mod priority {
    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;
    use synod_runtime::Priority;

    const EXPECTED: &str = "critical, high, normal, low, background or a number from 1 to 10";

    pub(in super::super) fn serialize<S: Serializer>(
        priority: &Option<Priority>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        priority.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Priority>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let named = value.as_str().and_then(|name| name.parse().ok());
        // Two numbers to each priority: 1 and 2 are critical, 9 and 10 background.
        let numbered = || {
            let lane = value.as_u64()?.checked_sub(1)? / 2;
            Priority::ALL.get(usize::try_from(lane).ok()?).copied()
        };
        let wrong = || D::Error::custom(format!("{value} is no priority: expected {EXPECTED}"));
        named.or_else(numbered).map(Some).ok_or_else(wrong)
    }

    pub(in super::super) fn schema(_: &mut SchemaGenerator) -> Schema {
        let names = Priority::ALL.map(Priority::as_str);
        json_schema!({
            "anyOf": [
                {"type": "string", "enum": names},
                {"type": "integer", "minimum": 1, "maximum": 10}
            ]
        })
    }
}

pub(super) fn mode_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = TaskMode::ALL.iter().map(ToString::to_string).collect();
    json_schema!({"type": "string", "enum": names})
}

pub(super) fn allocation_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = Allocation::ALL.iter().map(ToString::to_string).collect();
    json_schema!({"type": "string", "enum": names, "default": Allocation::default().as_str()})
}

/// A number of voters, or a share of them.
fn share_or(name: &str) -> serde_json::Value {
    let share = serde_json::json!({"type": "number", "minimum": 0, "maximum": 1});
    serde_json::json!({
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 1}, "share": share},
        "additionalProperties": false
    })
}

pub(super) fn consensus_schema(_: &mut SchemaGenerator) -> Schema {
    let share = serde_json::json!({
        "type": "object",
        "properties": {"share": {"type": "number", "minimum": 0, "maximum": 1}},
        "required": ["share"],
        "additionalProperties": false
    });
    json_schema!({
        "type": "object",
        "properties": {
            "voters": {
                "description": "How many capable agents vote when none are named.",
                "type": "integer", "minimum": 1, "maximum": 65_535, "default": 3
            },
            "quorum": share_or("voters"),
            "threshold": {
                "anyOf": [
                    {"type": "string", "enum": ["plurality", "majority", "unanimous"]},
                    share
                ]
            },
            "tie": {"type": "string", "enum": ["status_quo", "first", "random"]}
        },
        "additionalProperties": false
    })
}

pub(super) fn competitive_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "racers": {
                "description": "How many capable agents compete when none are named.",
                "type": "integer", "minimum": 1, "maximum": 65_535, "default": 2
            }
        },
        "additionalProperties": false
    })
}
