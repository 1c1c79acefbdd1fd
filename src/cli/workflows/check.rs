//! `synod workflows check`: what is wrong with a definition, before it is used.

use std::io;

use reqwest::Method;
use serde_json::{Value, json};
use synod_workflows::definition::{Checked, Known, check};
use synod_workflows::{DefinitionFault, DefinitionReport};

use super::faults::{self, Told};
use crate::cli::client::{Client, decode};
use crate::cli::exit::{CliError, Exit};
use crate::cli::input::text_file;
use crate::cli::output::{Paint, Screen, counted};

/// A definition that was read and checked.
pub(crate) struct Read {
    /// The file's name, for people.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
    /// What there is to say of it.
    pub(crate) checked: Checked,
}

/// Reads and checks a definition without a node.
pub(crate) fn read(source: &str) -> Result<Read, CliError> {
    let text = text_file(source)?;
    let checked = check(&text, &Known::default());
    let name = if source == "-" { "standard input" } else { source };
    Ok(Read { name: name.to_owned(), text, checked })
}

impl Read {
    /// Tells what keeps it from being run, on standard output; false when nothing does.
    pub(crate) fn refuse(&self, screen: &Screen) -> io::Result<bool> {
        if self.checked.plan.is_some() {
            return Ok(false);
        }
        let faults: Vec<Told> = self.checked.errors().cloned().map(Told::from).collect();
        tell(self, None, &faults, screen)?;
        Ok(true)
    }
}

/// Checks without a node: everything but whether its agents and capabilities are there.
pub(crate) fn alone(source: &str, screen: &Screen) -> Result<Exit, CliError> {
    let read = read(source)?;
    let faults: Vec<Told> = read.checked.faults.iter().cloned().map(Told::from).collect();
    let plan = read.checked.plan.as_ref();
    let workflow = plan.map(|plan| {
        let steps = plan.len() as u64;
        json!({"name": &*plan.name, "version": &*plan.version, "steps": steps})
    });
    tell(&read, workflow, &faults, screen)?;
    Ok(exit(&faults))
}

/// Has a node check it, which also knows its agents and capabilities.
pub(crate) async fn with_node(
    source: &str,
    client: &Client,
    screen: &Screen,
) -> Result<Exit, CliError> {
    let read = read(source)?;
    let answer = client.send_text(Method::POST, "/api/v1/workflows/check", &[], &read.text).await?;
    let report: DefinitionReport = decode(answer)?;
    let told = |error| move |fault: DefinitionFault| Told { error, fault };
    let mut faults: Vec<Told> = report.faults.into_iter().map(told(true)).collect();
    faults.extend(report.warnings.into_iter().map(told(false)));
    faults.sort_by_key(|told| (told.fault.line, told.fault.column, !told.error));
    let workflow = report.workflow.map(|workflow| {
        let mut facts = json!({"steps": report.steps, "hash": workflow.hash});
        facts["name"] = workflow.name.into();
        facts["version"] = workflow.version.into();
        facts
    });
    tell(&read, workflow, &faults, screen)?;
    Ok(exit(&faults))
}

fn exit(faults: &[Told]) -> Exit {
    if faults.iter().any(|told| told.error) { Exit::Usage } else { Exit::Done }
}

fn tell(read: &Read, workflow: Option<Value>, faults: &[Told], screen: &Screen) -> io::Result<()> {
    if screen.is_json() {
        let (errors, warnings): (Vec<&Told>, Vec<&Told>) = faults.iter().partition(|f| f.error);
        let report = json!({
            "file": read.name, "workflow": workflow, "errors": errors, "warnings": warnings,
        });
        return screen.json(&report);
    }
    faults::show(&read.name, &read.text, faults, screen)?;
    let Some(workflow) = workflow else { return Ok(()) };
    let text = |key: &str| workflow[key].as_str().unwrap_or_default().to_owned();
    let steps = counted(workflow["steps"].as_u64().unwrap_or_default(), "step");
    let good = screen.paint(Paint::Good, "can be run");
    screen.line(format!("{}: {good}: {} {}, {steps}", read.name, text("name"), text("version")))
}
