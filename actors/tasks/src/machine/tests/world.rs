//! A world of its own for each test: a machine, a clock, a log in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_agents::{AgentCard, AgentError, AgentErrorKind, AgentStatus, Payload};
use synod_journal::{AppendBounds, Epoch, Position, Record, StoredRecord};
use synod_runtime::Principal;

use crate::bidding::Said;
use crate::config::TasksConfig;
use crate::error::{CancelError, SubmitError};
use crate::machine::{
    Answer, Book, Call, Command, Dispatch, Effects, Ending, Input, Outcome, TaskMachine,
};
use crate::matching::AgentSlot;
use crate::messages::{Accepted, TaskChange, TaskStatusResponse, TaskSubmissionRequest};
use crate::records;
use crate::task::{Moment, TaskId, TaskState};
use crate::validation::{Asker, check};

/// Midnight of the first day of 2026.
const EPOCH: i64 = 1_767_225_600_000_000;

pub(crate) struct World {
    pub machine: TaskMachine,
    pub now: Moment,
    pub log: Vec<StoredRecord>,
    /// Executions that agents have and have not answered.
    pub in_hand: Vec<Dispatch>,
    /// Executions that agents were told to stop.
    pub cancelled: Vec<(TaskId, u16)>,
    /// Tasks whose end was told.
    pub told: Vec<TaskId>,
    /// Executions whose keepers were answered.
    pub endings: Vec<Ending>,
    /// Calls that agents have got.
    pub calls: Vec<Call>,
    /// Commands for executions that had to wait until a batch was stored.
    pub held_back: usize,
    /// Changes that were told.
    pub changes: Vec<TaskChange>,
    agents: Vec<(Arc<AgentCard>, AgentStatus)>,
    effects: Effects,
    config: TasksConfig,
    /// Machines made so far: each has another seed.
    machines: u8,
}

/// A request of this kind, which is also the capability it requires.
pub(crate) fn request(kind: &str) -> TaskSubmissionRequest {
    TaskSubmissionRequest::new(kind)
}

/// An outcome with this JSON text as output.
pub(crate) fn answer(json: &str) -> Outcome {
    let output = Payload::new("application/json", json.to_owned()).into();
    Outcome::Done { output, saved: None }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(TasksConfig::default())
    }

    pub(crate) fn with(config: TasksConfig) -> Self {
        assert_eq!(config.validate(), Ok(()));
        let mut world = Self {
            machine: TaskMachine::new(config.clone(), [1; 32]),
            now: Moment { mono: 0, utc: EPOCH },
            log: Vec::new(),
            in_hand: Vec::new(),
            cancelled: Vec::new(),
            told: Vec::new(),
            endings: Vec::new(),
            calls: Vec::new(),
            held_back: 0,
            changes: Vec::new(),
            agents: Vec::new(),
            effects: Effects::after(0, AppendBounds::default()),
            config,
            machines: 1,
        };
        world.machine.has_listeners = true;
        world.step(Input::Begin);
        world.settle();
        world
    }

    /// One input, its effects not stored yet.
    pub(crate) fn step(&mut self, input: Input) -> Answer {
        self.machine.step(self.now, input, &mut self.effects)
    }

    /// Ends the batch: what was gathered is stored, and then carried out.
    pub(crate) fn settle(&mut self) {
        self.step(Input::Settle);
        let effects = self.effects.take();
        for record in effects.encode().unwrap() {
            self.store(record);
        }
        for (after, command) in effects.prompt {
            self.held_back += usize::from(after > 0);
            self.carry_out(command);
        }
        for command in effects.commands {
            self.carry_out(command);
        }
        let ledger = self.machine.ledger();
        assert!(ledger.balanced, "{ledger:?}");
    }

    fn store(&mut self, record: Record) {
        self.log.push(StoredRecord {
            position: Position(self.log.len() as u64 + 1),
            partition: record.partition.unwrap_or_default(),
            stream: records::STREAM,
            epoch: Epoch(0),
            kind: record.kind.as_str().to_owned(),
            version: record.version,
            recorded_at_us: self.now.utc,
            bytes: record.bytes,
        });
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Dispatch(dispatch) => self.in_hand.push(*dispatch),
            Command::Cancel { work, .. } => self.cancelled.push((work.task, work.part)),
            Command::Ended(task) => self.told.push(task),
            Command::Changed(change) => self.changes.push(change),
            Command::Executed(ending) => self.endings.push(*ending),
            Command::Call(call) => {
                let Call { task, part, round, .. } = *call;
                self.calls.push(*call);
                self.step(Input::Called { task, part, round });
            }
        }
    }

    /// An agent of this id, version 1.0.0, with these capabilities.
    pub(crate) fn agent(&mut self, id: &str, capabilities: &[&str]) -> AgentSlot {
        let card = AgentCard::new(id, "1.0.0");
        self.join(capabilities.iter().fold(card, |card, name| card.capability(*name)))
    }

    pub(crate) fn join(&mut self, card: AgentCard) -> AgentSlot {
        let card = Arc::new(card);
        self.agents.push((card.clone(), AgentStatus::Active));
        let answer = self.step(Input::Joined { card, status: AgentStatus::Active });
        self.settle();
        let Answer::Seated(slot) = answer else { panic!("an agent that joins has a seat") };
        slot
    }

    pub(crate) fn leave(&mut self, id: &str) {
        let at = self.agents.iter().position(|(card, _)| card.id.as_str() == id).unwrap();
        let (card, _) = self.agents.remove(at);
        self.step(Input::Left { key: card.key() });
        self.settle();
    }

    pub(crate) fn set_status(&mut self, id: &str, status: AgentStatus) {
        let known = self.agents.iter_mut().find(|(card, _)| card.id.as_str() == id).unwrap();
        known.1 = status;
        let key = known.0.key();
        self.step(Input::StatusChanged { key, status });
        self.settle();
    }

    /// Submits and ends the batch.
    pub(crate) fn submit(
        &mut self,
        request: TaskSubmissionRequest,
    ) -> Result<Accepted, SubmitError> {
        let result = self.submit_within_batch(request);
        self.settle();
        result
    }

    pub(crate) fn submit_within_batch(
        &mut self,
        request: TaskSubmissionRequest,
    ) -> Result<Accepted, SubmitError> {
        let asker = Asker { principal: Principal::user("ada"), correlation: None };
        let (spec, input) = check(request, asker, &self.config, self.now)?;
        match self.step(Input::Submit { spec: Arc::new(spec), input: input.into() }) {
            Answer::Submitted(result) => result,
            other => panic!("a submission is answered: {other:?}"),
        }
    }

    /// Submits what must be accepted.
    pub(crate) fn accept(&mut self, request: TaskSubmissionRequest) -> TaskId {
        self.submit(request).unwrap().task_id
    }

    pub(crate) fn cancel(&mut self, task: TaskId) -> Result<(), CancelError> {
        let answer = self.step(Input::Cancel { task, by: Principal::user("ada") });
        self.settle();
        let Answer::Cancelled(result) = answer else { panic!("a cancellation is answered") };
        result
    }

    /// Takes the only execution that is in agents' hands.
    pub(crate) fn only_dispatch(&mut self) -> Dispatch {
        assert_eq!(self.in_hand.len(), 1, "{:?}", self.in_hand);
        self.in_hand.remove(0)
    }

    /// The agent of this id answers the latest call that it has got.
    pub(crate) fn say(&mut self, id: &str, said: Said) {
        let of = |(_, label): &&(AgentSlot, Arc<str>)| label.split('@').next() == Some(id);
        let asked = |call: &Call| call.asked.iter().find(of).map(|(agent, _)| *agent);
        let found = self.calls.iter().rev().find_map(|call| Some((call, asked(call)?)));
        let (call, agent) = found.unwrap_or_else(|| panic!("{id} was not asked"));
        let Call { task, part, round, .. } = *call;
        self.step(Input::Heard { task, part, round, agent, said });
        self.settle();
    }

    /// Who was asked in the latest call, by id and in order of names.
    pub(crate) fn asked(&self) -> Vec<String> {
        let labels = self.calls.last().expect("a call").asked.iter();
        let id = |label: &str| label.split('@').next().unwrap_or_default().to_owned();
        let mut asked: Vec<_> = labels.map(|(_, label)| id(label)).collect();
        asked.sort_unstable();
        asked
    }

    /// Fails when an agent has more in hand than it may have.
    pub(crate) fn assert_capacities(&self) {
        let mut loads = BTreeMap::new();
        for dispatch in &self.in_hand {
            *loads.entry(dispatch.agent).or_insert(0) += 1;
        }
        for (slot, load) in loads {
            let Some(agent) = self.machine.matching.agent(slot) else { continue };
            let capacity = agent.card.limits.max_concurrent_tasks;
            assert!(load <= capacity, "{} has {load} of {capacity}", agent.label);
        }
    }

    /// Takes the execution that the agent of this id has.
    pub(crate) fn dispatch_to(&mut self, id: &str) -> Dispatch {
        let at = self.in_hand.iter().position(|dispatch| {
            let agent = self.machine.matching.agent(dispatch.agent);
            agent.is_some_and(|agent| agent.card.id.as_str() == id)
        });
        self.in_hand.remove(at.unwrap_or_else(|| panic!("{id} has nothing in hand")))
    }

    /// Who has what in hand, as `agent:kind`, in order of dispatch.
    pub(crate) fn hands(&self) -> Vec<String> {
        let name = |dispatch: &Dispatch| {
            let agent = self.machine.matching.agent(dispatch.agent).unwrap();
            format!("{}:{}", agent.card.id, dispatch.spec.kind)
        };
        self.in_hand.iter().map(name).collect()
    }

    /// Ends an execution, after a millisecond.
    pub(crate) fn finish(&mut self, dispatch: Dispatch, outcome: Outcome) {
        let Dispatch { work, agent, .. } = dispatch;
        self.step(Input::Finished { work, agent, outcome, ran_us: 1_000 });
        self.settle();
    }

    /// Loses an execution that had gone on for so long, in milliseconds.
    pub(crate) fn lose(&mut self, dispatch: Dispatch, ran_ms: u64, why: &str) {
        let Dispatch { work, agent, .. } = dispatch;
        let outcome = Outcome::Lost(why.to_owned());
        self.step(Input::Finished { work, agent, outcome, ran_us: ran_ms * 1_000 });
        self.settle();
    }

    /// Ends the only execution with this output.
    pub(crate) fn succeed(&mut self, json: &str) {
        let dispatch = self.only_dispatch();
        self.finish(dispatch, answer(json));
    }

    /// Ends the only execution with an error.
    pub(crate) fn err(&mut self, kind: AgentErrorKind) {
        let dispatch = self.only_dispatch();
        self.finish(dispatch, Outcome::Error(AgentError::new(kind, "no luck")));
    }

    /// Lets time pass, waking the machine whenever it asked to be.
    pub(crate) fn advance_ms(&mut self, ms: u64) {
        let end = self.now.mono + ms * 1_000;
        while let Some(wake) = self.machine.next_wake(self.now).filter(|wake| *wake <= end) {
            self.set_time(wake.max(self.now.mono));
            self.step(Input::Tick);
            self.settle();
        }
        self.set_time(end);
        self.step(Input::Tick);
        self.settle();
    }

    fn set_time(&mut self, mono: u64) {
        self.now.utc += (mono - self.now.mono) as i64;
        self.now.mono = mono;
    }

    /// The engine is killed and starts again. What was gathered and not stored is gone, and so is
    /// everything that agents had in hand. The log must say what the machine knew.
    pub(crate) fn crash(&mut self) {
        let gathered = self.effects.has_records();
        let book = self.replayed();
        if !gathered {
            let (live, stored) = (self.image(self.machine.book()), self.image(&book));
            assert!(live == stored, "a replay gives what the machine knew");
        }
        self.restart(book);
    }

    /// The book that the log gives.
    pub(crate) fn replayed(&self) -> Book {
        let mut book = Book::default();
        for record in &self.log {
            book.replay(&records::decode(record).unwrap()).unwrap();
        }
        book
    }

    /// All that is durable, as bytes.
    pub(crate) fn image(&self, book: &Book) -> Vec<u8> {
        records::encode_snapshot(book).unwrap().to_vec()
    }

    pub(crate) fn restart(&mut self, book: Book) {
        self.machines += 1;
        let utc = self.now.utc;
        self.now = Moment { mono: 0, utc };
        self.effects = Effects::after(0, AppendBounds::default());
        self.in_hand.clear();
        self.machine = TaskMachine::new(self.config.clone(), [self.machines; 32]);
        self.machine.has_listeners = true;
        self.machine.rebuild(book);
        self.step(Input::Begin);
        self.settle();
        for (card, status) in self.agents.clone() {
            self.step(Input::Joined { card, status });
        }
        self.settle();
    }

    pub(crate) fn status(&self, task: TaskId) -> TaskStatusResponse {
        self.machine.status(task).expect("a known task").0
    }

    pub(crate) fn state(&self, task: TaskId) -> TaskState {
        self.status(task).state
    }

    /// The result as the JSON text it is shown as.
    pub(crate) fn result(&self, task: TaskId) -> String {
        let status = self.status(task);
        let error = status.error;
        serde_json::to_string(&status.result.unwrap_or_else(|| panic!("no result: {error:?}")))
            .unwrap()
    }

    /// The kind of the error a task ended in.
    pub(crate) fn failure(&self, task: TaskId) -> String {
        self.status(task).error.expect("an error").kind.to_string()
    }
}
