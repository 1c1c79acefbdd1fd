//! What must last: run-time registrations and their ends go through the journal before they count,
//! and come back from it.

use std::sync::Arc;
use std::time::Duration;

use synod_journal::{
    Append, AppendError, Committed, Expected, LoadSnapshot, Partition, ReadStream, Record,
    SaveSnapshot,
};
use synod_runtime::{ActorError, Address, AskError, Context, Reply, Request};

use super::machine::{Registration, Registry};
use super::messages::{
    RegisterAgent, RegisterError, Registered, RegistryMessage, RetireAgent, RetireError,
};
use super::records::{self, Event, SNAPSHOT_VERSION, STREAM};
use super::shell::{RegistryActor, Step, Stepped, not_started};
use crate::card::{AgentCard, AgentKind};
use crate::id::AgentKey;
use crate::messages::AgentMessage;

/// How long the journal may take for anything.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Records since the last snapshot after which another one is made at once.
const SNAPSHOT_RECORDS: u64 = 256;
/// Records of one page while replaying, and their bytes.
const PAGE_RECORDS: u32 = 1_024;
const PAGE_BYTES: u64 = 4 << 20;

/// What waits for the journal.
#[derive(Debug)]
pub(super) enum Pending {
    Register(Arc<AgentCard>, Address<AgentMessage>, bool, Reply<RegisterReply>),
    Retire(Vec<AgentKey>, String, Option<Reply<RetireReply>>),
}

type RegisterReply = Result<Registered, RegisterError>;
type RetireReply = Result<Vec<AgentKey>, RetireError>;

impl RegistryActor {
    pub(super) fn register(
        &mut self,
        request: Request<RegisterAgent>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let (RegisterAgent { card, address, durable, connected }, reply) = request.into_parts();
        if let Err(faults) = card.validate() {
            reply.send(Err(RegisterError::Invalid(faults)));
            return Ok(());
        }
        let entries = self.entries.as_ref().ok_or_else(not_started)?;
        if !entries.has_room_for(&card.key()) {
            reply.send(Err(RegisterError::Full(self.config.max_agents)));
            return Ok(());
        }
        let lasting = durable && !entries.is_kept(&card);
        let pending = Pending::Register(card, address, connected, reply);
        if lasting {
            self.append(pending, ctx)
        } else {
            self.apply(pending, false, ctx)?
        }
        Ok(())
    }

    pub(super) fn retire(
        &mut self,
        request: Request<RetireAgent>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let (RetireAgent { agents, reason, only_removable }, reply) = request.into_parts();
        let entries = self.entries.as_ref().ok_or_else(not_started)?;
        match entries.select(&agents) {
            Ok(keys) if only_removable && let Some(brought) = brought_of(entries, &keys) => {
                let (agent, kind) = brought;
                reply.send(Err(RetireError::NotRemovable { agent, kind }));
            }
            Ok(keys) => {
                let lasting = keys.iter().any(|key| entries.is_durable(key));
                let pending = Pending::Retire(keys, reason, Some(reply));
                if lasting { self.append(pending, ctx) } else { self.apply(pending, false, ctx)? }
            }
            Err(unknown) => reply.send(Err(unknown.into())),
        }
        Ok(())
    }

    /// Writes what is pending; it is applied when the journal has it.
    pub(super) fn append(&mut self, pending: Pending, ctx: &mut Context<Self>) {
        let Some(journal) = &self.journal else {
            return refuse(pending, "this node has no journal");
        };
        let records = match self.records_of(&pending) {
            Ok(records) => records,
            Err(error) => return refuse(pending, &error),
        };
        let append = Append {
            partition: Partition::from_low_bits(0),
            stream: STREAM,
            expected: Expected::Any,
            epoch: self.epoch,
            records,
        };
        let pending = Box::new(pending);
        journal.ask_into(append, JOURNAL_TIMEOUT, &ctx.address(), |answer| {
            RegistryMessage::Own(Step(Stepped::Appended(pending, answer)))
        });
    }

    fn records_of(&self, pending: &Pending) -> Result<Vec<Record>, String> {
        let records = match pending {
            Pending::Register(card, ..) => vec![records::registered(card)],
            Pending::Retire(keys, reason, _) => keys
                .iter()
                .filter(|key| self.entries.as_ref().is_some_and(|known| known.is_durable(key)))
                .map(|key| records::retired(key, reason))
                .collect(),
        };
        records.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    /// What was pending counts now. `lasting`: it is in the journal.
    fn apply(
        &mut self,
        pending: Pending,
        lasting: bool,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match pending {
            Pending::Register(card, address, connected, reply) => {
                let key = card.key();
                let max = self.config.max_agents;
                let registered = self.with(ctx, |entries, at, out| {
                    if lasting {
                        entries.keep(Arc::clone(&card));
                    }
                    let new = Registration { card, address, connected };
                    let entry = entries.register(at, new, out)?;
                    Some(Registered { entry, pulse: entries.pulse(&key)? })
                })?;
                reply.send(registered.ok_or(RegisterError::Full(max)));
            }
            Pending::Retire(keys, reason, reply) => {
                self.with(ctx, |entries, _, out| {
                    for key in &keys {
                        entries.retire(key, &reason, out);
                    }
                })?;
                if let Some(reply) = reply {
                    reply.send(Ok(keys));
                }
            }
        }
        Ok(())
    }

    pub(super) fn appended(
        &mut self,
        pending: Pending,
        answer: Result<Result<Committed, AppendError>, AskError>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let reason = match answer {
            Ok(Ok(committed)) => return self.stored(pending, committed, ctx),
            // The registrations are the node's own: the epoch is learnt here, not defended.
            Ok(Err(AppendError::Fenced { current, .. })) if current > self.epoch => {
                self.epoch = current;
                self.append(pending, ctx);
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(%reason, "the journal did not take a change of the registry");
        refuse(pending, &reason);
        Ok(())
    }

    fn stored(
        &mut self,
        pending: Pending,
        committed: Committed,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.unsaved += committed.last.0 - committed.first.0 + 1;
        self.last = self.last.max(committed.last);
        self.apply(pending, true, ctx)?;
        if self.unsaved >= SNAPSHOT_RECORDS {
            self.save(ctx);
        }
        Ok(())
    }

    /// Lets the journal drop what is older: it keeps segments for as long as a stream has records
    /// in them that no snapshot contains.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        let (Some(journal), Some(entries)) = (&self.journal, &self.entries) else { return };
        let bytes = match records::snapshot(entries.durable()) {
            Ok(bytes) => bytes,
            Err(error) => return tracing::error!(%error, "no snapshot of the registry"),
        };
        self.unsaved = 0;
        let save = SaveSnapshot { stream: STREAM, at: self.last, version: SNAPSHOT_VERSION, bytes };
        journal.ask_into(save, JOURNAL_TIMEOUT, &ctx.address(), |answer| {
            let answer = match answer {
                Ok(saved) => saved.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            RegistryMessage::Own(Step(Stepped::Saved(answer)))
        });
    }

    /// Brings the run-time registrations back.
    pub(super) async fn replay(
        &mut self,
        entries: &mut Registry<Address<AgentMessage>>,
    ) -> Result<(), ActorError> {
        let Some(journal) = self.journal.clone() else { return Ok(()) };
        let snapshot = journal.ask(LoadSnapshot { stream: STREAM }, JOURNAL_TIMEOUT).await??;
        if let Some(snapshot) = snapshot {
            self.last = snapshot.at;
            for card in records::read_snapshot(snapshot.version, &snapshot.bytes)? {
                entries.keep(card.into());
            }
        }
        let mut after = Some(self.last);
        while let Some(position) = after {
            let page = ReadStream {
                stream: STREAM,
                after: position,
                max_records: PAGE_RECORDS,
                max_bytes: PAGE_BYTES,
            };
            let page = journal.ask(page, JOURNAL_TIMEOUT).await??;
            for record in &page.records {
                match records::read(record)? {
                    Event::Registered(card) => entries.keep(Arc::new(*card)),
                    Event::Retired(key) => entries.forget(&key),
                }
                self.last = record.position;
                self.unsaved += 1;
            }
            after = page.next;
        }
        Ok(())
    }
}

/// The first of these that code or configuration brings, and its kind: what runs here, and an
/// endpoint that nobody registered at run time.
fn brought_of(
    entries: &Registry<Address<AgentMessage>>,
    keys: &[AgentKey],
) -> Option<(AgentKey, AgentKind)> {
    let kinds = keys.iter().filter_map(|key| Some((key.clone(), entries.kind_of(key)?)));
    kinds.into_iter().find(|(key, kind)| match kind {
        AgentKind::Native | AgentKind::Process => true,
        AgentKind::Http => !entries.is_durable(key),
        // A program that connects is configured nowhere.
        AgentKind::Websocket => false,
    })
}

fn refuse(pending: Pending, reason: &str) {
    let reason = reason.to_owned();
    match pending {
        Pending::Register(_, _, _, reply) => reply.send(Err(RegisterError::NotDurable(reason))),
        Pending::Retire(_, _, Some(reply)) => reply.send(Err(RetireError::NotDurable(reason))),
        // The next sweep finds the silent agent again.
        Pending::Retire(_, _, None) => {}
    }
}
