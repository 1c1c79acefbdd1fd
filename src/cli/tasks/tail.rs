//! Ids of tasks by their end: it is random, while tasks of one time begin alike (UUID version 7,
//! RFC 9562).

use std::collections::HashSet;
use std::str::FromStr;

use synod_tasks::TaskPage;
use uuid::Uuid;

use super::TASKS;
use crate::cli::Session;
use crate::cli::client::decode;
use crate::cli::exit::CliError;

/// Letters of a whole id, those that are shown at least, and those that are taken at least.
pub(super) const WHOLE: usize = 36;
const SHOWN: usize = 8;
const LEAST: usize = 4;
/// Tasks among which an end is looked for, the newest.
const AMONG: usize = 1_000;

/// How many letters at the end tell these ids apart.
pub(super) fn enough(ids: &[String]) -> usize {
    let differ = |letters: &usize| {
        let ends = ids.iter().map(|id| &id[id.len().saturating_sub(*letters)..]);
        ends.collect::<HashSet<_>>().len() == ids.len()
    };
    (SHOWN..WHOLE).find(differ).unwrap_or(WHOLE)
}

/// A task as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskName {
    /// By its whole id.
    Whole(Uuid),
    /// By the end of it, in lower case.
    Tail(String),
}

impl FromStr for TaskName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Whole(id));
        }
        let tail = text.to_ascii_lowercase();
        let hexadecimal = tail.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if hexadecimal && (LEAST..WHOLE).contains(&tail.len()) {
            return Ok(Self::Tail(tail));
        }
        Err(format!("expected a task's id, or its last {LEAST} letters or more"))
    }
}

impl TaskName {
    /// The whole id: an end is looked for among the newest tasks.
    ///
    /// # Errors
    /// No such task, or more than one.
    pub(super) async fn resolve(&self, session: &Session) -> Result<Uuid, CliError> {
        let tail = match self {
            Self::Whole(id) => return Ok(*id),
            Self::Tail(tail) => tail,
        };
        let newest = [("limit", AMONG.to_string())];
        let page: TaskPage = decode(session.client.get(TASKS, &newest).await?)?;
        one_of(tail, page.tasks.iter().map(|task| task.task_id))
    }
}

fn one_of(tail: &str, newest: impl Iterator<Item = Uuid>) -> Result<Uuid, CliError> {
    let mut found = newest.filter(|id| id.to_string().ends_with(tail));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(one), Some(other)) => Err(CliError::Usage(format!(
            "the ids of {one} and {other} both end with {tail}: give more of the id"
        ))),
        (None, _) => Err(CliError::NotFound(format!(
            "no id of the newest {AMONG} tasks ends with {tail}: give an older task's whole id"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn ids_are_shown_by_as_much_of_their_end_as_tells_them_apart() {
        let ids = ["0aaa-11111111", "0aaa-22222222"].map(str::to_owned);
        assert_eq!(enough(&ids), 8);
        let ids = ["019abc-111111111", "019abc-211111111"].map(str::to_owned);
        assert_eq!(enough(&ids), 9);
        assert_eq!(enough(&[]), 8);
    }

    #[test]
    fn a_task_is_named_by_its_id_or_the_end_of_it() {
        let id = Uuid::from_u128(0x42);
        assert_eq!(id.to_string().parse(), Ok(TaskName::Whole(id)));
        assert_eq!("0000004A".parse(), Ok(TaskName::Tail("0000004a".to_owned())));
        for wrong in ["", "4a", "all", "../../x", &"0".repeat(40)] {
            assert!(wrong.parse::<TaskName>().unwrap_err().contains("last 4 letters"), "{wrong}");
        }
    }

    #[test]
    fn an_end_must_be_that_of_one_task() {
        let ids = [0x1111_aaaa_u128, 0x2222_aaaa, 0x3333_bbbb].map(Uuid::from_u128);
        assert_eq!(one_of("bbbb", ids.into_iter()).unwrap(), ids[2]);
        assert_eq!(one_of("aaaa", ids.into_iter()).unwrap_err().exit(), Exit::Usage);
        assert_eq!(one_of("cccc", ids.into_iter()).unwrap_err().exit(), Exit::NotFound);
    }
}
