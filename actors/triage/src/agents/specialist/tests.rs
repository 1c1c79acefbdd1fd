//! A specialist called by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_agents::{AgentErrorKind, WorkId};
use tokio::time::Instant;

use super::*;

fn assignment(payload: Payload, attempt: u32) -> Assignment {
    Assignment {
        work: WorkId { task: Default::default(), part: 0, attempt, epoch: 1 },
        kind: "test".into(),
        capability: None,
        payload,
        deadline: Instant::now() + Duration::from_secs(5),
        idempotency_key: "key".into(),
        correlation: None,
        labels: BTreeMap::new(),
        state: None,
        watch: Default::default(),
    }
}

fn doubling() -> Specialist<u64, u64> {
    let card = AgentCard::new("double", "1.0.0").capability("double");
    let work = |number: u64, attempt: Attempt| {
        if number == 13 && attempt.number == 1 {
            attempt.crash("unlucky");
        }
        Ok(number * 2)
    };
    Specialist { card, work: Arc::new(work) }
}

async fn perform(payload: Payload, attempt: u32) -> Result<Payload, AgentError> {
    let assignment = assignment(payload, attempt);
    let mut context = AgentContext::standalone(&assignment);
    doubling().perform(assignment, &mut context).await
}

#[tokio::test]
async fn json_goes_in_and_json_comes_out() {
    let output = perform(Payload::json(&21).unwrap(), 1).await.unwrap();
    assert_eq!(output.to_json::<u64>(), Ok(42));
}

#[tokio::test]
async fn what_is_not_the_input_is_refused_as_such() {
    let error = perform(Payload::text("21"), 1).await.unwrap_err();
    assert_eq!(error.kind, AgentErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_crash_is_a_panic_of_the_work_and_passes_with_the_next_attempt() {
    let first = tokio::spawn(perform(Payload::json(&13).unwrap(), 1)).await;
    assert!(first.unwrap_err().is_panic());
    let second = perform(Payload::json(&13).unwrap(), 2).await.unwrap();
    assert_eq!(second.to_json::<u64>(), Ok(26));
}
