//! What expressions see: the names that are known when they are compiled, the values when they run.

use std::collections::HashMap;
use std::sync::Arc;

use crate::definition::Suggestions;
use crate::json::Json;
use crate::plan::StepIndex;

/// Where a value that an expression sees comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Root {
    /// `inputs`: the run's input.
    Inputs,
    /// `outputs.<step>`: what a step yielded; null when it was skipped.
    Output(StepIndex),
    /// `steps.<step>.state`: how a step stands, as a text.
    State(StepIndex),
    /// `variables.<name>`
    Variable(Arc<str>),
    /// `run`: `{id, started_at, ..}`.
    Run,
    /// `item`: the item in hand of a `for_each`.
    Item,
    /// `item_index`: its place in the list, from 0.
    ItemIndex,
    /// `error`: `{kind, message, step}` of what failed; in handlers.
    Error,
    /// `message`: the payload of the message in hand; in `await.match`.
    Message,
    /// `primary`: `{error: {kind, message, step}}` of the definition that this is the fallback of.
    Primary,
}

/// The values that an expression sees.
pub trait Scope {
    /// The value at `root`; `None` when there is none here or not yet, which is an error of the
    /// expression that asks for it.
    fn get(&self, root: &Root) -> Option<Json>;
}

impl<F: Fn(&Root) -> Option<Json>> Scope for F {
    fn get(&self, root: &Root) -> Option<Json> {
        self(root)
    }
}

/// Names that only exist in some places.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// `outputs` and `steps`.
    pub steps: bool,
    /// `variables`.
    pub variables: bool,
    /// `item` and `item_index`.
    pub item: bool,
    /// `error`.
    pub error: bool,
    /// `message`.
    pub message: bool,
    /// `primary`.
    pub primary: bool,
}

/// The names that a definition gives to its expressions.
#[derive(Debug, Default)]
pub struct Names {
    /// Steps by id.
    steps: HashMap<Arc<str>, StepIndex>,
    /// Steps whose id has a `-`, by the id with `_` instead.
    aliases: HashMap<String, StepIndex>,
    /// Names of variables.
    variables: Vec<Arc<str>>,
    suggestions: Suggestions,
}

/// Why a name is not known: the message, and what is probably meant.
pub(crate) type Unknown = (String, Option<String>);

impl Names {
    /// The names of these steps, in their order, and of these variables.
    pub fn new<'a>(
        steps: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut names = Self::default();
        for (at, id) in steps.into_iter().enumerate() {
            let index = StepIndex(u32::try_from(at).unwrap_or(u32::MAX));
            names.steps.entry(Arc::from(id)).or_insert(index);
            if id.contains('-') {
                names.aliases.entry(id.replace('-', "_")).or_insert(index);
            }
        }
        names.variables = variables.into_iter().map(Arc::from).collect();
        names
    }

    /// The step of this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<StepIndex> {
        self.steps.get(id).copied()
    }

    /// The earlier step that expressions call by the same name as the step `id`, if there is one.
    pub(crate) fn alias_clash(&self, id: &str) -> Option<StepIndex> {
        let own = self.step(id)?;
        let other = self.aliases.get(&id.replace('-', "_")).copied();
        other.filter(|other| *other < own)
    }

    /// What is said about an id that no step has.
    pub(crate) fn unknown_step(&self, id: &str) -> Unknown {
        let ids = self.steps.keys().map(AsRef::as_ref);
        (format!("there is no step '{}'", shown(id)), self.suggestions.nearest(id, ids))
    }

    /// The step that an expression calls `name`.
    pub(crate) fn step_in_expression(&self, name: &str) -> Result<StepIndex, Unknown> {
        let known = self.step(name).or_else(|| self.aliases.get(name).copied());
        known.ok_or_else(|| self.unknown_step(name))
    }

    /// The variable of this name.
    pub(crate) fn variable(&self, name: &str) -> Result<Arc<str>, Unknown> {
        let known = self.variables.iter().find(|known| known.as_ref() == name);
        known.cloned().ok_or_else(|| {
            let names = self.variables.iter().map(AsRef::as_ref);
            let meant = self.suggestions.nearest(name, names);
            (format!("there is no variable '{}'", shown(name)), meant)
        })
    }
}

/// A name as far as a message says it.
pub(crate) fn shown(name: &str) -> String {
    const SHOWN: usize = 80;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
