//! The log-triage team beside a workflow that needs it, on a node of `synod run`'s own.

use std::io;
use std::path::Path;

use serde_json::Value;
use synod_triage::{Readable, Team, TeamOptions};
use synod_workflows::definition::Definition;

use crate::config::NodeConfig;
use crate::node::{Node, NodeBuilder};

/// What only the team can do.
const NEEDED: &str = "log.digest";
/// Where it is kept what the team may open, beside the data of the node.
const NOTE: &str = "triage-reads";

/// Whether a step of this definition needs the team.
pub(super) fn is_needed(definition: &Definition) -> bool {
    definition.steps.iter().any(|step| step.work.capability.as_deref() == Some(NEEDED))
}

/// The team, which may open what `file` of the run's input names and nothing else: whoever runs
/// the workflow says so. A run that goes on later has the same.
///
/// # Errors
/// The folder can't be written or read.
pub(super) fn beside(
    input: Option<&Value>,
    config: &NodeConfig,
    folder: &Path,
) -> io::Result<Option<Team>> {
    let note = folder.join(NOTE);
    let file = match input {
        Some(input) => {
            let Some(file) = input.get("file").and_then(Value::as_str) else { return Ok(None) };
            let file = std::path::absolute(file)?;
            std::fs::write(&note, file.to_string_lossy().as_bytes())?;
            file
        }
        None if note.exists() => std::fs::read_to_string(&note)?.into(),
        None => return Ok(None),
    };
    let readable = Readable::below([file]);
    let spool = folder.join("spool");
    Ok(Some(Team::new(TeamOptions::new(config.triage.clone(), readable, spool))))
}

/// A node with this team.
pub(super) fn join(builder: NodeBuilder, team: Option<&Team>) -> NodeBuilder {
    let agents = team.into_iter().flat_map(|team| team.agents.iter().cloned());
    agents.fold(builder, NodeBuilder::agent_from)
}

/// The node is there: the team can begin.
pub(super) fn connect(team: Option<&Team>, node: &Node) {
    if let Some(team) = team {
        team.connect(node.tasks().clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use synod_workflows::definition::{Known, check};

    use super::*;

    #[test]
    fn the_team_comes_with_the_workflow_of_the_demo_alone() {
        let needs = |text: &str| is_needed(&check(text, &Known::default()).definition.unwrap());
        assert!(needs(include_str!("../../config/workflows/log_triage.yaml")));
        assert!(!needs("name: x\nsteps: [{id: a, agent: echo}]\n"));
    }

    #[test]
    fn what_it_may_open_is_remembered_for_a_run_that_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let config = NodeConfig::default();
        let team = |input: Option<&Value>| beside(input, &config, folder.path()).unwrap();
        assert!(team(None).is_none() && team(Some(&json!({}))).is_none());
        assert!(team(Some(&json!({"file": "x.log"}))).is_some());
        assert!(team(None).is_some());
        let kept = std::fs::read_to_string(folder.path().join(NOTE)).unwrap();
        assert!(kept.starts_with('/') && kept.ends_with("/x.log"), "{kept}");
    }
}
