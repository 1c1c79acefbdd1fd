//! The link to a child process: the shell around [`Child`].

use std::time::Duration;

use synod_runtime::{Actor, ActorError, Address, Context, ExitReason, Request, requests};

use super::ProcessFactory;
use super::child::Running;
use super::machine::{Child, Command, Input};
use crate::actor::{Reported, report};
use crate::agent::AgentFactory;
use crate::messages::AgentMessage;
use crate::relay::{Alarm, Carry, Deliver, Waiting, Withdraw};

/// The protocol of a link.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is what the link is for")]
pub(super) enum ProcessMessage {
    /// Have this done.
    Deliver(Request<Deliver>),
    /// Have this read.
    Carry(Request<Carry>),
    /// Stop this.
    Withdraw(Withdraw),
    /// The child wrote a line.
    Line { run: u64, line: String },
    /// The child ended.
    Ended { run: u64, why: String },
    /// The child broke a limit.
    Broke { run: u64, why: String },
    /// Time has passed.
    Tick,
}

requests!(ProcessMessage { Deliver(Deliver), Carry(Carry) });

impl From<Withdraw> for ProcessMessage {
    fn from(withdraw: Withdraw) -> Self {
        Self::Withdraw(withdraw)
    }
}

/// The link to the child process of one agent. It does not crash with the child: it answers for
/// it, and starts it again.
pub(super) struct ProcessActor {
    factory: ProcessFactory,
    agent: Address<AgentMessage>,
    machine: Option<Child>,
    running: Option<Running>,
    /// Why the child before ended.
    last_death: Option<String>,
    waiting: Waiting,
    alarm: Alarm,
}

impl ProcessActor {
    pub(super) fn new(factory: ProcessFactory, agent: Address<AgentMessage>) -> Self {
        Self {
            factory,
            agent,
            machine: None,
            running: None,
            last_death: None,
            waiting: Waiting::default(),
            alarm: Alarm::default(),
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let Some(machine) = &mut self.machine else { return };
        let now = ctx.now().into_std();
        let mut commands = Vec::new();
        machine.step(now, input, &mut commands);
        let mut follow_up = None;
        for command in commands {
            follow_up = self.execute(command, ctx).or(follow_up);
        }
        if let Some(input) = follow_up {
            return self.step(input, ctx);
        }
        if let Some(machine) = &self.machine {
            self.alarm.set(ctx, Some(machine.next_wake()), || ProcessMessage::Tick);
        }
    }

    /// Executes a command; what went wrong with it is the machine's next input.
    fn execute(&mut self, command: Command, ctx: &mut Context<Self>) -> Option<Input> {
        match command {
            Command::Spawn { run } => return self.spawn(run, ctx).err(),
            Command::Write { run, line } => {
                let jammed = self.running.as_ref().is_some_and(|child| child.write(line).is_err());
                if jammed {
                    return Some(Input::Broke { run, why: "it does not read its input".into() });
                }
            }
            Command::Kill => self.running = None,
            Command::Answer { work, outcome } => self.waiting.answer(work, outcome),
            Command::AnswerLetter { number, outcome } => {
                self.waiting.answer_letter(number, outcome);
            }
            Command::Note { work, progress } => self.waiting.note(work, &progress),
            Command::Spend { work, usage } => self.waiting.spend(work, usage),
            Command::Up => {
                ctx.describe("ready");
                report(&self.agent, Reported::Shared(Ok(())));
            }
            Command::Stray { why } => {
                let agent = &self.factory.config.id;
                tracing::warn!(%agent, %why, "a line of the agent's process is ignored");
            }
            Command::Down { why } => {
                let wait = self.wait(ctx).as_secs_f64();
                ctx.describe(format!("restarting in {wait:.1} s: {why}"));
                ctx.report_restart(why.clone());
                let agent = &self.factory.config.id;
                tracing::warn!(%agent, %why, "the agent's process is down");
                metrics::counter!("synod_agent_process_failures_total").increment(1);
                self.last_death = Some(why.clone());
                report(&self.agent, Reported::Shared(Err(why)));
            }
        }
        None
    }

    /// How long it is until a child that is down is started again.
    fn wait(&self, ctx: &Context<Self>) -> Duration {
        let now = ctx.now().into_std();
        let until = self.machine.as_ref().map_or(now, Child::next_wake);
        until.saturating_duration_since(now)
    }

    fn spawn(&mut self, run: u64, ctx: &mut Context<Self>) -> Result<(), Input> {
        let after = self.last_death.take();
        report(&self.agent, Reported::Spawned { restarts: run.saturating_sub(1), after });
        let failed = |why: String| Input::Ended { run, why };
        let farewell = ctx.address().reserve().map_err(|error| failed(error.to_string()))?;
        let config = &self.factory.config;
        let running = Running::spawn(config, &self.factory.programs, run, ctx.address(), farewell)
            .map_err(|error| failed(format!("'{}' can't be started: {error}", config.command)))?;
        self.running = Some(running);
        Ok(())
    }
}

impl Actor for ProcessActor {
    type Message = ProcessMessage;
    const KIND: &'static str = "process link";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let chance = ctx.system().entropy().fraction();
        let now = ctx.now().into_std();
        let (card, times) = (self.factory.card(), self.factory.times());
        self.machine = Some(Child::new(card, times, chance, now));
        report(&self.agent, Reported::Shared(Err("the agent's process starts".into())));
        self.step(Input::Tick, ctx);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: ProcessMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            ProcessMessage::Deliver(request) => {
                let assignment = self.waiting.admit(request);
                self.step(Input::Deliver { assignment }, ctx);
            }
            ProcessMessage::Carry(request) => {
                let letter = self.waiting.admit_letter(request, ctx.now());
                self.step(Input::Letter(letter), ctx);
            }
            ProcessMessage::Withdraw(Withdraw { work }) => self.step(Input::Cancel { work }, ctx),
            ProcessMessage::Line { run, line } => self.step(Input::Line { run, line }, ctx),
            ProcessMessage::Ended { run, why } => self.step(Input::Ended { run, why }, ctx),
            ProcessMessage::Broke { run, why } => self.step(Input::Broke { run, why }, ctx),
            ProcessMessage::Tick => {
                self.alarm.rang();
                self.step(Input::Tick, ctx);
            }
        }
        Ok(())
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}
