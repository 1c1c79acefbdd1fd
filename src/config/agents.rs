//! `[agents]`, `[[agents.process]]`, `[agents.http]` and `[[agents.http.agent]]`.
//!
//! How agents are hosted belongs to one family and http agents to another, which the first can't
//! know; the file has them in one section, and here they meet.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use synod_agents::AgentsConfig;
use synod_integrations::http::HttpConfig;
use synod_runtime::ConfigFault;

/// The key of the part that another family reads.
const HTTP: &str = "http";

/// `[agents]`: how agents are hosted, and those that need no code.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AgentsSection {
    /// How agents are hosted, and those that are child processes.
    #[serde(flatten)]
    pub hosting: AgentsConfig,
    /// Agents that are HTTP endpoints, and the limits of calls to them.
    pub http: HttpConfig,
}

impl AgentsSection {
    /// Checks every key of the section and of each agent in it.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = self.hosting.validate().err().unwrap_or_default();
        let http = self.http.validate().err().unwrap_or_default();
        faults.extend(http.into_iter().map(|fault| fault.within(HTTP)));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// By hand: `flatten` would not refuse unknown keys, and would lose where an error is.
impl<'de> Deserialize<'de> for AgentsSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = AgentsSection;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section of keys")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<AgentsSection, M::Error> {
        let mut http = HttpConfig::default();
        let rest = WithoutHttp { map, http: &mut http };
        let hosting = AgentsConfig::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(AgentsSection { hosting, http })
    }
}

/// The section's entries but one, which is read on the way.
struct WithoutHttp<'h, M> {
    map: M,
    http: &'h mut HttpConfig,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for WithoutHttp<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, M::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key != HTTP {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            *self.http = self.map.next_value()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(seed)
    }
}
