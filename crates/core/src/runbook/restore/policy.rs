//! Resource policies in a restore: would it lock the restorer out, and does it name the secret's old ARN.

use serde_json::Value;

use crate::model::Secret;

/// The policy as it can be attached to the restored secret: where it names the old secret's own ARN, whose last six
/// characters are never given again, `*` says the same, since a secret's policy is about that secret alone.
pub(super) fn portable(policy: &str, old: &Secret) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(policy) else { return policy.to_owned() };
    let mut changed = false;
    for statement in statements_mut(&mut document) {
        let Some(resource) = statement.get_mut("Resource") else { continue };
        match resource {
            Value::String(one) if *one == old.arn => {
                *resource = Value::from("*");
                changed = true;
            }
            Value::Array(many) => {
                for one in many.iter_mut().filter(|one| one.as_str() == Some(&old.arn)) {
                    *one = Value::from("*");
                    changed = true;
                }
            }
            _ => {}
        }
    }
    // The backup's own text wherever nothing had to be changed.
    if changed { document.to_string() } else { policy.to_owned() }
}

fn statements_mut(document: &mut Value) -> Vec<&mut Value> {
    match document.get_mut("Statement") {
        Some(Value::Array(many)) => many.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// What a restorer must still be able to do afterwards.
const NEEDED: [&str; 6] = [
    "secretsmanager:describesecret",
    "secretsmanager:putresourcepolicy",
    "secretsmanager:deleteresourcepolicy",
    "secretsmanager:getresourcepolicy",
    "secretsmanager:deletesecret",
    "secretsmanager:rotatesecret",
];

/// Why attaching `policy` might lock `caller` (an ARN) out of the secret; `None` if it cannot.
///
/// A condition is only believed where it is the one on insecure transport, which this program never uses: all others
/// depend on facts that only AWS has when it evaluates them.
pub(super) fn locks_out(policy: &str, caller: &str) -> Option<String> {
    let Ok(mut document) = serde_json::from_str::<Value>(policy) else {
        return Some("it is not JSON".to_owned());
    };
    statements_mut(&mut document).into_iter().enumerate().find_map(|(index, statement)| {
        let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
        if !denies || !covers_needed(statement) || !may_mean(statement, caller) || only_insecure(statement) {
            return None;
        }
        let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
        let conditional = if statement.get("Condition").is_some() { " under conditions" } else { "" };
        Some(format!("statement {} {sid:?} denies what a restorer needs{conditional}", index + 1))
    })
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn covers_needed(statement: &Value) -> bool {
    let matches = |patterns: Vec<String>, action: &str| {
        patterns.iter().any(|pattern| wildcard(&pattern.to_ascii_lowercase(), action))
    };
    match statement.get("NotAction") {
        Some(not) => NEEDED.iter().any(|action| !matches(texts(Some(not)), action)),
        None => NEEDED.iter().any(|action| matches(texts(statement.get("Action")), action)),
    }
}

/// Whether the statement may be about the caller. An assumed role stands in policies as its role or as its session.
fn may_mean(statement: &Value, caller: &str) -> bool {
    // Whom NotPrincipal spares takes account, role and session together; nobody should rely on having read that right.
    if statement.get("NotPrincipal").is_some() {
        return true;
    }
    let meant = match statement.get("Principal") {
        Some(Value::String(all)) => vec![all.clone()],
        Some(principal) => texts(principal.get("AWS")),
        None => Vec::new(),
    };
    meant.iter().any(|one| one == "*" || names(one, caller) || is_account_of(one, caller))
}

fn names(principal: &str, caller: &str) -> bool {
    principal == caller
        || role_of(caller).is_some_and(|role| {
            principal.ends_with(&format!(":role/{role}")) || {
                // A role with a path keeps it in its own ARN and loses it in its sessions'.
                principal.contains(":role/") && principal.ends_with(&format!("/{role}"))
            }
        })
}

/// The role's name in `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
fn role_of(caller: &str) -> Option<&str> {
    caller.split_once(":assumed-role/")?.1.split('/').next()
}

/// `123456789012` or `arn:aws:iam::123456789012:root`, of the caller's account.
fn is_account_of(principal: &str, caller: &str) -> bool {
    let account = caller.split(':').nth(4).unwrap_or_default();
    !account.is_empty() && (principal == account || principal.ends_with(&format!("::{account}:root")))
}

fn only_insecure(statement: &Value) -> bool {
    let Some(Value::Object(condition)) = statement.get("Condition") else { return false };
    let mut operators = condition.iter();
    let (Some((operator, Value::Object(keys))), None) = (operators.next(), operators.next()) else { return false };
    operator.starts_with("Bool")
        && keys.len() == 1
        && keys.iter().all(|(key, value)| {
            key.eq_ignore_ascii_case("aws:SecureTransport")
                && (value.as_bool() == Some(false) || texts(Some(value)).iter().all(|text| text == "false"))
        })
}

/// `*` and `?` as in IAM.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || (pattern[p] == text[t] && pattern[p] != '*')) {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some(p);
            mark = t;
            p += 1;
        } else if let Some(at) = star {
            p = at + 1;
            mark += 1;
            t = mark;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/Restorer/alice";

    fn locked(statement: Value) -> bool {
        locks_out(&json!({"Version": "2012-10-17", "Statement": statement}).to_string(), CALLER).is_some()
    }

    #[test]
    fn a_policy_that_may_lock_the_restorer_out_is_known() {
        for (statement, want) in [
            (json!([]), false),
            (json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}), false),
            (json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}), true),
            (json!([{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ["SecretsManager:Delete*"]}]), true),
            (json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue"}), false),
            (json!({"Effect": "Deny", "Principal": "*", "NotAction": "secretsmanager:*"}), false),
            (json!({"Effect": "Deny", "Principal": "*", "NotAction": "secretsmanager:GetSecretValue"}), true),
            (
                json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/Other"}, "Action": "*"}),
                false,
            ),
            (
                json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/Restorer"}, "Action": "*"}),
                true,
            ),
            (
                json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/ops/Restorer"}, "Action": "*"}),
                true,
            ),
            (json!({"Effect": "Deny", "Principal": {"AWS": "123456789012"}, "Action": "*"}), true),
            (json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "*"}), true),
            (json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "*"}), false),
            (
                json!({"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:role/Restorer"}, "Action": "*"}),
                true,
            ),
            (
                json!({"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:role/Other"}, "Action": "*"}),
                true,
            ),
            (
                json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
                false,
            ),
            (
                json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
                true,
            ),
            (
                json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {
                    "Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
                true,
            ),
            (
                json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}),
                true,
            ),
        ] {
            assert_eq!(locked(statement.clone()), want, "{statement}");
        }
        assert!(locks_out("{", CALLER).is_some());
    }

    #[test]
    fn the_old_arn_becomes_a_star_and_nothing_else_changes() {
        let old = Secret { arn: "arn:aws:secretsmanager:r:1:secret:a-AbCdEf".into(), ..Secret::default() };
        let untouched = r#"{ "Statement": {"Resource": "*"} }"#;
        assert_eq!(portable(untouched, &old), untouched);
        let named = format!(r#"{{"Statement":[{{"Resource":["{}","x"]}},{{"Resource":"{}"}}]}}"#, old.arn, old.arn);
        assert_eq!(portable(&named, &old), r#"{"Statement":[{"Resource":["*","x"]},{"Resource":"*"}]}"#);
        assert_eq!(portable("not json", &old), "not json");
    }

    #[test]
    fn wildcards() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
        }
    }
}
