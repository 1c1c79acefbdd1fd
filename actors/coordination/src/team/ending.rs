//! How a team, and what goes on in it, comes to its end.

use serde_json::json;

use super::machine::Team;
use super::setup::TeamOutcome;
use super::working::{What, Work};
use crate::protocol::{Effects, Moment};

const LATE: &str = "its time is over";

impl Team {
    /// Ends runs, pieces of work and offers whose time is over.
    pub(super) fn run_out(&mut self, now: Moment, out: &mut Effects) {
        let over = self.runs.iter().filter(|(_, run)| run.goes_on() && now >= run.until);
        let over: Vec<_> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            if let Some(run) = self.runs.get_mut(&id) {
                run.give_up(LATE);
            }
            self.go_on(now, &id, &[], out);
        }
        while let Some((until, number)) = self.due.first().copied() {
            if until > now || self.outcome.is_some() {
                break;
            }
            self.failed(now, number, LATE, out);
        }
    }

    /// The end: whoever holds something is told to stop, and all what came of it.
    pub(super) fn end(&mut self, outcome: TeamOutcome, out: &mut Effects) {
        let (kind, why) = match &outcome {
            TeamOutcome::Done { done, failed } => {
                ("team.done", format!("{done} tasks are done, {failed} have failed"))
            }
            TeamOutcome::Closed(reason) => ("team.closed", reason.clone()),
            TeamOutcome::Expired => ("team.expired", "its time is over".to_owned()),
        };
        self.outcome = Some(outcome.clone());
        let numbers: Vec<_> = self.works.keys().copied().collect();
        for number in numbers {
            if let Some(Work { what: What::Task(id), .. }) = self.works.get(&number) {
                self.tasks.give_back(&id.clone(), false);
            }
            self.cancel(number, &why, out);
        }
        self.offers.clear();
        for run in self.runs.values_mut().filter(|run| run.goes_on()) {
            run.give_up(&why);
            run.clear();
        }
        out.note(kind, "", &outcome, why);
        let told = json!({ "event": "ended", "outcome": outcome });
        let names: Vec<_> = self.roster.seats().map(|seat| seat.member.name.clone()).collect();
        names.iter().for_each(|name| self.inform(name, &told, out));
    }
}
