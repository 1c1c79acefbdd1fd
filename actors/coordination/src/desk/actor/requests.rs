//! What a desk is asked from outside.

use std::time::Duration;

use serde::Serialize;
use synod_journal::RecordCodec;
use synod_runtime::{Context, Principal, Request};

use super::Desk;
use super::own::{Event, Own};
use super::release::Release;
use crate::desk::book::{Begin, Change, digest};
use crate::desk::error::DeskError;
use crate::desk::id;
use crate::desk::messages::{
    DeskHealth, DeskHealthResponse, DeskMessage, Follow, History, List, NoteListener, Open, Opened,
    Show, Shown, Step,
};
use crate::desk::records::EntryV1;
use crate::protocol::{ConversationId, Opening, Protocol, Refusal};

/// Bytes of the longest key.
const MAX_KEY: usize = 255;

/// Which conversation an opening is.
enum Which {
    /// One that is there.
    Known(ConversationId),
    /// A new one.
    New(ConversationId),
}

/// What an input is stored as, and what it brought.
type Taken = (EntryV1, Change);

impl<P: Protocol> Desk<P> {
    pub(super) fn on_open(&mut self, request: Request<Open<P>>, ctx: &mut Context<Self>) {
        let (open, reply) = request.into_parts();
        if let Some(error) = self.closed() {
            return reply.send(Err(error));
        }
        let (id, opened) = match self.open(open, ctx) {
            Ok(opened) => opened,
            Err(error) => {
                self.gauges.refused.increment(1);
                return self.release_when_stored(Release::Opened(reply, Err(error)));
            }
        };
        let duplicate = opened.is_none();
        let answer = self.book.get(id).map(|it| {
            let (summary, view) = (it.summary(), it.state.view());
            Opened { id, summary, view, duplicate }
        });
        let answer = answer.ok_or(DeskError::Unknown);
        let release = Release::Opened(reply, answer);
        match opened {
            Some((entry, change)) => self.gather(id, entry, change, Some(release)),
            None => self.release_when_stored(release),
        }
    }

    /// Finds or begins what is asked for.
    fn open(
        &mut self,
        open: Open<P>,
        ctx: &Context<Self>,
    ) -> Result<(ConversationId, Option<Taken>), DeskError> {
        let Open { setup, by, id, key } = open;
        let bytes = self.encoded_within("setup", &setup, self.config.max_setup_bytes, &by)?;
        let digest = digest(&bytes);
        let now = self.now(ctx);
        let id = match self.which(id, key.as_deref(), &by, digest, ctx)? {
            Which::Known(id) => return Ok((id, None)),
            Which::New(id) => id,
        };
        if self.book.open_count() >= self.config.max_open {
            let most = self.config.max_open;
            let reason = format!("{most} conversations are open, as many as may be (max_open)");
            return Err(DeskError::Full(reason));
        }
        let seed = ctx.system().entropy().next_u64();
        let opening = Opening { id, now, seed, by: by.clone() };
        let begin = Begin { opening, key: key.clone(), digest, setup };
        let change = self.book.open(begin, None)?;
        self.gauges.opened.increment(1);
        let version = P::VERSION;
        let entry =
            EntryV1::Opened { id, by, at: now, seed, key, version, setup: bytes, told: None };
        Ok((id, Some((entry, change))))
    }

    /// Which conversation the name and the key are of.
    fn which(
        &mut self,
        id: Option<ConversationId>,
        key: Option<&str>,
        by: &Principal,
        digest: [u8; 32],
        ctx: &Context<Self>,
    ) -> Result<Which, DeskError> {
        if key.is_some_and(|key| !(1..=MAX_KEY).contains(&key.len())) {
            let reason = format!("expected 1 to {MAX_KEY} bytes");
            return Err(Refusal::invalid("key", reason).into());
        }
        if let Some(id) = id {
            id::check(self.share, id)?;
        }
        let keyed = key.and_then(|key| self.book.by_key(by, key));
        let named = id.filter(|id| self.book.get(*id).is_some());
        let Some(known) = keyed.or(named) else {
            return Ok(Which::New(id.unwrap_or_else(|| self.mint(ctx))));
        };
        let conversation = self.book.get(known);
        let is_same = id.is_none_or(|id| id == known)
            && conversation.is_some_and(|it| it.digest == digest && it.by == *by)
            && conversation.is_some_and(|it| key.is_none() || it.key.as_deref() == key);
        if is_same {
            return Ok(Which::Known(known));
        }
        let what = if keyed.is_some() { "key" } else { "id" };
        let reason = format!("the {what} is that of another conversation, {known}");
        Err(Refusal::Conflict(reason).into())
    }

    fn mint(&mut self, ctx: &Context<Self>) -> ConversationId {
        let now = self.now(ctx);
        loop {
            let mut random = [0; 16];
            ctx.system().entropy().fill(&mut random);
            let id = id::mint(self.share, now, u128::from_be_bytes(random));
            if self.book.get(id).is_none() {
                return id;
            }
        }
    }

    /// The bytes of something that somebody gave, if they are not too many.
    fn encoded_within(
        &self,
        field: &'static str,
        value: &impl Serialize,
        configured: u64,
        by: &Principal,
    ) -> Result<bytes::Bytes, DeskError> {
        let most = self.fitting(configured, by.name.len());
        let bytes = RecordCodec::encode(value)
            .map_err(|error| Refusal::invalid(field, error.to_string()))?;
        if bytes.len() > most {
            let reason = format!("{} bytes as stored; expected at most {most}", bytes.len());
            return Err(Refusal::invalid(field, reason).into());
        }
        Ok(bytes)
    }

    pub(super) fn on_step(&mut self, request: Request<Step<P>>, ctx: &mut Context<Self>) {
        let (Step { id, by, input }, reply) = request.into_parts();
        if let Some(error) = self.shut() {
            return reply.send(Err(error));
        }
        match self.step(id, by, input, ctx) {
            Ok(((entry, change), answer)) => {
                self.gauges.stepped.increment(1);
                self.gather(id, entry, change, Some(Release::Stepped(reply, Ok(answer))));
            }
            Err(error) => {
                self.gauges.refused.increment(1);
                self.release_when_stored(Release::Stepped(reply, Err(error)));
            }
        }
    }

    fn step(
        &mut self,
        id: ConversationId,
        by: Principal,
        input: P::Input,
        ctx: &Context<Self>,
    ) -> Result<(Taken, P::Answer), DeskError> {
        let bytes = self.encoded_within("input", &input, self.config.max_input_bytes, &by)?;
        let now = self.now(ctx);
        let stepped = self.book.step(id, now, &by, input, None).ok_or(DeskError::Unknown)?;
        let (answer, change) = stepped?;
        let version = P::VERSION;
        let entry = EntryV1::Stepped { id, by, at: now, version, input: bytes, told: None };
        Ok(((entry, change), answer))
    }

    pub(super) fn on_show(&mut self, request: Request<Show<P>>) {
        let (Show { id, .. }, reply) = request.into_parts();
        let shown = self.book.get(id).map(|conversation| Shown {
            summary: conversation.summary(),
            view: conversation.state.view(),
        });
        self.release_when_stored(Release::Shown(reply, shown));
    }

    pub(super) fn on_list(&mut self, request: Request<List>) {
        let (list, reply) = request.into_parts();
        let page = self.book.list(&list);
        self.release_when_stored(Release::Listed(reply, page));
    }

    pub(super) fn on_history(&mut self, request: Request<History>) {
        let (History { id, after, limit }, reply) = request.into_parts();
        let page = self.book.get(id).map(|known| known.page(after, u64::MAX, limit));
        self.release_when_stored(Release::History(reply, page.ok_or(DeskError::Unknown)));
    }

    pub(super) fn on_follow(&mut self, request: Request<Follow>, ctx: &mut Context<Self>) {
        let (Follow { id, after, within }, reply) = request.into_parts();
        let waits = self.book.get(id).is_some_and(|it| it.last_note <= after && it.is_open());
        if !waits {
            let page = self.book.get(id).map(|known| known.page(after, u64::MAX, usize::MAX));
            let page = page.ok_or(DeskError::Unknown);
            return self.release_when_stored(Release::History(reply, page));
        }
        let most = usize::try_from(self.config.max_followers).unwrap_or(usize::MAX);
        match self.followers.add(id, after, reply, most) {
            Ok(ticket) => {
                let within = within.min(Duration::from_secs(self.config.max_follow_s));
                let over = DeskMessage::Own(Own(Event::FollowOver { id, ticket }));
                ctx.send_after(within, over);
            }
            Err(reply) => {
                let reason = format!("{most} wait for notes, as many as may (max_followers)");
                reply.send(Err(DeskError::Full(reason)));
            }
        }
    }

    pub(super) fn on_health(&self, request: Request<DeskHealth>) {
        let draining = self.drain.is_some().then(|| "the desk is draining".to_owned());
        let reason = self.refusal.clone().or(draining);
        request.answer(DeskHealthResponse {
            kind: P::KIND.to_owned(),
            accepting: reason.is_none(),
            reason,
            open: self.book.open_count(),
            ended: self.book.ended_count(),
            deliveries: self.deliveries.len() as u64,
        });
    }

    pub(super) fn on_subscribe(&mut self, listener: NoteListener) {
        if self.listeners.len() as u64 >= self.config.max_listeners {
            tracing::warn!(
                protocol = P::KIND,
                "a listener is dropped: there are as many as may be"
            );
            return;
        }
        self.listeners.push(listener);
    }

    /// Why no conversation is opened now.
    fn closed(&self) -> Option<DeskError> {
        if self.drain.is_some() {
            return Some(DeskError::NotAccepting("the desk is draining".to_owned()));
        }
        self.shut()
    }

    /// Why no input is taken now.
    fn shut(&self) -> Option<DeskError> {
        if let Some(reason) = &self.refusal {
            return Some(DeskError::NotAccepting(reason.clone()));
        }
        self.is_full().then(|| {
            let reason = "too much waits for the journal (max_unstored, max_unstored_bytes)";
            DeskError::Full(reason.to_owned())
        })
    }

    /// Whether as many inputs wait for the journal as may.
    pub(super) fn is_full(&self) -> bool {
        self.queue.is_full(self.config.max_unstored, self.config.max_unstored_bytes)
    }
}
