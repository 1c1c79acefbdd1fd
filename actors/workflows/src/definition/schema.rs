//! The published JSON Schema of definitions (draft 2020-12), made from the model.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::model::{Definition, ErrorKind};

/// Where it is published, relative to a node.
const ID: &str = "/schemas/workflow.json";

/// The schema of a definition; each key is described as in the model. `x-error-kinds` has the list
/// of error kinds and whether each is retried by default.
#[must_use]
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(generate);
    &SCHEMA
}

fn generate() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Definition>().to_value();
    if let Some(root) = schema.as_object_mut() {
        let kinds = ErrorKind::ALL.iter();
        let kinds = kinds.map(|kind| json!({"kind": kind, "retryable": kind.retryable()}));
        root.insert("$id".to_owned(), ID.into());
        root.insert("title".to_owned(), "Workflow".into());
        root.insert("x-error-kinds".to_owned(), kinds.collect());
    }
    schema
}
