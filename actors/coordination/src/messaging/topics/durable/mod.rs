//! Durable subscriptions, last values and dead letters: what survives a restart. Pure: decisions
//! become events, events make the state, the same in a replay.

mod giving;
mod state;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use synod_agents::AgentId;

use super::config::TopicsConfig;
use super::error::TopicError;
use super::filter::TopicFilter;
use super::messages::{KeepSubscription, Publish, Published};
use super::records::EventV1;
use crate::protocol::Moment;

pub(super) use state::Durable;
pub use terms::{Overflow, Terms};

/// Longest name of a subscription.
const MAX_NAME: usize = 128;

/// One message that is given to the consumer of a durable subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Its number, which an acknowledgement names.
    pub number: u64,
    /// How often it was given, with this time, since the node started.
    pub attempt: u32,
    /// The message.
    pub message: Arc<Published>,
}

/// How a durable subscription stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct SubscriptionView {
    /// Its name.
    pub name: String,
    /// Which topics.
    pub filter: String,
    /// The agent that is given each message, if it is one.
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    /// How it is kept and given.
    pub terms: Terms,
    /// Messages that are not acknowledged.
    pub backlog: u64,
    /// The number of the last message that was acknowledged; 0 for none.
    pub acknowledged: u64,
    /// Messages that became dead letters.
    pub dead: u64,
}

/// A message that could not be worked on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TopicLetter {
    /// Its number among dead letters, from 1.
    pub number: u64,
    /// Whose it was.
    pub subscription: String,
    /// The number of the message.
    pub message: u64,
    /// Its topic.
    pub topic: String,
    /// Who published it.
    pub sender: String,
    /// Why it was given up.
    pub reason: String,
    /// When (UTC microseconds).
    pub at_us: i64,
}

/// Whether `name` can be that of a durable subscription.
fn check_name(name: &str) -> Result<(), TopicError> {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = name.len() <= MAX_NAME
        && name.bytes().next().is_some_and(lower)
        && name.bytes().all(|byte| lower(byte) || matches!(byte, b'.' | b'_' | b'-'));
    if sound {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    let expected = "1 to 128 of a-z, 0-9, '.', '_' and '-', a letter or digit first";
    Err(TopicError::invalid("name", format!("'{}' is not {expected}", shown.escape_debug())))
}

impl Durable {
    /// What keeping a subscription comes to; nothing when it is kept already.
    pub(super) fn keep(&self, asked: KeepSubscription) -> Result<Option<EventV1>, TopicError> {
        let KeepSubscription { name, filter, agent, terms } = asked;
        check_name(&name)?;
        TopicFilter::new(filter.as_str())?;
        terms.check()?;
        if let Some(known) = self.show(&name) {
            if (&known.filter, &known.agent, &known.terms) == (&filter, &agent, &terms) {
                return Ok(None);
            }
            let reason = format!("durable subscription '{name}' is there with other terms");
            return Err(TopicError::Conflict(reason));
        }
        if self.len() >= self.config().max_durable {
            let most = self.config().max_durable;
            let reason = format!("{most} durable subscriptions are kept, the most there may be");
            return Err(TopicError::Full(reason));
        }
        Ok(Some(EventV1::Kept { name, filter, agent, terms }))
    }

    /// What publishing comes to: nothing when nobody durable is concerned. `number` is the
    /// message's.
    pub(super) fn publish(
        &self,
        now: Moment,
        number: u64,
        asked: &Publish,
    ) -> Result<Vec<EventV1>, TopicError> {
        let names = self.subscribers(&asked.topic);
        if names.is_empty() && !asked.retain {
            return Ok(Vec::new());
        }
        if asked.retain {
            self.check_retained(asked)?;
        }
        let mut events = Vec::new();
        for name in &names {
            let Some(kept) = self.kept(name) else { continue };
            let full = kept.backlog.len() as u64 >= kept.terms.max_backlog;
            match (full, kept.terms.overflow, kept.backlog.front()) {
                (true, Overflow::DeadLetter, Some(oldest)) => {
                    let reason = "the backlog was full and it was the oldest".to_owned();
                    let (name, number) = (name.clone(), *oldest);
                    events.push(EventV1::Buried { name, number, reason, at_us: now.0 });
                }
                (true, ..) => return Err(self.backlog_full(name)),
                _ => {}
            }
        }
        if !names.is_empty() && asked.content.bytes.len() > self.room() {
            return Err(self.no_room());
        }
        events.push(EventV1::Published {
            number,
            topic: asked.topic.clone(),
            sender: asked.sender.clone(),
            content: asked.content.clone(),
            at_us: now.0,
            retain: asked.retain,
        });
        Ok(events)
    }

    fn backlog_full(&self, name: &str) -> TopicError {
        let most = self.kept(name).map_or(0, |kept| kept.terms.max_backlog);
        TopicError::Full(format!(
            "durable subscription '{name}' has {most} messages to read, the most it may have: \
             nobody was told"
        ))
    }

    fn no_room(&self) -> TopicError {
        let most = self.config().max_backlog_bytes;
        TopicError::Full(format!(
            "durable subscriptions have more than {most} bytes to read, the most they may have: \
             nobody was told"
        ))
    }

    fn check_retained(&self, asked: &Publish) -> Result<(), TopicError> {
        let TopicsConfig { max_retained, max_retained_bytes, .. } = *self.config();
        let (count, bytes) = self.retained_without(&asked.topic);
        let size = asked.content.bytes.len();
        if size > 0 && count >= max_retained {
            let reason = format!("{max_retained} topics have a last value, the most there may be");
            return Err(TopicError::Full(reason));
        }
        if bytes + size > max_retained_bytes {
            let reason = format!(
                "last values have more than {max_retained_bytes} bytes, the most there may"
            );
            return Err(TopicError::Full(reason));
        }
        Ok(())
    }
}
