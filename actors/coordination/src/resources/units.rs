//! How much of each kind of resource.

use serde::{Deserialize, Serialize};

/// Whole units of every kind of resource; no fractions, so nothing is lost in rounding.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceUnits {
    /// Thousandths of a processor.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Thousandths of a GPU.
    pub gpu_millis: u64,
    /// Tokens of a language model.
    pub tokens: u64,
    /// Millionths of a unit of money.
    pub money_micros: u64,
}

impl ResourceUnits {
    /// The kinds, in the order of [`Self::amounts`].
    pub const KINDS: [&'static str; 5] =
        ["cpu_millis", "memory_bytes", "gpu_millis", "tokens", "money_micros"];

    /// How much of each kind.
    #[must_use]
    pub fn amounts(&self) -> [u64; 5] {
        [self.cpu_millis, self.memory_bytes, self.gpu_millis, self.tokens, self.money_micros]
    }

    fn of(amounts: [u64; 5]) -> Self {
        let [cpu_millis, memory_bytes, gpu_millis, tokens, money_micros] = amounts;
        Self { cpu_millis, memory_bytes, gpu_millis, tokens, money_micros }
    }

    /// Whether there is nothing of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both together; none when that is more than can be counted.
    #[must_use]
    pub fn checked_add(&self, more: &Self) -> Option<Self> {
        self.each(more, u64::checked_add)
    }

    /// What is left without `less`; none when there is not that much of every kind.
    #[must_use]
    pub fn checked_sub(&self, less: &Self) -> Option<Self> {
        self.each(less, u64::checked_sub)
    }

    /// The first kind of which there is less than `wanted`: its name, what there is, what is
    /// wanted.
    #[must_use]
    pub fn lacks(&self, wanted: &Self) -> Option<(&'static str, u64, u64)> {
        let kinds = Self::KINDS.into_iter().zip(self.amounts()).zip(wanted.amounts());
        kinds.map(|((kind, has), wants)| (kind, has, wants)).find(|(_, has, wants)| has < wants)
    }

    fn each(&self, other: &Self, operation: fn(u64, u64) -> Option<u64>) -> Option<Self> {
        let mut amounts = self.amounts();
        for (amount, other) in amounts.iter_mut().zip(other.amounts()) {
            *amount = operation(*amount, other)?;
        }
        Some(Self::of(amounts))
    }
}
