//! An agent that returns what it is given: for smoke tests and samples.

use std::time::Duration;

use tokio::time::sleep;

use crate::agent::Agent;
use crate::card::{AgentCard, Capability};
use crate::context::AgentContext;
use crate::error::AgentError;
use crate::payload::Payload;
use crate::work::Assignment;

/// The label that makes it wait before it answers, in milliseconds.
const DELAY_LABEL: &str = "echo.delay_ms";
/// Longest wait it agrees to.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Returns its input. The label `echo.delay_ms` makes it wait first, for at most a minute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Agent for Echo {
    fn card(&self) -> AgentCard {
        let echo = Capability::new("echo").description("Returns its input");
        AgentCard::new("echo", env!("CARGO_PKG_VERSION"))
            .name("Echo")
            .description("Returns what it is given; for smoke tests and samples")
            .capability(echo)
            .concurrency(64)
    }

    async fn perform(
        &mut self,
        work: Assignment,
        ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        if let Some(delay) = work.labels.get(DELAY_LABEL) {
            let delay = delay.parse().map(Duration::from_millis).map_err(|_| {
                let message = format!("the label {DELAY_LABEL} is not a number: '{delay}'");
                AgentError::invalid_input(message)
            })?;
            let stop = ctx.cancelled();
            tokio::select! {
                () = sleep(delay.min(MAX_DELAY)) => {}
                () = stop.cancelled() => return Err(AgentError::cancelled("told to stop")),
            }
        }
        Ok(work.payload)
    }
}
