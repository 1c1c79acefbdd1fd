//! Merging JSON values that carry what it takes to be merged: state-based replicated types
//! (Shapiro, Preguiça, Baquero, Zawirski: A comprehensive study of CRDTs, 2011).

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Two values could not be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// One of them is not of the form that is expected.
    #[error("not {expected}: {fault}")]
    Malformed {
        /// Which form.
        expected: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}

/// A way to merge two values given as bytes. It must be commutative, associative and idempotent,
/// so that all who merge the same values come to the same.
pub trait Merge {
    /// What contains both.
    ///
    /// # Errors
    /// [`MergeError`] when one of them is not of the expected form.
    fn merge(&self, ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, MergeError>;
}

/// The ways to merge JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeKind {
    /// The latest of two: [`LatestValue`].
    Latest,
    /// What was counted up and down at each replica: [`CounterValues`].
    Counter,
    /// A set in which adding wins over removing at the same time: [`ObservedSet`].
    Set,
}

/// `{"value": any, "at": 3, "by": "a"}`: the greater `at` wins; of equals the greater `by`, of
/// those the greater text of the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatestValue {
    /// The value.
    pub value: Value,
    /// When it was written, by a clock that respects causes (HLC).
    pub at: u64,
    /// By whom.
    pub by: String,
}

/// `{"up": {"a": 3}, "down": {"b": 1}}`: the value is what all have counted up less what all have
/// counted down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterValues {
    /// What each replica has counted up.
    #[serde(default)]
    pub up: BTreeMap<String, u64>,
    /// What each replica has counted down.
    #[serde(default)]
    pub down: BTreeMap<String, u64>,
}

impl CounterValues {
    /// The value.
    #[must_use]
    pub fn value(&self) -> i128 {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().map(|n| i128::from(*n)).sum();
        let (up, down): (i128, i128) = (sum(&self.up), sum(&self.down));
        up - down
    }
}

/// `{"added": {"apple": ["a1"]}, "removed": ["b7"]}`: an element is in it as long as one of the
/// tags it was added under has not been removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedSet {
    /// The tags under which each element was added; a tag is used once.
    #[serde(default)]
    pub added: BTreeMap<String, BTreeSet<String>>,
    /// The tags that have been removed.
    #[serde(default)]
    pub removed: BTreeSet<String>,
}

impl ObservedSet {
    /// Its elements.
    pub fn elements(&self) -> impl Iterator<Item = &str> {
        let present = self.added.iter().filter(|(_, tags)| !tags.is_subset(&self.removed));
        present.map(|(element, _)| element.as_str())
    }
}

impl Merge for MergeKind {
    fn merge(&self, ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, MergeError> {
        match self {
            Self::Latest => both(ours, theirs, "a value with `at` and `by`", latest),
            Self::Counter => both(ours, theirs, "a counter with `up` and `down`", counted),
            Self::Set => both(ours, theirs, "a set with `added` and `removed`", united),
        }
    }
}

fn both<T: Serialize + DeserializeOwned>(
    ours: &[u8],
    theirs: &[u8],
    expected: &'static str,
    join: fn(T, T) -> T,
) -> Result<Vec<u8>, MergeError> {
    let malformed =
        |fault: serde_json::Error| MergeError::Malformed { expected, fault: fault.to_string() };
    // An object alone: serde would read the fields of a struct from a list too.
    let read = |bytes: &[u8]| {
        let object: serde_json::Map<String, Value> = serde_json::from_slice(bytes)?;
        serde_json::from_value(Value::Object(object))
    };
    let (ours, theirs) = (read(ours).map_err(malformed)?, read(theirs).map_err(malformed)?);
    serde_json::to_vec(&join(ours, theirs)).map_err(malformed)
}

fn latest(ours: LatestValue, theirs: LatestValue) -> LatestValue {
    let order = (ours.at, &ours.by).cmp(&(theirs.at, &theirs.by));
    let order = order.then_with(|| ours.value.to_string().cmp(&theirs.value.to_string()));
    if order.is_lt() { theirs } else { ours }
}

fn counted(ours: CounterValues, theirs: CounterValues) -> CounterValues {
    let most = |mut ours: BTreeMap<String, u64>, theirs: BTreeMap<String, u64>| {
        for (replica, count) in theirs {
            let own = ours.entry(replica).or_default();
            *own = (*own).max(count);
        }
        ours
    };
    CounterValues { up: most(ours.up, theirs.up), down: most(ours.down, theirs.down) }
}

fn united(mut ours: ObservedSet, theirs: ObservedSet) -> ObservedSet {
    for (element, tags) in theirs.added {
        ours.added.entry(element).or_default().extend(tags);
    }
    ours.removed.extend(theirs.removed);
    ours
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn counts() -> impl Strategy<Value = BTreeMap<String, u64>> {
        prop::collection::btree_map("[a-c]", 0_u64..9, 0..3)
    }

    fn value() -> impl Strategy<Value = (MergeKind, [Vec<u8>; 3])> {
        let latest = (0_u64..3, "[ab]", 0_u8..3)
            .prop_map(|(at, by, value)| json!({ "value": value, "at": at, "by": by }));
        let counter = (counts(), counts()).prop_map(|(up, down)| json!({ "up": up, "down": down }));
        let tags = || prop::collection::btree_set("[a-d]", 0..3);
        let set = (prop::collection::btree_map("[xyz]", tags(), 0..3), tags())
            .prop_map(|(added, removed)| json!({ "added": added, "removed": removed }));
        let three = |kind, values: BoxedStrategy<Value>| {
            prop::array::uniform3(values).prop_map(move |values| {
                (kind, values.map(|value| serde_json::to_vec(&value).unwrap()))
            })
        };
        prop_oneof![
            three(MergeKind::Latest, latest.boxed()),
            three(MergeKind::Counter, counter.boxed()),
            three(MergeKind::Set, set.boxed()),
        ]
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent((kind, [a, b, c]) in value()) {
            let join = |x: &[u8], y: &[u8]| kind.merge(x, y).unwrap();
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            let once = join(&a, &b);
            prop_assert_eq!(join(&once, &once), once.clone());
            prop_assert_eq!(join(&once, &a), once);
        }
    }

    #[test]
    fn values_merge_as_their_form_says() {
        let merged = |kind: MergeKind, a: &str, b: &str| {
            kind.merge(a.as_bytes(), b.as_bytes()).map(|it| String::from_utf8(it).unwrap())
        };
        let counter = merged(MergeKind::Counter, r#"{"up": {"a": 3}}"#, r#"{"down": {"b": 1}}"#);
        let counter: CounterValues = serde_json::from_str(&counter.unwrap()).unwrap();
        assert_eq!(counter.value(), 2);
        let set = merged(
            MergeKind::Set,
            r#"{"added": {"x": ["1"]}, "removed": ["1"]}"#,
            r#"{"added": {"x": ["2"], "y": ["3"]}, "removed": ["3"]}"#,
        );
        let set: ObservedSet = serde_json::from_str(&set.unwrap()).unwrap();
        assert_eq!(set.elements().collect::<Vec<_>>(), ["x"], "added again elsewhere");
        let error = merged(MergeKind::Counter, "[]", "{}").unwrap_err();
        assert!(error.to_string().starts_with("not a counter"), "{error}");
    }
}
