//! Who gets a connection, and who doesn't.

use std::collections::BTreeMap;

use super::*;
use crate::node::{NodeName, Roles};
use crate::wire::StreamKind;

fn record(id: u64, name: &str, incarnation: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        name: NodeName::parse(name).unwrap(),
        address: format!("{name}:7400"),
        api: None,
        incarnation: Incarnation(incarnation),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

fn greeting(record: NodeRecord) -> Greeting {
    Greeting {
        format: FORMAT,
        cluster: Some(ClusterId(1)),
        record,
        expects: Some(NodeId(1)),
        stream: StreamKind::Data,
        nonce: 1,
        echo: 0,
        window_frames: 1,
        window_bytes: 1,
        max_body: 1,
    }
}

fn judged(theirs: &Greeting, known: Option<Known>, named: Option<&str>) -> Result<(), RefusalCode> {
    let own = Own { record: &record(1, "a", 10), cluster: Some(ClusterId(1)) };
    admit(&own, known.as_ref(), theirs, named).map_err(|refusal| refusal.code)
}

#[test]
fn a_node_that_is_not_known_yet_is_let_in() {
    assert_eq!(judged(&greeting(record(2, "b", 1)), None, Some("b")), Ok(()));
}

#[test]
fn a_node_without_a_cluster_is_let_in_and_one_of_another_is_not() {
    let fresh = Greeting { cluster: None, ..greeting(record(2, "b", 1)) };
    assert_eq!(judged(&fresh, None, None), Ok(()));
    let other = Greeting { cluster: Some(ClusterId(2)), ..greeting(record(2, "b", 1)) };
    assert_eq!(judged(&other, None, None), Err(RefusalCode::Cluster));
}

#[test]
fn a_name_that_is_not_the_one_of_the_certificate_is_refused() {
    let theirs = greeting(record(2, "b", 1));
    assert_eq!(judged(&theirs, None, Some("c")), Err(RefusalCode::Stranger));
}

#[test]
fn who_expects_another_node_here_is_told_so() {
    let theirs = Greeting { expects: Some(NodeId(9)), ..greeting(record(2, "b", 1)) };
    assert_eq!(judged(&theirs, None, None), Err(RefusalCode::Stranger));
}

#[test]
fn another_format_of_the_logs_is_refused() {
    let theirs = Greeting { format: FORMAT + 1, ..greeting(record(2, "b", 1)) };
    assert_eq!(judged(&theirs, None, None), Err(RefusalCode::Version));
}

#[test]
fn the_id_of_this_node_itself_is_refused() {
    assert_eq!(judged(&greeting(record(1, "b", 99)), None, None), Err(RefusalCode::Twin));
}

#[test]
fn an_earlier_start_is_refused_and_a_later_one_let_in() {
    for is_alive in [false, true] {
        let known = || Some(Known { record: record(2, "b", 5), is_alive });
        let stale = greeting(record(2, "b", 4));
        assert_eq!(judged(&stale, known(), None), Err(RefusalCode::Stale));
        assert_eq!(judged(&greeting(record(2, "b", 6)), known(), None), Ok(()));
    }
}

#[test]
fn the_same_id_elsewhere_is_refused_only_while_the_first_is_alive() {
    let known = |is_alive| Some(Known { record: record(2, "b", 5), is_alive });
    let twin = greeting(record(2, "c", 6));
    assert_eq!(judged(&twin, known(true), None), Err(RefusalCode::Twin));
    assert_eq!(judged(&twin, known(false), None), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn of_two_connections_made_at_once_both_sides_keep_the_same() {
    let since = Instant::now();
    let standing = |incarnation, caller| Standing {
        incarnation: Incarnation(incarnation),
        caller: NodeId(caller),
        since,
    };
    let at_once = Duration::from_secs(5);
    let replaces =
        |former: &Standing, later: &Standing| replaces(former, later, NodeId(1), at_once);
    let (lower, higher) = (standing(1, 1), standing(1, 2));
    assert!(!replaces(&lower, &higher));
    assert!(replaces(&higher, &lower));
    let late = Standing { since: since + at_once, ..higher };
    assert!(replaces(&lower, &late), "the other side has lost the former");
    assert!(replaces(&lower, &standing(2, 2)), "a later start");
    assert!(!replaces(&standing(2, 2), &lower), "an earlier start");
}
