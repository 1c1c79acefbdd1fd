//! Who may speak for a participant.

use synod_runtime::{Principal, PrincipalKind};

use super::Refusal;

/// Whether `by` may act as the participant `name`. A node may, and so may who nobody has named (a
/// node on loopback without tokens): they act on others' behalf. Everybody else is who they are.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may_speak_for(by: &Principal, name: &str) -> Result<(), Refusal> {
    let on_behalf = matches!(by.kind, PrincipalKind::Anonymous | PrincipalKind::Node);
    if on_behalf || &*by.name == name {
        return Ok(());
    }
    Err(Refusal::NotAllowed(format!("{by} may not speak for '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_speaks_for_themselves_and_nodes_for_all() {
        assert_eq!(may_speak_for(&Principal::agent("a"), "a"), Ok(()));
        assert_eq!(may_speak_for(&Principal::node("n"), "a"), Ok(()));
        assert_eq!(may_speak_for(Principal::anonymous(), "a"), Ok(()));
        for other in [Principal::agent("b"), Principal::user("b"), Principal::agent("")] {
            assert!(matches!(may_speak_for(&other, "a"), Err(Refusal::NotAllowed(_))), "{other}");
        }
    }
}
