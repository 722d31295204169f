//! The resource policy lets in no account that the settings do not trust.

use serde_json::Value;

use super::{
    Check, Subject, Verdict,
    policy::{Reach, statements, undecidable, widest},
};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "policy-same-account",
    severity: Severity::High,
    title: Text::fixed(
        "リソースポリシーが他アカウントに許可していない",
        "The resource policy lets in no other account",
    ),
    remediation: Text::fixed(
        "意図した相手なら SECRETS_OPS_TRUSTED_ACCOUNTS に加える。違えば `aws secretsmanager get-resource-policy --secret-id ARN` で該当ステートメントを確かめ、除いたポリシーを `put-resource-policy --block-public-policy` で付け直す",
        "If the account is meant to, add it to SECRETS_OPS_TRUSTED_ACCOUNTS; if not, look at `aws secretsmanager get-resource-policy --secret-id ARN` and attach the policy without that statement by `put-resource-policy --block-public-policy`",
    ),
    control: None,
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let mut parsed = Value::Null;
    let Some(statements) = statements(subject, &mut parsed)? else { return Ok(Verdict::Pass) };
    let closed = statements.iter().any(|statement| statement.denies_outsiders(subject.around));
    match widest(&statements, subject) {
        Some((Reach::Others | Reach::Public, name)) if !closed => Ok(Verdict::Fail(Text::new(
            format!("ステートメント {name} が他アカウントに許可しています"),
            format!("statement {name} grants to another account"),
        ))),
        Some((Reach::Unsure, name)) if !closed => Err(undecidable(subject, &name)),
        _ => Ok(Verdict::Pass),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    fn verdict(statements: Value, settings: &[(&str, &str)]) -> char {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let secret = Secret { resource_policy: Some(policy), ..healthy() };
        letter(&verdict_of("policy-same-account", &secret, &Surroundings::unread(), settings))
    }

    fn allow(principal: Value, condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition})
    }

    fn unread() -> char {
        let secret = Secret { unread: vec!["ResourcePolicy".into()], ..healthy() };
        letter(&verdict_of("policy-same-account", &secret, &Surroundings::unread(), &[]))
    }

    #[test]
    fn other_accounts_fail_unless_they_are_trusted() {
        const TRUSTED: &[(&str, &str)] = &[("SECRETS_OPS_TRUSTED_ACCOUNTS", "999999999999, 111111111111")];
        let other = allow(json!({"AWS": "arn:aws:iam::999999999999:root"}), json!({}));
        for (statements, settings, want) in [
            (other.clone(), &[][..], 'f'),
            (other, TRUSTED, 'p'),
            (allow(json!({"AWS": "222222222222"}), json!({})), TRUSTED, 'f'),
            (allow(json!({"AWS": "arn:aws:iam::123456789012:role/app"}), json!({})), &[], 'p'),
            (allow(json!({"AWS": "AROAEXAMPLE"}), json!({})), &[], 'p'),
            (allow(json!({"Service": "rds.amazonaws.com"}), json!({})), &[], 'p'),
            (allow(json!("*"), json!({})), &[], 'f'),
            (allow(json!("*"), json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}})), &[], 'p'),
            (allow(json!("*"), json!({"StringEquals": {"aws:PrincipalAccount": "999999999999"}})), &[], 'f'),
        ] {
            assert_eq!(verdict(statements.clone(), settings), want, "{statements}");
        }
        assert_eq!(unread(), 'u');
    }
}
