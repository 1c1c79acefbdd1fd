//! Definitions that the node keeps by name, and checking one before it is used.

use jiff::Timestamp;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::{Ask, Principal};

use super::status::WorkflowRef;
use crate::error::DefineError;

/// What is wrong with this definition? Nothing is kept.
#[derive(Debug, Clone)]
pub struct CheckDefinition {
    /// Its text, YAML or JSON.
    pub text: String,
}

impl Ask for CheckDefinition {
    type Reply = DefinitionReport;
}

/// What there is to say of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DefinitionReport {
    /// What it is, if it can be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// How many steps it has, those of its fallbacks included.
    pub steps: u64,
    /// What must be mended before it can be run.
    pub faults: Vec<DefinitionFault>,
    /// What can be run and yet is probably not meant so: an unused output, an agent or a
    /// capability that nobody has at the moment.
    pub warnings: Vec<DefinitionFault>,
}

/// Something wrong with a definition: what, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DefinitionFault {
    /// JSON pointer (RFC 6901) to the place.
    pub path: String,
    /// Line of the text, from 1; 0 when it is not known.
    pub line: u32,
    /// Column of the text, from 1; 0 when it is not known.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// Keep this definition under its name and version. Answered when it is durable. The same version
/// with the same content changes nothing; with another it is refused, as runs and sub-workflows
/// may name it.
#[derive(Debug, Clone)]
pub struct DefineWorkflow {
    /// Its text, YAML or JSON.
    pub text: String,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for DefineWorkflow {
    type Reply = Result<DefinitionSummary, DefineError>;
}

/// The definitions that are kept, by name and version.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListDefinitions {}

impl Ask for ListDefinitions {
    type Reply = Vec<DefinitionSummary>;
}

/// A definition that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DefinitionSummary {
    /// What it is.
    pub workflow: WorkflowRef,
    /// What it is for.
    pub description: String,
    /// How many steps it has.
    pub steps: u64,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    pub defined_at: Timestamp,
    /// Who stored it.
    pub defined_by: String,
}

/// Show a definition that is kept; `None`: there is none of that name and version.
#[derive(Debug, Clone)]
pub struct ShowDefinition {
    /// Its name.
    pub name: String,
    /// Which version: the newest that fits. `None`: the newest of all.
    pub version: Option<VersionReq>,
}

impl Ask for ShowDefinition {
    type Reply = Option<DefinitionResponse>;
}

/// A definition in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DefinitionResponse {
    /// It in few words.
    #[serde(flatten)]
    pub summary: DefinitionSummary,
    /// What it says, in canonical form.
    pub definition: Value,
}

/// Keep this version of a definition no longer. Runs that are pinned to it go on.
#[derive(Debug, Clone)]
pub struct ForgetDefinition {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Who asks.
    pub principal: Principal,
}

impl Ask for ForgetDefinition {
    type Reply = Result<(), DefineError>;
}
