//! What was stored, read back; and stored as a whole.

use synod_journal::{
    Health, LoadSnapshot, Position, ReadStream, SaveSnapshot, Survey, Truncate, Versioned,
};
use synod_runtime::{ActorError, Context};

use super::committing::JOURNAL_TIMEOUT;
use super::{Event, Own, Topics};
use crate::messaging::topics::durable::Durable;
use crate::messaging::topics::messages::TopicsMessage;
use crate::messaging::topics::records::{
    EventV1, SNAPSHOT_VERSION, STREAM, read_snapshot, snapshot,
};

/// Records of one page, and their bytes.
const PAGE_RECORDS: u32 = 1_024;
const PAGE_BYTES: u64 = 4 << 20;

/// Snapshots that must contain a record before the log can drop it.
pub(super) const OWED: u8 = 2;

impl Topics {
    /// Makes the state what the log says.
    pub(super) async fn recover(&mut self) -> Result<(), ActorError> {
        let Some(journal) = self.journal.clone() else { return Ok(()) };
        self.limits = journal.ask(Health {}, JOURNAL_TIMEOUT).await?.limits;
        let contents = journal.ask(Survey {}, JOURNAL_TIMEOUT).await?;
        let known = contents.streams.iter().find(|(stream, _)| *stream == STREAM);
        self.version = known.map_or(0, |(_, version)| *version);
        let loaded = journal.ask(LoadSnapshot { stream: STREAM }, JOURNAL_TIMEOUT).await??;
        self.position = Position(0);
        self.durable = match loaded {
            Some(loaded) => {
                self.position = loaded.at;
                Durable::load(self.config, read_snapshot(loaded.version, &loaded.bytes)?)
            }
            None => Durable::new(self.config),
        };
        self.unsaved = 0;
        (self.kept, self.owed) = (self.position, OWED.saturating_sub(1));
        let mut after = Some(self.position);
        while let Some(position) = after {
            let page = ReadStream {
                stream: STREAM,
                after: position,
                max_records: PAGE_RECORDS,
                max_bytes: PAGE_BYTES,
            };
            let page = journal.ask(page, JOURNAL_TIMEOUT).await??;
            for record in &page.records {
                let event = EventV1::from_record(&record.kind, record.version, &record.bytes)?;
                self.durable.apply(event);
                self.position = record.position;
                self.epoch = self.epoch.max(record.epoch);
                (self.unsaved, self.owed) = (self.unsaved + 1, OWED);
            }
            after = page.next;
        }
        self.last = self.last.max(self.durable.last());
        self.stored = self.durable.last();
        Ok(())
    }

    /// Saves the state when many records were written since. To be called while nothing is on its
    /// way: the state is what is stored then.
    pub(super) fn save_if_due(&mut self, ctx: &Context<Self>) {
        if !self.saving && self.unsaved >= self.config.snapshot_records {
            self.save(self.position, ctx);
        }
    }

    /// Lets the log do without the records of a state that is quiet: it is saved at the end of the
    /// log, and once more behind that, as the log keeps the last two.
    pub(super) async fn keep(&mut self, ctx: &mut Context<Self>) {
        let Some(journal) = self.journal.clone() else { return };
        if self.saving || self.owed == 0 || self.in_flight.is_some() {
            return;
        }
        // A journal that does not answer is asked again the next time.
        let Ok(health) = journal.ask(Health {}, JOURNAL_TIMEOUT).await else { return };
        if health.last > self.kept {
            self.save(health.last.max(self.position), ctx);
        }
    }

    fn save(&mut self, at: Position, ctx: &Context<Self>) {
        let Some(journal) = &self.journal else { return };
        let bytes = match snapshot(&self.durable.save()) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unsaved = 0;
                return tracing::error!(%error, "no snapshot of topics");
            }
        };
        (self.saving, self.unsaved) = (true, 0);
        let save = SaveSnapshot { stream: STREAM, at, version: SNAPSHOT_VERSION, bytes };
        journal.ask_into(save, JOURNAL_TIMEOUT, &ctx.address(), move |answer| {
            let saved = match answer {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            TopicsMessage::Own(Own(Event::Saved(at, saved)))
        });
    }

    /// The state was saved, or not.
    pub(super) fn saved(&mut self, at: Position, saved: Result<(), String>, ctx: &Context<Self>) {
        self.saving = false;
        if let Err(why) = saved {
            return tracing::warn!(why, "the state of topics was not saved");
        }
        if at > self.kept {
            // What came meanwhile is owed anew.
            let paid = u8::from(self.unsaved == 0);
            (self.kept, self.owed) = (at, self.owed.saturating_sub(paid));
        }
        let Some(journal) = &self.journal else { return };
        journal.ask_into(Truncate { before: at }, JOURNAL_TIMEOUT, &ctx.address(), |answer| {
            TopicsMessage::Own(Own(Event::Dropped(match answer {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            })))
        });
    }
}
