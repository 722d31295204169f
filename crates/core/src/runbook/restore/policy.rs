//! Resource policies in a restore: would it lock the restorer out, and does it name the secret's old ARN.

use serde_json::Value;

use crate::model::{Policy, Secret, Statement};

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
    let policy = match Policy::parse(policy) {
        Ok(policy) => policy,
        Err(error) => return Some(error.to_string()),
    };
    policy.statements.iter().find_map(|statement| {
        let about_needed = NEEDED.iter().any(|action| statement.actions.cover_action(action) != Some(false));
        if statement.allow || !about_needed || statement.reaches(caller).is_none() || only_insecure(statement) {
            return None;
        }
        let conditional = if statement.conditions.is_empty() { "" } else { " under conditions" };
        Some(format!("statement {} denies what a restorer needs{conditional}", statement.id))
    })
}

fn only_insecure(statement: &Statement) -> bool {
    let [condition] = statement.conditions.as_slice() else { return false };
    condition.operator.starts_with("Bool")
        && condition.key.eq_ignore_ascii_case("aws:SecureTransport")
        && condition.values.iter().all(|value| value == "false")
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
}
