//! Many agents on one node.

use std::time::Duration;

use synod_agents::{
    Agent, AgentCard, AgentContext, AgentError, AgentsConfig, Assignment, FindAgents, ListAgents,
    Payload, factory,
};

use crate::stage::{PATIENCE, Settings, Stage, perform};

const AGENTS: usize = 5_000;

struct Numbered(usize);

impl Agent for Numbered {
    fn card(&self) -> AgentCard {
        let group = format!("group.{}", self.0 % 10);
        AgentCard::new(format!("agent-{:05}", self.0), "1.0.0").capability(group)
    }

    async fn perform(
        &mut self,
        _work: Assignment,
        _ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Ok(Payload::json(&self.0)?)
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_agents_start_are_found_and_work() {
    let agents = (0..AGENTS).map(|number| factory(move || Numbered(number))).collect();
    let settings = Settings { agents, ..Settings::default() };
    let stage = Stage::with(settings).await;
    let last = format!("agent-{:05}", AGENTS - 1);
    stage.until(&last, synod_agents::AgentStatus::Active).await;
    let find = FindAgents { capability: "group.7".into(), min_version: None, limit: AGENTS };
    let found = stage.registry.ask(find, PATIENCE).await.unwrap();
    assert_eq!(found.len(), AGENTS / 10);
    let performed = perform(&found[3].address, "any").await.unwrap().unwrap();
    assert_eq!(performed.payload.to_json::<usize>(), Ok(37));
    let list = ListAgents { limit: 1_000, ..ListAgents::default() };
    let page = stage.registry.ask(list, PATIENCE).await.unwrap().unwrap();
    assert_eq!((page.entries.len(), page.next.is_some()), (1_000, true));
    stage.system.stop(Duration::from_secs(60)).await.unwrap();
}

#[test]
fn the_defaults_allow_a_hundred_thousand() {
    assert!(AgentsConfig::default().max_agents >= 100_000);
}
