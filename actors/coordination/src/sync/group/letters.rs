//! What members that are agents are told.

use serde::Serialize;
use serde_json::json;
use synod_agents::{AgentId, Payload, Performative};

use super::machine::Group;
use super::setup::GroupMember;
use crate::protocol::{Dispatch, Effects};
use crate::sync::phase::Moved;

/// The content of what is told, as JSON: `{"event": "released", "barrier": "start", ...}`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Letter<'a> {
    /// All have come.
    Released { barrier: &'a str, generation: u64 },
    /// Whoever waits at it waits in vain.
    Broken { barrier: &'a str, generation: u64, why: &'a str },
    /// A phase has begun.
    Phase { phase: &'a str },
    /// All phases are over: done, or why not.
    PhasesOver { failed: Option<&'a str> },
    /// You lead; the token goes with whatever you do as the leader.
    Leads { token: u64, until_us: i64 },
    /// The group has ended.
    Ended { outcome: &'a super::setup::GroupOutcome },
}

impl Group {
    pub(super) fn tell_broken(&mut self, name: &str, out: &mut Effects) {
        let Some(barrier) = self.barriers.get(name) else { return };
        let (generation, why) = (barrier.generation(), barrier.broken().unwrap_or_default());
        let why = why.to_owned();
        let waited: Vec<_> = barrier.waiting().collect();
        let what = json!({ "barrier": name, "generation": generation, "waited": waited.len() });
        out.note("group.barrier_broken", name, &what, &why);
        self.tell_all(&Letter::Broken { barrier: name, generation, why: &why }, out);
    }

    pub(super) fn tell_moved(&mut self, moved: &Moved, out: &mut Effects) {
        match moved {
            Moved::Waits { .. } => {}
            Moved::To { phase } => {
                out.note("group.phase", phase, &json!({}), "enough are done with the one before");
                self.tell_all(&Letter::Phase { phase }, out);
            }
            Moved::Finished => {
                out.note("group.phases_done", "", &json!({}), "enough are done with the last");
                self.tell_all(&Letter::PhasesOver { failed: None }, out);
            }
        }
    }

    pub(super) fn tell(&mut self, who: &str, letter: &Letter<'_>, out: &mut Effects) {
        let member = self.ranks.get(who).and_then(|rank| self.members.get(rank));
        let Some(to) = member.filter(|member| member.agent).and_then(agent_of) else { return };
        // A letter of texts and numbers always has a form in JSON.
        let Ok(content) = Payload::json(letter) else { return };
        self.send(to, content, out);
    }

    pub(super) fn tell_all(&mut self, letter: &Letter<'_>, out: &mut Effects) {
        let Ok(content) = Payload::json(letter) else { return };
        let agents = self.members.values().filter(|member| member.agent);
        let agents: Vec<_> = agents.filter_map(agent_of).collect();
        agents.into_iter().for_each(|to| self.send(to, content.clone(), out));
    }

    fn send(&mut self, to: AgentId, content: Payload, out: &mut Effects) {
        self.dispatched += 1;
        let (number, performative) = (self.dispatched, Performative::Inform);
        out.dispatches.push(Dispatch { number, to, performative, content, reply_within: None });
    }
}

fn agent_of(member: &GroupMember) -> Option<AgentId> {
    AgentId::new(&member.name).ok()
}
