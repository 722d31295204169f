//! Compares resource policies by what they say: as sets of statements, whatever their order, spacing and spelling.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Found, NONE, plain};

/// Whether two policies say the same; each comes with the ARN of its secret.
pub(crate) fn same(a: (&str, &str), b: (&str, &str)) -> bool {
    let mut found = Found(Vec::new());
    compare((Some(a.0), a.1), (Some(b.0), b.1), &mut found);
    found.0.is_empty()
}

/// Adds each statement that only one of the two has. A statement about the secret's own ARN is one about `*`: a policy is
/// about its own secret alone, and the end of an ARN is another one after a restore.
pub(super) fn compare((a, a_arn): (Option<&str>, &str), (b, b_arn): (Option<&str>, &str), found: &mut Found) {
    const PROPERTY: &str = "ResourcePolicy";
    if a == b && a_arn == b_arn {
        return;
    }
    let none = || Some(Policy::default());
    let parsed = |text: Option<&str>, arn: &str| text.map_or_else(none, |text| Policy::parse(text, arn));
    let (Some(before), Some(after)) = (parsed(a, a_arn), parsed(b, b_arn)) else {
        // What is no policy can only be compared letter by letter.
        return found.add(PROPERTY, a.map_or(NONE, plain), b.map_or(NONE, plain));
    };
    for (statement, shown) in &before.statements {
        if !after.statements.contains_key(statement) {
            found.add(PROPERTY, plain(shown), NONE);
        }
    }
    for (statement, shown) in &after.statements {
        if !before.statements.contains_key(statement) {
            found.add(PROPERTY, NONE, plain(shown));
        }
    }
    // The version decides whether `${..}` is a variable; of no statements it decides nothing.
    if before.version != after.version && !before.statements.is_empty() && !after.statements.is_empty() {
        found.add("ResourcePolicy.Version", plain(&before.version), plain(&after.version));
    }
}

#[derive(Default)]
struct Policy {
    version: String,
    /// In one spelling, and as it is written.
    statements: BTreeMap<String, String>,
}

impl Policy {
    fn parse(text: &str, arn: &str) -> Option<Self> {
        let Ok(Value::Object(mut policy)) = serde_json::from_str(text) else { return None };
        let statements = match policy.remove("Statement")? {
            Value::Array(statements) => statements,
            single => vec![single],
        };
        let version = match policy.remove("Version") {
            Some(Value::String(version)) => version,
            Some(_) => return None,
            None => "2008-10-17".to_owned(),
        };
        policy.remove("Id");
        if !policy.is_empty() {
            return None;
        }
        let statements = statements.iter().map(|statement| {
            let statement = statement.as_object()?;
            Some((canonical(&about_itself(statement, arn)), shown(statement)))
        });
        Some(Self { version, statements: statements.collect::<Option<_>>()? })
    }
}

/// The statement with `*` in place of its secret's own ARN.
fn about_itself(statement: &Map<String, Value>, arn: &str) -> Map<String, Value> {
    let mut statement = statement.clone();
    let star = |one: &mut Value| {
        if one.as_str() == Some(arn) {
            *one = Value::from("*");
        }
    };
    match statement.get_mut("Resource") {
        Some(Value::Array(many)) => many.iter_mut().for_each(star),
        Some(one) => star(one),
        None => {}
    }
    statement
}

/// A statement on one line, in the order in which people write them.
fn shown(statement: &Map<String, Value>) -> String {
    const ORDER: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let place = |element: &str| ORDER.iter().position(|known| *known == element).unwrap_or(ORDER.len());
    let mut elements: Vec<(&String, &Value)> = statement.iter().collect();
    elements.sort_by_key(|(element, _)| (place(element), *element));
    let line = |(element, value)| format!("{}:{}", Value::String(String::clone(element)), in_order(value));
    format!("{{{}}}", elements.into_iter().map(line).collect::<Vec<_>>().join(","))
}

/// Keys of objects in the order of the alphabet, however the parser keeps them.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => sorted(map.iter().map(|(key, value)| (key.clone(), in_order(value)))),
        Value::Array(items) => items.iter().map(in_order).collect(),
        plain => plain.clone(),
    }
}

/// A statement in one spelling. `Sid` is a name and says nothing.
fn canonical(statement: &Map<String, Value>) -> String {
    let said = statement.iter().filter(|(element, _)| *element != "Sid");
    let elements: BTreeMap<&str, Value> = said
        .map(|(element, value)| {
            let value = match element.as_str() {
                "Action" | "NotAction" => set(value, str::to_lowercase),
                "Resource" | "NotResource" => set(value, str::to_owned),
                "Principal" | "NotPrincipal" => principal(value),
                "Condition" => condition(value),
                _ => in_order(value),
            };
            (element.as_str(), value)
        })
        .collect();
    // Maps of strings: this cannot fail.
    serde_json::to_string(&elements).unwrap_or_default()
}

/// One string, or a list of them, as a sorted list. What is neither stays as it is.
fn set(value: &Value, spell: impl Fn(&str) -> String) -> Value {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    let texts: Option<BTreeSet<String>> = items.iter().map(|item| text(item).map(|text| spell(&text))).collect();
    texts.map_or_else(|| in_order(value), |texts| texts.into_iter().map(Value::String).collect())
}

/// In a policy `true` and `"true"` are the same.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `*` is short for all AWS principals, and an account's number for its root.
fn principal(value: &Value) -> Value {
    let whole = |name: &str| match name {
        account if account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("arn:aws:iam::{account}:root")
        }
        name => name.to_owned(),
    };
    match value {
        Value::String(all) if all == "*" => sorted([("AWS".to_owned(), set(value, str::to_owned))]),
        Value::Object(kinds) => sorted(kinds.iter().map(|(kind, names)| (kind.clone(), set(names, whole)))),
        other => in_order(other),
    }
}

/// Names of condition keys are not case-sensitive; what they are compared with is.
fn condition(value: &Value) -> Value {
    let keys = |keys: &Map<String, Value>| {
        sorted(keys.iter().map(|(key, wanted)| (key.to_lowercase(), set(wanted, str::to_owned))))
    };
    match value {
        Value::Object(operators) => {
            sorted(operators.iter().map(|(operator, tested)| {
                (operator.clone(), tested.as_object().map_or_else(|| in_order(tested), keys))
            }))
        }
        other => in_order(other),
    }
}

fn sorted(items: impl IntoIterator<Item = (String, Value)>) -> Value {
    let items: BTreeMap<String, Value> = items.into_iter().collect();
    Value::Object(items.into_iter().collect())
}
