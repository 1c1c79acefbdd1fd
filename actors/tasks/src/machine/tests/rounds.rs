//! Rounds in which agents are asked who does a part.

use synod_agents::{AgentCard, AgentError, AgentErrorKind};
use synod_coordination::contract_net::Claim;

use super::world::{World, answer, request};
use crate::bidding::{BiddingConfig, Said, Unfit};
use crate::machine::{Input, Outcome};
use crate::messages::BiddingStats;
use crate::task::{Allocation, TaskId, TaskMode, TaskState};
use crate::{SubmitError, TaskSubmissionRequest, TasksConfig};

fn by(allocation: Allocation) -> TaskSubmissionRequest {
    request("x").allocation(allocation)
}

fn net() -> TaskSubmissionRequest {
    by(Allocation::ContractNet)
}

fn takes(time_ms: f64) -> Said {
    Said::Bid(Claim { time_ms: Some(time_ms), ..Claim::default() })
}

fn asks(price: f64) -> Said {
    Said::Bid(Claim { price: Some(price), ..Claim::default() })
}

/// A world with these agents, which can do `x`, one at a time.
fn with(ids: &[&str]) -> World {
    let mut world = World::new();
    for id in ids {
        world.agent(id, &["x"]);
    }
    world
}

fn stats(world: &mut World) -> BiddingStats {
    let now = world.now;
    world.machine.stats(now, crate::EnginePhase::Running).bidding
}

/// What a task's only part says of who was chosen.
fn because(world: &World, task: TaskId) -> String {
    world.status(task).parts[0].chosen_because.clone().expect("a reason")
}

#[test]
fn the_best_bid_of_agents_that_are_equally_unknown_wins_and_the_status_says_why() {
    let mut world = with(&["a", "b", "c"]);
    let task = world.accept(net());
    assert_eq!(world.asked(), ["a", "b", "c"]);
    let waiting = world.status(task).parts[0].waiting_for.clone().unwrap();
    assert_eq!(waiting, "0 of 3 agents that were asked have answered");
    assert_eq!(world.state(task), TaskState::Queued);
    world.say("a", takes(900.0));
    world.say("b", takes(100.0));
    assert!(world.in_hand.is_empty(), "one has not answered");
    world.say("c", takes(500.0));
    assert_eq!(world.hands(), ["b:x"], "at once when all have");
    let why = because(&world, task);
    assert!(why.contains("place 1 of 3") && why.contains("3 of 3 asked bid"), "{why}");
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
    world.crash();
    assert_eq!(because(&world, task), why, "it is durable");
}

#[test]
fn a_liar_that_is_known_loses_to_one_with_a_better_record() {
    let mut world = with(&["liar", "honest"]);
    for (id, ran_us, good) in [("liar", 900_000, false), ("honest", 100_000, true)] {
        for _ in 0..12 {
            world.accept(request("x").agent(id));
            let dispatch = world.dispatch_to(id);
            let outcome = if good {
                answer("1")
            } else {
                Outcome::Error(AgentError::new(AgentErrorKind::Refused, "no luck"))
            };
            let (work, agent) = (dispatch.work, dispatch.agent);
            world.step(Input::Finished { work, agent, outcome, ran_us });
            world.settle();
        }
    }
    for _ in 0..5 {
        world.accept(net());
        world.say(
            "liar",
            Said::Bid(Claim { time_ms: Some(0.0), price: Some(0.0), quality: Some(1.0) }),
        );
        world.say("honest", takes(100.0));
        assert_eq!(world.hands(), ["honest:x"]);
        world.succeed("1");
    }
}

#[test]
fn when_nobody_answers_it_is_done_all_the_same_after_the_time_for_answers() {
    for allocation in [Allocation::ContractNet, Allocation::Auction, Allocation::Consensus] {
        let mut world = with(&["a", "b"]);
        let task = world.accept(by(allocation));
        world.advance_ms(199);
        assert!(world.in_hand.is_empty(), "{allocation}");
        world.advance_ms(1);
        world.succeed("1");
        assert_eq!(world.state(task), TaskState::Completed, "{allocation}");
        assert_eq!(stats(&mut world).silent, 2);
    }
}

#[test]
fn what_is_no_bid_is_counted_by_why_and_its_agent_judged_by_its_history() {
    let mut world = with(&["a", "b", "c", "d"]);
    let task = world.accept(net());
    world.say("a", asks(f64::NAN));
    world.say("b", asks(-1.0));
    world.say("c", Said::Unfit(Unfit::NotUnderstood));
    world.say("d", Said::Unfit(Unfit::TooLarge));
    assert_eq!(world.in_hand.len(), 1);
    let stats = stats(&mut world);
    assert_eq!((stats.out_of_range, stats.not_understood, stats.malformed), (2, 1, 1));
    assert_eq!((stats.taken, stats.awarded, stats.open), (0, 1, 0));
    let why = because(&world, task);
    assert!(why.contains("4 judged by history alone"), "{why}");
}

#[test]
fn a_late_a_second_and_a_foreign_answer_change_nothing() {
    let mut world = with(&["a", "b"]);
    world.accept(net());
    world.say("a", takes(500.0));
    world.say("a", takes(0.0));
    world.say("b", takes(100.0));
    assert_eq!(world.hands(), ["b:x"]);
    world.say("a", takes(0.0));
    assert_eq!(world.hands(), ["b:x"]);
    assert_eq!(stats(&mut world).late, 2);
}

#[test]
fn when_the_contractor_dies_or_refuses_the_next_best_of_the_same_call_gets_it() {
    let mut world = with(&["a", "b", "c"]);
    let task = world.accept(net());
    for (id, time) in [("a", 300.0), ("b", 100.0), ("c", 200.0)] {
        world.say(id, takes(time));
    }
    let first = world.dispatch_to("b");
    world.lose(first, 5_000, "it crashed");
    assert_eq!(world.hands(), ["c:x"]);
    let second = world.only_dispatch();
    let refused = AgentError::new(AgentErrorKind::Unavailable, "not now");
    world.finish(second, Outcome::Error(refused));
    assert_eq!(world.hands(), ["a:x"]);
    assert_eq!(world.calls.len(), 1, "nobody was asked again");
    assert!(because(&world, task).contains("place 3 of 3"));
    world.succeed("1");
    let status = world.status(task);
    assert_eq!((status.state, status.lost), (TaskState::Completed, 1));
}

#[test]
fn what_was_decided_long_ago_is_asked_about_again() {
    let mut world = with(&["a", "b"]);
    world.accept(net());
    world.say("a", takes(300.0));
    world.say("b", takes(100.0));
    world.advance_ms(10_000);
    let first = world.dispatch_to("b");
    world.lose(first, 10_000, "it crashed");
    assert!(world.in_hand.is_empty());
    assert_eq!((world.calls.len(), world.asked()), (2, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn who_has_no_room_when_it_is_decided_is_passed_over() {
    let mut world = with(&["a", "b"]);
    world.accept(net());
    world.say("a", takes(1.0));
    // Nothing is held for a round: other work takes the agent that is about to win.
    world.accept(request("x").agent("a"));
    world.say("b", takes(900.0));
    let mut hands = world.hands();
    hands.sort();
    assert_eq!(hands, ["a:x", "b:x"]);
    world.assert_capacities();
}

#[test]
fn no_more_rounds_are_open_than_there_is_room_and_all_is_done_in_the_end() {
    let mut world = with(&["a", "b"]);
    let tasks: Vec<_> = (0..20).map(|_| world.accept(net())).collect();
    assert_eq!(world.calls.len(), 2);
    for _ in 0..40 {
        world.advance_ms(1_000);
        world.assert_capacities();
        for dispatch in std::mem::take(&mut world.in_hand) {
            world.finish(dispatch, answer("1"));
        }
    }
    assert!(tasks.iter().all(|task| world.state(*task) == TaskState::Completed));
    assert_eq!(stats(&mut world).awarded, 20);
}

#[test]
fn beyond_the_bound_of_open_rounds_history_decides_at_once() {
    let bidding = BiddingConfig { max_rounds: 1, ..BiddingConfig::default() };
    let mut world = World::with(TasksConfig { bidding, ..TasksConfig::default() });
    for id in ["a", "b", "c"] {
        world.agent(id, &["x"]);
    }
    world.accept(net());
    let second = world.accept(net());
    assert_eq!((world.calls.len(), world.in_hand.len()), (1, 1));
    assert_eq!(stats(&mut world).unasked, 1);
    assert!(because(&world, second).contains("3 judged by history alone"));
}

#[test]
fn no_more_agents_are_asked_than_the_configuration_says_and_five_vote() {
    let mut world = World::new();
    for number in 0..40 {
        world.agent(&format!("a-{number}"), &["x"]);
    }
    world.accept(net());
    assert_eq!(world.asked().len(), 10);
    world.accept(by(Allocation::Consensus));
    assert_eq!(world.asked().len(), 5);
}

#[test]
fn a_task_that_is_cancelled_in_mid_round_is_over_and_its_bids_are_late() {
    let mut world = with(&["a", "b"]);
    let task = world.accept(net());
    world.say("a", takes(1.0));
    world.cancel(task).unwrap();
    world.say("b", takes(1.0));
    assert!(world.in_hand.is_empty());
    assert_eq!((stats(&mut world).late, stats(&mut world).open), (1, 0));
    assert!(world.machine.rounds.knows_nothing() && world.machine.timers.is_empty());
    // The agents are there for others.
    world.accept(net());
    assert_eq!(world.asked(), ["a", "b"]);
}

#[test]
fn a_restart_in_mid_round_asks_again_and_old_bids_do_not_count() {
    let mut world = with(&["a", "b"]);
    let task = world.accept(net());
    world.say("a", takes(1.0));
    let before = world.calls.len();
    world.crash();
    assert_eq!(world.calls.len(), before + 1);
    let records = world.log.len();
    world.say("a", takes(900.0));
    assert_eq!(world.log.len(), records, "bids are in no record");
    world.say("b", takes(1.0));
    assert_eq!(world.hands(), ["b:x"]);
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn a_drain_in_mid_round_queues_the_task_again() {
    let mut world = with(&["a", "b"]);
    let task = world.accept(net());
    world.step(Input::Drain);
    world.say("a", takes(1.0));
    world.say("b", takes(1.0));
    world.advance_ms(1_000);
    assert!(world.in_hand.is_empty());
    assert_eq!((world.state(task), stats(&mut world).open), (TaskState::Queued, 0));
    world.crash();
    assert_eq!(world.asked(), ["a", "b"]);
}

#[test]
fn a_deadline_in_mid_round_ends_the_task() {
    let bidding = BiddingConfig { timeout_ms: 5_000, ..BiddingConfig::default() };
    let mut world = World::with(TasksConfig { bidding, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    let task = world.accept(net().timeout_s(1));
    world.advance_ms(1_000);
    assert_eq!(world.failure(task), "deadline_passed");
    assert!(world.machine.rounds.knows_nothing() && world.machine.timers.is_empty());
}

#[test]
fn an_agent_that_leaves_in_mid_round_is_passed_over() {
    let mut world = with(&["a", "b"]);
    world.accept(net());
    world.say("a", takes(1.0));
    world.leave("a");
    world.say("b", takes(900.0));
    assert_eq!(world.hands(), ["b:x"]);
}

#[test]
fn when_all_refuse_they_are_asked_again_after_a_while() {
    let mut world = with(&["a", "b"]);
    let task = world.accept(net());
    world.say("a", Said::Refused);
    world.say("b", Said::Refused);
    assert_eq!(world.calls.len(), 1, "not at once");
    world.advance_ms(300);
    assert_eq!(world.calls.len(), 2);
    world.say("a", takes(1.0));
    world.say("b", Said::Refused);
    assert_eq!(world.hands(), ["a:x"]);
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
    assert_eq!((stats(&mut world).fruitless, stats(&mut world).refused), (1, 3));
}

#[test]
fn the_winner_of_an_auction_is_paid_the_second_price() {
    let mut world = with(&["a", "b", "c"]);
    let task =
        world.accept(TaskSubmissionRequest { budget: Some(10.0), ..by(Allocation::Auction) });
    for (id, price) in [("a", 4.0), ("b", 2.5), ("c", 7.0)] {
        world.say(id, asks(price));
    }
    assert_eq!(world.hands(), ["b:x"]);
    assert_eq!(world.status(task).cost, 4.0);
    let why = because(&world, task);
    assert!(why.contains("asked 2.5, paid 4 by the next one"), "{why}");
    // What comes back undone costs nothing; the next is paid the third price.
    let first = world.only_dispatch();
    world.finish(first, Outcome::Undelivered);
    assert_eq!((world.hands(), world.status(task).cost), (vec!["a:x".to_owned()], 7.0));
}

#[test]
fn an_auction_whose_asks_are_all_above_the_budget_fails_over_budget() {
    let mut world = with(&["a", "b"]);
    let task = world.accept(TaskSubmissionRequest { budget: Some(1.0), ..by(Allocation::Auction) });
    world.say("a", asks(4.0));
    world.say("b", asks(2.5));
    assert_eq!(world.failure(task), "over_budget");
    let dear = world.accept(TaskSubmissionRequest { budget: Some(3.0), ..net() });
    world.say("a", asks(4.0));
    world.say("b", asks(2.5));
    assert_eq!((world.hands(), world.status(dear).cost), (vec!["b:x".to_owned()], 2.5));
}

#[test]
fn the_parts_of_a_task_share_what_is_left_of_its_budget_as_reserve() {
    let mut world = World::new();
    world.agent("reader", &["read"]);
    world.agent("writer", &["write"]);
    let (read, write) = ("read".parse().unwrap(), "write".parse().unwrap());
    let both = request("both").capability(read).capability(write).mode(TaskMode::Parallel);
    let both = TaskSubmissionRequest { budget: Some(8.0), ..both.allocation(Allocation::Auction) };
    let task = world.accept(both);
    world.say("reader", asks(1.0));
    world.say("writer", asks(1.0));
    assert_eq!(world.status(task).cost, 8.0, "4 each: both are alone");
}

#[test]
fn the_candidate_with_the_most_votes_gets_it() {
    let mut world = with(&["a", "b", "c"]);
    let task = world.accept(by(Allocation::Consensus));
    world.say("a", Said::Vote("c".to_owned()));
    world.say("b", Said::Vote("c@1.0.0".to_owned()));
    assert_eq!(world.hands(), ["c:x"], "the third vote changes nothing");
    let why = because(&world, task);
    assert!(why.starts_with("2 of 2 votes of 3 asked: the most votes"), "{why}");
}

#[test]
fn only_named_agents_are_asked_and_their_order_says_nothing() {
    let mut world = with(&["a", "b", "c"]);
    world.accept(net().agent("c").agent("a"));
    assert_eq!(world.asked(), ["a", "c"]);
    world.say("c", takes(900.0));
    world.say("a", takes(1.0));
    assert_eq!(world.hands(), ["a:x"]);
}

#[test]
fn agents_are_asked_for_each_member_of_a_team() {
    let mut world = World::new();
    for (id, can) in [("r1", "read"), ("r2", "read"), ("w1", "write"), ("w2", "write")] {
        world.agent(id, &[can]);
    }
    let (read, write) = ("read".parse().unwrap(), "write".parse().unwrap());
    world.accept(
        request("both").capability(read).capability(write).allocation(Allocation::ContractNet),
    );
    for (id, time) in [("r1", 900.0), ("r2", 1.0), ("w1", 1.0), ("w2", 900.0)] {
        world.say(id, takes(time));
    }
    assert_eq!(world.hands(), ["r2:both", "w1:both"]);
}

#[test]
fn modes_that_choose_several_at_once_take_no_round_and_say_what_they_take() {
    let mut world = with(&["a", "b", "c"]);
    let wrong = world.submit(net().mode(TaskMode::Consensus)).unwrap_err();
    let SubmitError::Invalid { field, expected, .. } = wrong else { panic!("{wrong:?}") };
    assert_eq!(field, "allocation");
    assert!(expected.starts_with("measured, random, least_loaded or load_balancing"), "{expected}");
}

#[test]
fn every_strategy_and_the_default_can_be_in_the_queue_side_by_side() {
    let mut world = World::new();
    for number in 0..4 {
        world.join(
            AgentCard::new(format!("a-{number}").as_str(), "1.0.0").capability("x").concurrency(2),
        );
    }
    let tasks: Vec<_> =
        (0..70).map(|at| world.accept(by(Allocation::ALL[at % Allocation::ALL.len()]))).collect();
    for _ in 0..100 {
        world.advance_ms(500);
        world.assert_capacities();
        for dispatch in std::mem::take(&mut world.in_hand) {
            world.finish(dispatch, answer("1"));
        }
    }
    assert!(tasks.iter().all(|task| world.state(*task) == TaskState::Completed));
}
