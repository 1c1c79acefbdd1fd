//! Tokens and money: what the attempts of a step used up, against what they may.
//!
//! A step's budget holds for all its attempts, items, racers and visits together; one that an item
//! or a racer has of its own holds for the attempts at that. What goes beyond it is not taken, and
//! what was used up is used up: the work fails with `budget_exceeded` and is not tried again. An
//! execution of which nothing remains of the budget is not begun.

use synod_agents::Usage;

use super::event::{Event, Failure};
use super::input::Fault;
use super::ticket::{Part, Spot, Ticket};
use super::{Out, Run};
use crate::definition::model::{Budget, ErrorKind};

impl Run {
    /// Counts what an attempt used up, also one that no longer counts itself.
    pub(super) fn spend(&mut self, ticket: Ticket, usage: Usage, out: &mut Out<'_>) {
        if usage.is_nothing() {
            return;
        }
        let Some(spot) = self.spot_of(&ticket) else { return };
        let Some(unit) = self.level().units.get(&spot) else { return };
        let present = unit.ticket;
        if present.visit != ticket.visit {
            return;
        }
        self.emit(Event::Spent { spot, usage }, out);
        if present != ticket
            && let Some(failure) = self.overspent(spot, None)
        {
            self.give_up(spot, failure, out);
        }
    }

    /// Why what an attempt gave is not taken: more was used up than there was.
    pub(super) fn overspent(&self, spot: Spot, fault: Option<&Fault>) -> Option<Failure> {
        let over = |spent: u64, most: u64| spent > most;
        let why = self.beyond(spot, over)?;
        let last = fault.map(|fault| format!("; the last failure: {}", fault.message));
        let message = why + &last.unwrap_or_default();
        Some(Failure::new(ErrorKind::BudgetExceeded, message))
    }

    /// Why there is nothing left of the budget for another execution.
    pub(super) fn used_up(&self, spot: Spot) -> Option<Failure> {
        let all = |spent: u64, most: u64| spent >= most && spent > 0;
        Some(Failure::new(ErrorKind::BudgetExceeded, self.beyond(spot, all)?))
    }

    fn beyond(&self, spot: Spot, is_beyond: impl Fn(u64, u64) -> bool) -> Option<String> {
        self.accounts(spot).find_map(|(spent, budget)| {
            if let Some(most) = budget.tokens.filter(|most| is_beyond(spent.tokens, *most)) {
                let spent = spent.tokens;
                return Some(format!("it used up {spent} tokens, and its budget is {most}"));
            }
            let beyond = |most: &f64| is_beyond(spent.money_micros, micros(*most));
            let most = budget.money.filter(beyond)?;
            let spent = spent.money_micros as f64 / 1e6;
            Some(format!("it cost {spent}, and its budget is {most}"))
        })
    }

    /// What was used up, and what may be: by the work at this spot, and by its whole step.
    fn accounts(&self, spot: Spot) -> impl Iterator<Item = (Usage, &Budget)> {
        let unit = self.level().units.get(&spot);
        let own = self.action(spot).zip(unit).map(|(action, unit)| (unit.spent, &action.budget));
        let row = self.level().rows.get(spot.step.at());
        let step = matches!(spot.part, Part::Whole | Part::Item(_))
            .then(|| Some((row?.spent, &self.plan().step(spot.step).budget)));
        own.into_iter().chain(step.flatten())
    }

    /// What the attempt of this ticket may still cost, in the unit of the agents' cards; `None`:
    /// there is no bound.
    #[must_use]
    pub fn money_left(&self, ticket: &Ticket) -> Option<f64> {
        let left = self.accounts(self.spot_of(ticket)?).filter_map(|(spent, budget)| {
            Some((budget.money? - spent.money_micros as f64 / 1e6).max(0.0))
        });
        left.reduce(f64::min)
    }
}

fn micros(money: f64) -> u64 {
    (money * 1e6).round() as u64
}
