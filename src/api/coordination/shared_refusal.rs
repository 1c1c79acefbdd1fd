//! Why shared state took something not, as problems.

use std::time::Duration;

use synod_coordination::sync::{EditRefusal, SharedError, SharedRefusal};

use crate::api::problem::{Problem, ProblemType};

/// The problem of a write that was not done.
pub(super) fn not_written(why: SharedError) -> Problem {
    let detail = why.to_string();
    let soon = |kind| Problem::new(kind, detail.clone()).retry_after(Duration::from_secs(1));
    match why {
        SharedError::Refused(refusal) => refused(refusal),
        SharedError::Busy(_) => soon(ProblemType::QueueFull),
        SharedError::NotDurable(_) => {
            soon(ProblemType::Unavailable).next("nothing has changed; try again")
        }
        SharedError::OutcomeUnknown(_) => soon(ProblemType::Unavailable)
            .next("it may have been written: read the document before writing again"),
    }
}

/// The problem of what is refused.
pub(super) fn refused(why: SharedRefusal) -> Problem {
    let detail = why.to_string();
    let new = |kind| Problem::new(kind, detail.clone());
    match why {
        SharedRefusal::Name { found } => new(ProblemType::InvalidField)
            .field("document")
            .expected("1 to 64 of A-Z a-z 0-9 . _ : -", found),
        SharedRefusal::TooLarge { found, limit } => new(ProblemType::InvalidField)
            .field("edits")
            .expected(format!("at most {limit} bytes in one write"), found.to_string())
            .next("write in several parts, or raise `delta_bytes` in the section `shared`"),
        SharedRefusal::TooManyDocuments { .. } => new(ProblemType::LimitReached)
            .next("use a document that is there, or raise `max_documents` in the section `shared`"),
        SharedRefusal::Full { .. } => new(ProblemType::LimitReached)
            .next("remove keys, or raise `max_total_bytes` in the section `shared`"),
        SharedRefusal::Edit(edit) => of_edit(edit, detail),
    }
}

fn of_edit(why: EditRefusal, detail: String) -> Problem {
    let invalid = |field: String, expected: String, found: usize| {
        let problem = Problem::new(ProblemType::InvalidField, detail.clone());
        problem.field(field).expected(expected, found.to_string())
    };
    match why {
        EditRefusal::Count { found, limit } => {
            invalid("edits".into(), format!("1 to {limit} edits"), found)
        }
        EditRefusal::Key { edit, found, limit } => {
            invalid(format!("edits[{edit}].key"), format!("1 to {limit} bytes"), found)
        }
        EditRefusal::Value { edit, found, limit } => {
            invalid(format!("edits[{edit}]"), format!("a value of at most {limit} bytes"), found)
        }
        EditRefusal::Kind { edit, .. } => Problem::new(ProblemType::Conflict, detail)
            .field(format!("edits[{edit}].key"))
            .next("remove the key first, or use another one"),
        EditRefusal::Overflow { edit, .. } => Problem::new(ProblemType::Conflict, detail)
            .field(format!("edits[{edit}].by"))
            .next("count less, or use another key"),
        EditRefusal::Full { .. } => {
            let next = "remove keys, or raise `max_entries` or `max_document_bytes` in the \
                        section `shared`";
            Problem::new(ProblemType::LimitReached, detail).next(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use synod_coordination::sync::CellKind;

    use super::*;

    #[test]
    fn each_refusal_says_whether_the_request_or_the_state_is_in_the_way() {
        let cases: [(SharedRefusal, u16, Option<&str>); 8] = [
            (SharedRefusal::Name { found: "a b".into() }, 422, Some("document")),
            (SharedRefusal::TooLarge { found: 9, limit: 8 }, 422, Some("edits")),
            (SharedRefusal::TooManyDocuments { limit: 1 }, 429, None),
            (SharedRefusal::Full { limit: 1 }, 429, None),
            (EditRefusal::Count { found: 0, limit: 8 }.into(), 422, Some("edits")),
            (EditRefusal::Key { edit: 1, found: 0, limit: 8 }.into(), 422, Some("edits[1].key")),
            (
                EditRefusal::Kind { edit: 0, key: "k".into(), kind: CellKind::Set }.into(),
                409,
                Some("edits[0].key"),
            ),
            (EditRefusal::Full { what: "bytes", limit: 1 }.into(), 429, None),
        ];
        for (refusal, status, field) in cases {
            let told = refusal.to_string();
            let problem = refused(refusal);
            assert_eq!(problem.status(), StatusCode::from_u16(status).unwrap(), "{told}");
            assert_eq!(problem.members().field.as_deref(), field, "{told}");
            assert_eq!(problem.members().detail, told);
        }
    }
}
