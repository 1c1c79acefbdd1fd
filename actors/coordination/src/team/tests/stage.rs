//! A team under test: refusals change nothing, and what is stored comes back.

use synod_agents::{Envelope, Payload, Performative, Recipient};
use synod_journal::RecordCodec;
use synod_runtime::Principal;
use uuid::Uuid;

use super::super::*;
use crate::protocol::{Dispatch, Effects, Heard, Moment, Opening, Protocol, Refusal};

/// A team, the time, and what it let out.
pub(super) struct Stage {
    pub(super) team: Team,
    pub(super) now: Moment,
    /// Requests and offers that wait for an answer.
    pub(super) asked: Vec<Dispatch>,
    /// Members that were told to stop, with the piece of work.
    pub(super) cancelled: Vec<String>,
    pub(super) kinds: Vec<String>,
    /// What it was opened with, and all that happened since.
    setup: TeamSetup,
    past: Vec<(Moment, Past)>,
}

enum Past {
    Told(Principal, TeamInput),
    Heard(u64, Heard),
    Woken,
}

pub(super) fn at(ms: i64) -> Moment {
    Moment(ms * 1000)
}

impl Stage {
    pub(super) fn open(setup: TeamSetup) -> Result<Self, Refusal> {
        let mut out = Effects::default();
        let team = opened(setup.clone(), &mut out)?;
        let (asked, cancelled, kinds) = (Vec::new(), Vec::new(), Vec::new());
        let mut stage = Self { team, now: at(0), asked, cancelled, kinds, setup, past: vec![] };
        stage.look(out);
        Ok(stage)
    }

    /// The same happens again, to the same end.
    pub(super) fn replays(&self) {
        let mut out = Effects::default();
        let mut team = opened(self.setup.clone(), &mut out).unwrap();
        for (now, past) in &self.past {
            match past {
                Past::Told(by, input) => {
                    team.step(*now, by, input.clone(), &mut out).unwrap();
                }
                Past::Heard(number, heard) => team.heard(*now, *number, heard, &mut out),
                Past::Woken => team.wake(*now, &mut out),
            }
        }
        assert!(team == self.team);
    }

    fn look(&mut self, out: Effects) {
        self.kinds = out.notes.into_iter().map(|note| note.kind).collect();
        for dispatch in out.dispatches {
            match dispatch.performative {
                Performative::Request | Performative::Propose => self.asked.push(dispatch),
                Performative::Cancel => self.cancelled.push(dispatch.to.to_string()),
                _ => {}
            }
        }
        let bytes = RecordCodec::encode(&self.team).unwrap();
        assert_eq!(RecordCodec::decode::<Team>(&bytes).unwrap(), self.team);
        assert_eq!(self.team.next_wake().is_none(), self.team.has_ended());
    }

    pub(super) fn told(&mut self, by: &Principal, input: TeamInput) -> Result<TeamAnswer, Refusal> {
        let (before, mut out) = (self.team.clone(), Effects::default());
        let answer = self.team.step(self.now, by, input.clone(), &mut out);
        if answer.is_ok() {
            self.past.push((self.now, Past::Told(by.clone(), input)));
        } else {
            assert!(before == self.team && out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.look(out);
        answer
    }

    pub(super) fn says(&mut self, who: &str, input: TeamInput) -> Result<TeamAnswer, Refusal> {
        self.told(&Principal::agent(who), input)
    }

    pub(super) fn dies(&mut self, who: &str) {
        let died = TeamInput::Died { member: who.into(), reason: "no heartbeat".into() };
        self.told(&Principal::node("n"), died).unwrap();
    }

    /// The question that a member was asked last and has not answered.
    pub(super) fn asked_of(&self, who: &str) -> Option<&Dispatch> {
        self.asked.iter().rev().find(|dispatch| dispatch.to.as_str() == who)
    }

    /// A member answers what it was asked last.
    pub(super) fn answers(&mut self, who: &str, performative: Performative, text: &str) {
        let at = self.asked.iter().rposition(|dispatch| dispatch.to.as_str() == who);
        let at = at.unwrap_or_else(|| panic!("'{who}' was not asked"));
        let number = self.asked.remove(at).number;
        self.hears(number, &reply(who, performative, text));
    }

    pub(super) fn hears(&mut self, number: u64, heard: &Heard) {
        let mut out = Effects::default();
        self.team.heard(self.now, number, heard, &mut out);
        self.past.push((self.now, Past::Heard(number, heard.clone())));
        self.look(out);
    }

    pub(super) fn informs(&mut self, who: &str, text: &str) {
        self.answers(who, Performative::Inform, text);
    }

    /// Lets the time come that the team waits for.
    pub(super) fn wake(&mut self) {
        let mut out = Effects::default();
        self.now = self.team.next_wake().unwrap();
        self.team.wake(self.now, &mut out);
        self.past.push((self.now, Past::Woken));
        self.look(out);
    }

    pub(super) fn task(&self, id: &str) -> TaskView {
        self.team.view().tasks.into_iter().find(|task| task.id == id).unwrap()
    }

    pub(super) fn run(&self, id: &str) -> RunView {
        self.team.view().runs.into_iter().find(|run| run.id == id).unwrap()
    }
}

fn opened(setup: TeamSetup, out: &mut Effects) -> Result<Team, Refusal> {
    let by = Principal::user("ann");
    Team::open(setup, &Opening { id: Uuid::nil(), now: at(0), seed: 1, by }, out)
}

pub(super) fn reply(who: &str, performative: Performative, text: &str) -> Heard {
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: who.into(),
        recipient: Recipient::Everyone,
        performative,
        protocol: Team::KIND.into(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::text(text),
    })
}

/// Three agents: all can write, `b` and `c` can test.
pub(super) fn setup(tasks: &[TaskSetup]) -> TeamSetup {
    TeamSetup {
        members: vec![
            TeamMember::agent("a", &["write"]),
            TeamMember::agent("b", &["write", "test"]),
            TeamMember::agent("c", &["write", "test"]),
        ],
        tasks: tasks.to_vec(),
        ..TeamSetup::default()
    }
}

pub(super) fn task(id: &str, role: &str, after: &[&str]) -> TaskSetup {
    let after = after.iter().map(|id| (*id).to_owned()).collect();
    TaskSetup { role: role.into(), after, ..TaskSetup::new(id, format!("do {id}")) }
}
