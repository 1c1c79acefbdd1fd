//! The machine of a group.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_runtime::{Principal, PrincipalKind};

use super::letters::Letter;
use super::setup::{GroupAnswer, GroupInput, GroupMember, GroupOutcome, GroupSetup};
use super::view::GroupView;
use crate::bounds::{MAX_PARTICIPANTS, clipped};
use crate::protocol::{Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for};
use crate::sync::barrier::{Arrival, Barrier};
use crate::sync::leader::Leadership;
use crate::sync::phase::{Moved, Phases};

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Group {
    pub(super) purpose: String,
    opener: Principal,
    /// By rank.
    pub(super) members: BTreeMap<u64, GroupMember>,
    pub(super) ranks: BTreeMap<String, u64>,
    pub(super) barriers: BTreeMap<String, Barrier>,
    pub(super) phases: Phases,
    /// None when the group has no leader.
    pub(super) leadership: Option<Leadership>,
    pub(super) until: Moment,
    pub(super) outcome: Option<GroupOutcome>,
    next_rank: u64,
    pub(super) dispatched: u64,
}

impl Group {
    fn count(&self) -> u32 {
        self.members.len() as u32
    }

    // ---- who is in it ----

    fn join(
        &mut self,
        now: Moment,
        member: GroupMember,
        out: &mut Effects,
    ) -> Result<u32, Refusal> {
        member.check("member")?;
        if self.ranks.contains_key(&member.name) {
            return Err(Refusal::Conflict(format!("'{}' is a member already", member.name)));
        }
        if self.members.len() >= MAX_PARTICIPANTS {
            let reason = format!("the group has {MAX_PARTICIPANTS} members, as many as it may");
            return Err(Refusal::Full(reason));
        }
        out.note("group.joined", &member.name, &json!({ "rank": self.next_rank }), "");
        self.ranks.insert(member.name.clone(), self.next_rank);
        self.members.insert(self.next_rank, member);
        self.next_rank += 1;
        self.appoint(now, out);
        Ok(self.count())
    }

    fn lose(&mut self, now: Moment, who: &str, kind: &str, why: &str, out: &mut Effects) {
        let Some(rank) = self.ranks.remove(who) else { return };
        self.members.remove(&rank);
        let left = self.count();
        out.note(kind, who, &json!({ "left": left }), clipped(why.to_owned()));
        let names: Vec<_> = self.barriers.keys().cloned().collect();
        for name in names {
            if self.barriers.get_mut(&name).is_some_and(|barrier| barrier.lost(who, left)) {
                self.tell_broken(&name, out);
            }
        }
        let moved = self.phases.lost(now, who, left);
        self.tell_moved(&moved, out);
        if self.leadership.as_mut().is_some_and(|leadership| leadership.lost(who)) {
            out.note("group.leader_lost", who, &json!({}), clipped(why.to_owned()));
        }
        if left == 0 {
            self.end(GroupOutcome::Deserted, out);
        } else {
            self.appoint(now, out);
        }
    }

    fn is_member(&self, who: &str) -> Result<(), Refusal> {
        if self.ranks.contains_key(who) {
            return Ok(());
        }
        Err(Refusal::NotAllowed(format!("'{who}' is no member of the group")))
    }

    /// Whether this is a node, nobody in particular, or whoever opened the group.
    fn presides(&self, by: &Principal) -> bool {
        matches!(by.kind, PrincipalKind::Node | PrincipalKind::Anonymous) || *by == self.opener
    }

    // ---- barriers and phases ----

    fn arrive(
        &mut self,
        now: Moment,
        member: &str,
        name: &str,
        out: &mut Effects,
    ) -> Result<Arrival, Refusal> {
        let barrier = self.barriers.get_mut(name).ok_or_else(|| unknown("barrier", name))?;
        let arrival = barrier
            .arrive(now, member)
            .map_err(|refused| Refusal::Conflict(format!("{name}: {refused}")))?;
        out.note("group.arrived", member, &json!({ "barrier": name, "arrival": arrival }), "");
        if let Arrival::Released { generation } = arrival {
            let parties = barrier.parties();
            let what = json!({ "barrier": name, "generation": generation });
            out.note("group.released", name, &what, format!("all {parties} have come"));
            self.tell_all(&Letter::Released { barrier: name, generation }, out);
        }
        Ok(arrival)
    }

    // ---- the leader ----

    fn appoint(&mut self, now: Moment, out: &mut Effects) {
        let Some(leadership) = &mut self.leadership else { return };
        let by_rank = self.members.values().map(|member| member.name.as_str());
        let Some(lease) = leadership.appoint(now, by_rank) else { return };
        let (holder, token, until_us) = (lease.holder.clone(), lease.token, lease.until.0);
        let what = json!({ "token": token, "until_us": until_us });
        out.note("group.leads", &holder, &what, "the first in rank that has not let go before");
        self.tell(&holder, &Letter::Leads { token, until_us }, out);
    }

    fn leads(&mut self) -> Result<&mut Leadership, Refusal> {
        let none = || Refusal::invalid("token", "the group has no leader (`lease_ms` is 0)");
        self.leadership.as_mut().ok_or_else(none)
    }

    // ---- its end ----

    fn end(&mut self, outcome: GroupOutcome, out: &mut Effects) {
        let why = match &outcome {
            GroupOutcome::Closed(reason) => reason.clone(),
            GroupOutcome::Expired => "its time is over".to_owned(),
            GroupOutcome::Deserted => "nobody is left".to_owned(),
        };
        out.note("group.ended", "", &outcome, why);
        self.tell_all(&Letter::Ended { outcome: &outcome }, out);
        self.outcome = Some(outcome);
    }

    // ---- inputs ----

    fn led(
        &mut self,
        now: Moment,
        input: GroupInput,
        out: &mut Effects,
    ) -> Result<GroupAnswer, Refusal> {
        let not_leader =
            |refused: crate::sync::leader::NotLeader| Refusal::Conflict(refused.to_string());
        match input {
            GroupInput::Renew { member, token } => {
                let lease = self.leads()?.renew(now, &member, token).map_err(not_leader)?;
                Ok(GroupAnswer::Leads(lease.until.0))
            }
            GroupInput::StepDown { member, token } => {
                self.leads()?.step_down(now, &member, token).map_err(not_leader)?;
                out.note("group.stepped_down", &member, &json!({ "token": token }), "");
                self.appoint(now, out);
                Ok(GroupAnswer::SteppedDown)
            }
            other => Err(Refusal::invalid("input", format!("{other:?} is not for a leader"))),
        }
    }

    fn close(
        &mut self,
        now: Moment,
        by: &Principal,
        reason: &str,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let lease = self.leadership.as_ref().and_then(Leadership::lease);
        let leads = lease.is_some_and(|lease| *lease.holder == *by.name && now < lease.until);
        if !leads && !self.presides(by) {
            return Err(Refusal::NotAllowed(format!("{by} may not close the group")));
        }
        self.end(GroupOutcome::Closed(clipped(reason.to_owned())), out);
        Ok(())
    }

    fn reset(&mut self, member: &str, name: &str, out: &mut Effects) -> Result<u64, Refusal> {
        let barrier = self.barriers.get_mut(name).ok_or_else(|| unknown("barrier", name))?;
        if !barrier.reset() {
            return Err(Refusal::Conflict(format!("barrier '{name}' is not broken")));
        }
        let generation = barrier.generation();
        let what = json!({ "barrier": name, "generation": generation });
        out.note("group.barrier_reset", member, &what, "");
        Ok(generation)
    }

    fn take(
        &mut self,
        now: Moment,
        by: &Principal,
        input: GroupInput,
        out: &mut Effects,
    ) -> Result<GroupAnswer, Refusal> {
        match input {
            GroupInput::Join { member } => {
                may_speak_for(by, &member.name)?;
                self.join(now, member, out).map(GroupAnswer::Members)
            }
            GroupInput::Close { reason } => {
                self.close(now, by, &reason, out)?;
                Ok(GroupAnswer::Closed)
            }
            GroupInput::Died { member, reason } => {
                self.is_member(&member)?;
                if !self.presides(by) {
                    return Err(Refusal::NotAllowed(format!("{by} may not say who is dead")));
                }
                self.lose(now, &member, "group.member_lost", &reason, out);
                Ok(GroupAnswer::Members(self.count()))
            }
            GroupInput::Leave { ref member }
            | GroupInput::Arrive { ref member, .. }
            | GroupInput::Reset { ref member, .. }
            | GroupInput::Done { ref member, .. }
            | GroupInput::Renew { ref member, .. }
            | GroupInput::StepDown { ref member, .. } => {
                self.is_member(member)?;
                may_speak_for(by, member)?;
                self.acts(now, input, out)
            }
        }
    }

    /// A member acts for itself.
    fn acts(
        &mut self,
        now: Moment,
        input: GroupInput,
        out: &mut Effects,
    ) -> Result<GroupAnswer, Refusal> {
        match input {
            GroupInput::Leave { member } => {
                self.lose(now, &member, "group.left", "it left", out);
                Ok(GroupAnswer::Members(self.count()))
            }
            GroupInput::Arrive { member, barrier } => {
                self.arrive(now, &member, &barrier, out).map(GroupAnswer::Arrival)
            }
            GroupInput::Reset { member, barrier } => {
                self.reset(&member, &barrier, out).map(GroupAnswer::Reset)
            }
            GroupInput::Done { member, phase } => {
                let members = self.count();
                let moved = self
                    .phases
                    .done(now, &member, &phase, members)
                    .map_err(|refused| Refusal::Conflict(refused.to_string()))?;
                out.note("group.phase_done", &member, &json!({ "phase": phase }), "");
                self.tell_moved(&moved, out);
                Ok(GroupAnswer::Phase(moved))
            }
            led => self.led(now, led, out),
        }
    }
}

fn unknown(what: &str, name: &str) -> Refusal {
    Refusal::invalid(what, format!("'{name}', expected one that the group has"))
}

impl Protocol for Group {
    const KIND: &'static str = "group";
    const VERSION: u16 = 1;

    type Setup = GroupSetup;
    type Input = GroupInput;
    type Answer = GroupAnswer;
    type View = GroupView;

    fn open(setup: GroupSetup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        setup.check()?;
        let (now, count) = (opening.now, setup.members.len() as u32);
        let of_members = |parties: u32| if parties == 0 { count } else { parties };
        let barriers = setup.barriers.into_iter();
        let barriers = barriers.map(|barrier| {
            let parties = of_members(barrier.parties);
            (barrier.name, Barrier::new(parties, barrier.within_ms))
        });
        let by_rank = (1u64..).zip(setup.members);
        let members: BTreeMap<_, _> = by_rank.collect();
        let ranks = members.iter().map(|(rank, member)| (member.name.clone(), *rank)).collect();
        let phases = setup.phases;
        let mut group = Self {
            purpose: setup.purpose,
            opener: opening.by.clone(),
            ranks,
            barriers: barriers.collect(),
            phases: Phases::new(now, phases.names, phases.needed, phases.within_ms),
            leadership: (setup.lease_ms > 0).then(|| Leadership::new(setup.lease_ms)),
            until: now.after(Duration::from_millis(setup.lasts_ms)),
            outcome: None,
            next_rank: u64::from(count) + 1,
            dispatched: 0,
            members,
        };
        out.note("group.opened", opening.by.to_string(), &json!({ "members": count }), "");
        if let Some(phase) = group.phases.current().map(str::to_owned) {
            group.tell_moved(&Moved::To { phase }, out);
        }
        group.appoint(now, out);
        Ok(group)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: GroupInput,
        out: &mut Effects,
    ) -> Result<GroupAnswer, Refusal> {
        if self.outcome.is_some() || now >= self.until {
            return Err(Refusal::TooLate("the group has ended".into()));
        }
        self.take(now, by, input, out)
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        if self.outcome.is_some() {
            return;
        }
        if now >= self.until {
            return self.end(GroupOutcome::Expired, out);
        }
        let expired = self
            .barriers
            .iter_mut()
            .filter_map(|(name, barrier)| barrier.expire(now).then(|| name.clone()));
        let expired: Vec<_> = expired.collect();
        expired.iter().for_each(|name| self.tell_broken(name, out));
        if self.phases.expire(now) {
            let why = self.phases.failed().unwrap_or_default().to_owned();
            out.note("group.phases_failed", "", &json!({}), &why);
            self.tell_all(&Letter::PhasesOver { failed: Some(&why) }, out);
        }
        if let Some(holder) = self.leadership.as_mut().and_then(|of| of.expire(now)) {
            out.note("group.lease_over", &holder, &json!({}), "it did not renew in time");
            self.appoint(now, out);
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        if self.outcome.is_some() {
            return None;
        }
        let barriers = self.barriers.values().filter_map(Barrier::until);
        let leader = self.leadership.as_ref().and_then(Leadership::until);
        barriers.chain(self.phases.until()).chain(leader).chain([self.until]).min()
    }

    fn heard(&mut self, _now: Moment, _about: u64, _heard: &Heard, _out: &mut Effects) {
        // Members are told, not asked.
    }

    fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }

    fn resume(&self, _out: &mut Effects) {
        // What expects no answer is handed over by whoever carries the conversation.
    }

    fn view(&self) -> GroupView {
        GroupView::of(self)
    }
}
