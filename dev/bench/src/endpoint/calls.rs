//! What was asked, and what was asked twice.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// Calls by operation, as IAM spells it.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    made: BTreeMap<String, u64>,
    /// Those that had been made before with the same input.
    repeated: BTreeMap<String, u64>,
    seen: HashSet<u64>,
}

impl Calls {
    pub(crate) fn count(&mut self, operation: &str, input: &[u8]) {
        let mut hasher = DefaultHasher::new();
        (operation, input).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            *self.repeated.entry(operation.to_owned()).or_default() += 1;
        }
        *self.made.entry(operation.to_owned()).or_default() += 1;
    }

    /// All of them, and those that were repeated.
    pub(crate) fn figures(&self) -> (Value, Value) {
        (told(&self.made), told(&self.repeated))
    }
}

fn told(calls: &BTreeMap<String, u64>) -> Value {
    Value::Object(calls.iter().map(|(name, number)| (name.clone(), Value::from(*number))).collect())
}
