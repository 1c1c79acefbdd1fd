//! What callers may do: a closed set of roles, a closed set of permissions, one table between them.

mod set;

pub use set::{NoSuchRole, Roles};

use serde::{Deserialize, Serialize};

/// What a caller is trusted with. A token names one or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Submits tasks, starts and steers runs, and sees everything.
    Submitter,
    /// Decides about approvals, and sees everything.
    Approver,
    /// Runs the node: agents, controls, drain, definitions; submits and sees. Decides nothing.
    Operator,
    /// May do everything, tokens included.
    Admin,
    /// A program that does work: it registers, connects, gives signs of life, and takes part in
    /// conversations, no more.
    Agent,
}

impl Role {
    /// Every role, the least trusted of people first.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Submitter, Self::Approver, Self::Operator, Self::Admin, Self::Agent];

    /// Its name, as tokens and commands have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Agent => "agent",
        }
    }

    /// Whether this role alone is enough.
    #[must_use]
    pub const fn allows(self, permission: Permission) -> bool {
        use Permission::{Administer, Converse, Decide, Open, Operate, Read, Serve, Submit};
        match permission {
            Open => true,
            Read => !matches!(self, Self::Agent),
            Submit => matches!(self, Self::Submitter | Self::Operator | Self::Admin),
            Decide => matches!(self, Self::Approver | Self::Admin),
            Converse => !matches!(self, Self::Viewer),
            Operate => matches!(self, Self::Operator | Self::Admin),
            Serve => matches!(self, Self::Agent | Self::Operator | Self::Admin),
            Administer => matches!(self, Self::Admin),
        }
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Nothing: whoever watches over processes may ask whether this one lives.
    Open,
    /// To see.
    Read,
    /// To submit work and to steer it.
    Submit,
    /// To decide about approvals.
    Decide,
    /// To take part in conversations: to vote, to bid, to take locks.
    Converse,
    /// To do work as an agent.
    Serve,
    /// To run the node.
    Operate,
    /// To say who may do what.
    Administer,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Read,
        Self::Submit,
        Self::Decide,
        Self::Converse,
        Self::Serve,
        Self::Operate,
        Self::Administer,
    ];

    /// The roles that are enough, each alone.
    #[must_use]
    pub fn roles(self) -> Roles {
        Role::ALL.into_iter().filter(|role| role.allows(self)).collect()
    }
}

/// Whether a caller with these roles may do this.
///
/// # Errors
/// [`TooSmall`] names the roles that would be enough.
pub fn decide(roles: Roles, permission: Permission) -> Result<(), TooSmall> {
    let allowed =
        permission == Permission::Open || roles.iter().any(|role| role.allows(permission));
    if allowed { Ok(()) } else { Err(TooSmall { has: roles, needs: permission.roles() }) }
}

/// None of the caller's roles is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the role {has} is not enough: expected one of {needs}")]
pub struct TooSmall {
    /// The roles of the caller.
    pub has: Roles,
    /// Those that are enough, each alone.
    pub needs: Roles,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_is_held_by_exactly_these_roles() {
        let table = [
            (Permission::Read, "viewer,submitter,approver,operator,admin"),
            (Permission::Submit, "submitter,operator,admin"),
            (Permission::Decide, "approver,admin"),
            (Permission::Converse, "submitter,approver,operator,admin,agent"),
            (Permission::Serve, "operator,admin,agent"),
            (Permission::Operate, "operator,admin"),
            (Permission::Administer, "admin"),
        ];
        for (permission, roles) in table {
            assert_eq!(permission.roles().to_string(), roles, "{permission:?}");
        }
        assert_eq!(Permission::Open.roles().iter().count(), Role::ALL.len());
    }

    #[test]
    fn a_refusal_names_what_the_caller_has_and_what_would_do() {
        let viewer: Roles = [Role::Viewer].into_iter().collect();
        let refused = decide(viewer, Permission::Decide).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the role viewer is not enough: expected one of approver,admin"
        );
        assert_eq!(decide(viewer, Permission::Read), Ok(()));
    }

    #[test]
    fn who_has_no_role_may_do_only_what_is_open() {
        for permission in Permission::ALL {
            let allowed = decide(Roles::default(), permission).is_ok();
            assert_eq!(allowed, permission == Permission::Open, "{permission:?}");
        }
    }
}
