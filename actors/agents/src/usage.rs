//! What work used up: tokens of models, and money.

use serde::{Deserialize, Serialize};

/// What an execution used up, as its agent reports it: in a result or an error
/// (`"usage": {"tokens": 1200, "money_micros": 3500}`), or while it works.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Tokens of models, in and out.
    pub tokens: u64,
    /// Money, in millionths of the unit of the agents' cards.
    pub money_micros: u64,
}

impl Usage {
    /// Whether nothing was used up.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.tokens == 0 && self.money_micros == 0
    }

    /// Both together; what has no room in a count stays at its largest.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            money_micros: self.money_micros.saturating_add(other.money_micros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_and_stays_at_its_largest() {
        let one = Usage { tokens: 2, money_micros: 3 };
        assert_eq!(one.and(one), Usage { tokens: 4, money_micros: 6 });
        let most = Usage { tokens: u64::MAX, money_micros: 1 };
        assert_eq!(most.and(one).tokens, u64::MAX);
        assert!(Usage::default().is_nothing() && !one.is_nothing());
    }
}
