//! A required capability: its name, and the lowest version of the agent that may have it.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name in bytes.
const MAX_NAME: usize = 128;

/// Longest version in bytes: pre-release and build have no limit of their own, and a requirement
/// is part of a record.
const MAX_VERSION: usize = 64;

/// A required capability: `"text.count"`, `"text.count@1.2.0"` (that version of the agent or a
/// later one), or `{"name": "text.count", "min_version": "1.2.0"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityRequirement {
    /// `[a-z0-9][a-z0-9._-]{0,127}`
    pub name: String,
    /// Lowest version of the agent, inclusive.
    pub min_version: Option<Version>,
}

/// The text is no required capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a capability: expected a name of 1 to 128 of a-z, 0-9, '.', '_', '-', a \
         letter or digit first, and at most '@' and a semantic version of at most 64 bytes"
)]
pub struct InvalidRequirement(pub String);

impl InvalidRequirement {
    /// Of a text that may be of any length.
    fn of(text: &str) -> Self {
        Self(text.chars().take(MAX_NAME + MAX_VERSION).collect())
    }
}

impl CapabilityRequirement {
    /// Any version of an agent that has the capability `name`.
    ///
    /// # Errors
    /// [`InvalidRequirement`] when the name is not of the form of one.
    pub fn any(name: &str) -> Result<Self, InvalidRequirement> {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let good = bytes.len() <= MAX_NAME
            && bytes.first().is_some_and(|first| lower(*first))
            && bytes.iter().all(|byte| lower(*byte) || b"._-".contains(byte));
        if !good {
            return Err(InvalidRequirement::of(name));
        }
        Ok(Self { name: name.to_owned(), min_version: None })
    }
}

impl FromStr for CapabilityRequirement {
    type Err = InvalidRequirement;

    fn from_str(text: &str) -> Result<Self, InvalidRequirement> {
        let Some((name, version)) = text.split_once('@') else { return Self::any(text) };
        let min_version = parse_version(version).ok_or_else(|| InvalidRequirement::of(text))?;
        Ok(Self { min_version: Some(min_version), ..Self::any(name)? })
    }
}

fn parse_version(text: &str) -> Option<Version> {
    (text.len() <= MAX_VERSION).then(|| Version::parse(text).ok()).flatten()
}

impl fmt::Display for CapabilityRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.min_version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Serialize for CapabilityRequirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The object form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementObject {
    name: String,
    #[serde(default, deserialize_with = "short_version")]
    min_version: Option<Version>,
}

fn short_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let unexpected = "a version that is none, or is too long";
    let wrong = || {
        serde::de::Error::invalid_value(
            serde::de::Unexpected::Other(unexpected),
            &"a semantic version of at most 64 bytes",
        )
    };
    parse_version(&text).map(Some).ok_or_else(wrong)
}

impl<'de> Deserialize<'de> for CapabilityRequirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, not `untagged`: an untagged enum says neither which field is wrong nor why.
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = CapabilityRequirement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a capability's name, or an object with name and min_version")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                let RequirementObject { name, min_version } =
                    RequirementObject::deserialize(MapAccessDeserializer::new(map))?;
                let any = CapabilityRequirement::any(&name).map_err(serde::de::Error::custom)?;
                Ok(CapabilityRequirement { min_version, ..any })
            }
        }
        deserializer.deserialize_any(TextOrObject)
    }
}

impl utoipa::PartialSchema for CapabilityRequirement {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder};
        let text = || <String as utoipa::PartialSchema>::schema();
        let object = ObjectBuilder::new()
            .property("name", text())
            .property("min_version", text())
            .required("name");
        OneOfBuilder::new().item(text()).item(object).into()
    }
}

impl utoipa::ToSchema for CapabilityRequirement {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_a_name_a_name_and_version_or_an_object() {
        let read = |json: &str| serde_json::from_str::<CapabilityRequirement>(json);
        assert_eq!(read(r#""text.count""#).unwrap().to_string(), "text.count");
        let both = read(r#"{"name": "text.count", "min_version": "1.2.0"}"#).unwrap();
        assert_eq!(read(r#""text.count@1.2.0""#).unwrap(), both);
        for bad in [r#""Text""#, r#""a@x""#, r#""""#, r#"{"name": "a", "max": 1}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_of_any_length_is_refused_in_either_form_and_not_said_again() {
        let long = format!("1.0.0-{}", "a".repeat(1 << 20));
        for json in [format!(r#""x@{long}""#), format!(r#"{{"name":"x","min_version":"{long}"}}"#)]
        {
            let error = serde_json::from_str::<CapabilityRequirement>(&json).unwrap_err();
            assert!(error.to_string().len() < 600, "{}", error.to_string().len());
            assert!(error.to_string().contains("64 bytes"), "{error}");
        }
    }
}
