//! Conditions, believed only where their key is known.

use std::fmt;

use serde_json::Value;

use super::pattern::wildcard;
use super::{Context, texts};

/// One key of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Such as `StringEquals`.
    pub operator: String,
    /// Such as `aws:PrincipalOrgID`.
    pub key: String,
    /// One of them must match, for operators that are not negated.
    pub values: Vec<String>,
}

impl Condition {
    pub(super) fn holds(&self, context: &Context) -> Option<bool> {
        let have = context.get(&self.key.to_ascii_lowercase())?;
        if self.values.iter().any(|value| value.contains("${")) {
            return None;
        }
        let operator = self.operator.to_ascii_lowercase();
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        let same = any(&|value| value == have);
        let same_letters = any(&|value| value.eq_ignore_ascii_case(have));
        let like = any(&|value| wildcard(value, have));
        match operator.strip_suffix("ifexists").unwrap_or(&operator) {
            "stringequals" => Some(same),
            "stringnotequals" => Some(!same),
            "stringequalsignorecase" | "bool" => Some(same_letters),
            "stringnotequalsignorecase" => Some(!same_letters),
            "stringlike" | "arnlike" | "arnequals" => Some(like),
            "stringnotlike" | "arnnotlike" | "arnnotequals" => Some(!like),
            _ => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.key)
    }
}

pub(super) fn conditions(value: Option<&Value>) -> Vec<Condition> {
    let operators = value.and_then(Value::as_object).into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            // What is not of the documented form is kept as a condition that nobody can tell of.
            let keys: Vec<(String, Vec<String>)> = match keys.as_object() {
                Some(keys) => keys.iter().map(|(key, values)| (key.clone(), texts(Some(values)))).collect(),
                None => vec![(String::new(), Vec::new())],
            };
            keys.into_iter().map(|(key, values)| Condition { operator: operator.clone(), key, values })
        })
        .collect()
}
