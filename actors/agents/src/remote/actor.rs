//! The link to one remote agent: the shell around [`HandOver`].

use std::borrow::Cow;
use std::sync::Arc;

use synod_runtime::{
    Actor, ActorError, Address, Context, Correlation, DeadReason, ExitReason, Metadata, Principal,
    Request, requests,
};
use tokio::sync::mpsc;

use super::RemoteLink;
use super::frames::{FromAgent, Heard, NORMAL, ToAgent};
use super::machine::{Command, HandOver, HandOverLimits, Input};
use crate::actor::{Reported, report};
use crate::id::AgentKey;
use crate::letters::LetterOutcome;
use crate::messages::AgentMessage;
use crate::registry::RetireAgent;
use crate::relay::{Alarm, Carry, Deliver, Waiting, Withdraw};
use crate::work::WorkId;

/// The protocol of a link.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is what the link is for")]
pub(crate) enum RemoteMessage {
    /// Have this done.
    Deliver(Request<Deliver>),
    /// Have this read.
    Carry(Request<Carry>),
    /// Stop this.
    Withdraw(Withdraw),
    /// A program connected.
    Connected { session: u64, outgoing: mpsc::Sender<ToAgent> },
    /// It sent a frame.
    Frame { session: u64, frame: Box<FromAgent> },
    /// It sent a frame that can't be taken.
    Unfit { session: u64, work: Option<String>, why: String },
    /// Its connection is gone.
    Dropped { session: u64, reason: Cow<'static, str> },
    /// Time has passed.
    Tick,
    /// The registry answered that the agent is retired, or not.
    Retired,
}

requests!(RemoteMessage { Deliver(Deliver), Carry(Carry) });

impl From<Withdraw> for RemoteMessage {
    fn from(withdraw: Withdraw) -> Self {
        Self::Withdraw(withdraw)
    }
}

/// The link to one remote agent.
pub(super) struct RemoteActor {
    link: Arc<RemoteLink>,
    agent: Address<AgentMessage>,
    machine: HandOver,
    outgoing: Option<mpsc::Sender<ToAgent>>,
    waiting: Waiting,
    alarm: Alarm,
    commands: Vec<Command>,
}

impl RemoteActor {
    pub(super) fn new(link: Arc<RemoteLink>, agent: Address<AgentMessage>) -> Self {
        let machine = HandOver::new(HandOverLimits::of(&link.card, &link.config));
        Self {
            link,
            agent,
            machine,
            outgoing: None,
            waiting: Waiting::default(),
            alarm: Alarm::default(),
            commands: Vec::new(),
        }
    }

    fn key(&self) -> AgentKey {
        self.link.card.key()
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let now = ctx.now().into_std();
        let mut commands = std::mem::take(&mut self.commands);
        self.machine.step(now, input, &mut commands);
        for command in commands.drain(..) {
            self.execute(command, ctx);
        }
        self.commands = commands;
        self.alarm.set(ctx, self.machine.next_wake(), || RemoteMessage::Tick);
    }

    fn execute(&mut self, command: Command, ctx: &mut Context<Self>) {
        match command {
            Command::Send(frame) => self.send(frame),
            Command::Answer { work, outcome } => self.waiting.answer(work, outcome),
            Command::AnswerLetter { number, outcome } => {
                self.waiting.answer_letter(number, outcome);
            }
            Command::Note { work, progress } => self.waiting.note(work, &progress),
            Command::Spend { work, usage } => self.waiting.spend(work, usage),
            Command::DeadLetter { work, correlation } => {
                self.dead_letter(work, correlation, ctx);
            }
            Command::Close { session, code, reason } => {
                tracing::info!(agent = %self.key(), session, reason, "connection closed");
                self.send(ToAgent::Closing { code, reason });
                // The transport closes when its end of the channel has no sender any more.
                self.outgoing = None;
            }
            Command::Reachable(up) => {
                let state = if up { Ok(()) } else { Err("the agent is not connected".to_owned()) };
                report(&self.agent, Reported::Shared(state));
            }
        }
    }

    /// Frames that find no room, or no connection, are lost; work that was in them is not
    /// acknowledged and is delivered again.
    fn send(&self, frame: ToAgent) {
        let Some(outgoing) = &self.outgoing else { return };
        if outgoing.try_send(frame).is_err() {
            metrics::counter!("synod_remote_frames_lost_total").increment(1);
        }
    }

    fn dead_letter(&self, work: WorkId, trace: Option<Correlation>, ctx: &Context<Self>) {
        tracing::warn!(
            agent = %self.key(),
            task_id = %work.task,
            %work,
            trace_id = trace.map(|trace| tracing::field::display(trace.trace_shown())),
            "work was never acknowledged: dead letter"
        );
        let metadata =
            Metadata::new(|| "undelivered work").with_origin(Principal::default(), trace);
        let system = ctx.system();
        let at = system.clock().utc();
        system.dead_letters().record(ctx.path(), &metadata, DeadReason::Expired, at);
    }

    fn frame(&mut self, session: u64, frame: FromAgent, ctx: &mut Context<Self>) {
        if self.machine.session() != Some(session) {
            return;
        }
        self.link.beat(ctx.now());
        self.step(Input::Heard { session }, ctx);
        match frame.heard() {
            Heard::Of(work, said) => match work.parse() {
                Ok(work) => self.step(Input::Said { session, work, said }, ctx),
                Err(error) => {
                    self.step(Input::Unfit { session, work: None, why: error.to_string() }, ctx);
                }
            },
            Heard::To(letter, outcome) => {
                self.step(Input::Replied { session, letter, outcome }, ctx);
            }
            Heard::Misplaced(why) => {
                self.step(Input::Unfit { session, work: None, why: why.to_owned() }, ctx);
            }
            Heard::Leave => self.leave(ctx),
            Heard::Alive => {}
        }
    }

    fn unfit(&mut self, session: u64, work: Option<String>, why: String, ctx: &mut Context<Self>) {
        if self.machine.session() != Some(session) {
            return;
        }
        tracing::debug!(agent = %self.key(), work, why, "a frame can't be taken");
        metrics::counter!("synod_remote_frames_rejected_total").increment(1);
        self.link.beat(ctx.now());
        self.step(Input::Heard { session }, ctx);
        let work = work.and_then(|work| work.parse().ok());
        self.step(Input::Unfit { session, work, why }, ctx);
    }

    fn carry(&mut self, request: Request<Carry>, ctx: &mut Context<Self>) {
        let letter = self.waiting.admit_letter(request, ctx.now());
        if self.link.card.protocols.is_empty() {
            return self.waiting.answer_letter(letter.number, LetterOutcome::NotSpoken);
        }
        self.step(Input::Letter(letter), ctx);
    }

    fn leave(&mut self, ctx: &mut Context<Self>) {
        let reason = "the agent left".to_owned();
        let retire = RetireAgent { agents: self.key().into(), reason, only_removable: true };
        let within = self.link.ask_timeout();
        self.link.registry.ask_into(retire, within, &ctx.address(), |_| RemoteMessage::Retired);
    }
}

impl Actor for RemoteActor {
    type Message = RemoteMessage;
    const KIND: &'static str = "remote link";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // After a crash of this link its program has to connect anew; whoever asks must know.
        self.link.bind(ctx.address());
        self.execute(Command::Reachable(false), ctx);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: RemoteMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            RemoteMessage::Deliver(request) => {
                let assignment = self.waiting.admit(request);
                self.step(Input::Deliver { assignment }, ctx);
            }
            RemoteMessage::Carry(request) => self.carry(request, ctx),
            RemoteMessage::Withdraw(Withdraw { work }) => self.step(Input::Cancel { work }, ctx),
            RemoteMessage::Connected { session, outgoing } => {
                self.step(Input::Connected { session }, ctx);
                self.outgoing = Some(outgoing);
                self.send(self.link.welcome());
                ctx.describe(format!("connection {session}"));
            }
            RemoteMessage::Frame { session, frame } => self.frame(session, *frame, ctx),
            RemoteMessage::Unfit { session, work, why } => self.unfit(session, work, why, ctx),
            RemoteMessage::Dropped { session, reason } => {
                if self.machine.session() == Some(session) {
                    self.outgoing = None;
                    ctx.describe("not connected");
                }
                self.step(Input::Dropped { session, reason }, ctx);
            }
            RemoteMessage::Tick => {
                self.alarm.rang();
                self.step(Input::Tick, ctx);
            }
            RemoteMessage::Retired => {}
        }
        Ok(())
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        let reason = "the agent's actor stops".to_owned();
        self.send(ToAgent::Closing { code: NORMAL, reason });
    }
}
