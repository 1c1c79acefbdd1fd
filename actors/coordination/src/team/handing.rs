//! Hand-off: a member asks another to go on with a task, and it goes over by consent alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::machine::Team;
use super::working::What;
use crate::bounds::{MAX_WAIT_MS, clipped, within};
use crate::protocol::{Effects, Moment, Refusal};

/// An offer that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) until: Moment,
    /// The piece of work that the question itself is.
    number: u64,
}

impl Team {
    /// A member offers a task that it holds.
    pub(super) fn offer(
        &mut self,
        now: Moment,
        from: &str,
        to: &str,
        task: &str,
        within_ms: u64,
        out: &mut Effects,
    ) -> Result<Moment, Refusal> {
        within("within_ms", within_ms, 1, MAX_WAIT_MS)?;
        self.holder_of(task, from)?;
        let role = &self.tasks.get(task)?.setup.role;
        if from == to || !self.roster.has_role(to, role) {
            let reason = format!("'{to}', expected another member that can do the task");
            return Err(Refusal::invalid("to", reason));
        }
        if let Some(offer) = self.offers.get(task) {
            let reason = format!("task '{task}' is on offer to '{}' already", offer.to);
            return Err(Refusal::Conflict(reason));
        }
        let until = now.after(Duration::from_millis(within_ms)).min(self.until);
        let number = self.offer_to(now, task, to, until, out);
        let offer = Offer { from: from.to_owned(), to: to.to_owned(), until, number };
        self.offers.insert(task.to_owned(), offer);
        let what = json!({ "task": task, "to": to, "until_us": until.0 });
        out.note("team.handoff_offered", from, &what, "");
        Ok(until)
    }

    fn offer_of(&self, task: &str) -> Result<&Offer, Refusal> {
        self.tasks.get(task)?;
        let none = || Refusal::Conflict(format!("task '{task}' is not on offer"));
        self.offers.get(task).ok_or_else(none)
    }

    /// The other says yes by an input.
    pub(super) fn accept(
        &mut self,
        now: Moment,
        member: &str,
        task: &str,
        out: &mut Effects,
    ) -> Result<u64, Refusal> {
        let offer = self.offer_of(task)?;
        if offer.to != member {
            return Err(Refusal::NotAllowed(format!("the offer is to '{}'", offer.to)));
        }
        if now >= offer.until {
            return Err(Refusal::TooLate("the offer has lapsed".into()));
        }
        let number = offer.number;
        let taken = self.accepted(now, number, out);
        taken.ok_or_else(|| Refusal::Conflict(format!("task '{task}' is not on offer")))
    }

    /// The other says yes: the task goes over. Gives the new piece of work.
    pub(super) fn accepted(&mut self, now: Moment, number: u64, out: &mut Effects) -> Option<u64> {
        let work = self.take_back(number)?;
        let What::Offer(task) = work.what else { return None };
        let offer = self.offers.remove(&task)?;
        let former = self.holder_of(&task, &offer.from).ok()?;
        self.cancel(former, "it was handed off", out);
        let what = json!({ "task": task, "from": offer.from, "to": offer.to });
        out.note("team.handed_off", &offer.from, &what, "both agreed");
        let taken = self.give_task(now, &task, &offer.to, out);
        // Whoever handed it off has room now.
        self.settle(now, out);
        Some(taken)
    }

    /// The other says no, or whoever offered takes the offer back, by an input.
    pub(super) fn decline(
        &mut self,
        member: &str,
        task: &str,
        reason: &str,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let offer = self.offer_of(task)?;
        if member == offer.from {
            self.void_offer(task, reason, out);
            return Ok(());
        }
        if member != offer.to {
            return Err(Refusal::NotAllowed(format!("the offer is to '{}'", offer.to)));
        }
        let number = offer.number;
        self.take_back(number);
        self.declined(task, member, reason, out);
        Ok(())
    }

    /// The other does not take it: the task stays where it is.
    pub(super) fn declined(&mut self, task: &str, to: &str, why: &str, out: &mut Effects) {
        let Some(offer) = self.offers.remove(task) else { return };
        let what = json!({ "task": task, "from": offer.from, "to": to });
        out.note("team.handoff_declined", to, &what, clipped(why.to_owned()));
        let told = json!({ "task": task, "declined_by": to, "why": why });
        self.inform(&offer.from, &told, out);
    }

    /// An offer stands no longer; whoever was asked is told.
    pub(super) fn void_offer(&mut self, task: &str, why: &str, out: &mut Effects) {
        let Some(offer) = self.offers.remove(task) else { return };
        self.cancel(offer.number, why, out);
        let what = json!({ "task": task, "from": offer.from, "to": offer.to });
        out.note("team.handoff_void", &offer.from, &what, clipped(why.to_owned()));
    }

    /// Offers to a member that is gone lapse.
    pub(super) fn drop_offers_to(&mut self, member: &str, why: &str, out: &mut Effects) {
        let offers = self.offers.iter().filter(|(_, offer)| offer.to == member);
        let tasks: Vec<_> = offers.map(|(task, _)| task.clone()).collect();
        for task in tasks {
            if let Some(number) = self.offers.get(&task).map(|offer| offer.number) {
                self.take_back(number);
            }
            self.declined(&task, member, why, out);
        }
    }
}
