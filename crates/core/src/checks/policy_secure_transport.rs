//! A resource policy denies every call that comes without TLS.

use serde_json::Value;

use super::{Check, Subject, Verdict, policy::statements};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "policy-secure-transport",
    severity: Severity::Low,
    title: Text::fixed(
        "リソースポリシーが TLS でない通信を拒否している",
        "The resource policy denies insecure transport",
    ),
    remediation: Text::fixed(
        "ポリシーに `{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"secretsmanager:*\",\"Resource\":\"*\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}` を加える",
        "Add `{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"secretsmanager:*\",\"Resource\":\"*\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}` to the policy",
    ),
    control: None,
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let mut parsed = Value::Null;
    let Some(statements) = statements(subject, &mut parsed)? else { return Ok(Verdict::NotApplicable) };
    Ok(if statements.iter().any(super::policy::Statement::denies_insecure_transport) {
        Verdict::Pass
    } else {
        Verdict::Fail(Text::fixed(
            "aws:SecureTransport=false を拒否するステートメントがありません",
            "no statement denies aws:SecureTransport=false",
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings};

    fn verdict(statements: Value, settings: &[(&str, &str)]) -> char {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let secret = Secret { resource_policy: Some(policy), ..healthy() };
        letter(&verdict_of("policy-secure-transport", &secret, &Surroundings::unread(), settings))
    }

    fn allow(principal: Value, condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition})
    }

    fn unread() -> char {
        let secret = Secret { unread: vec!["ResourcePolicy".into()], ..healthy() };
        letter(&verdict_of("policy-secure-transport", &secret, &Surroundings::unread(), &[]))
    }

    #[test]
    fn only_a_denial_of_everything_without_tls_passes() {
        let deny = |action: &str, condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition});
        let insecure = json!({"Bool": {"aws:SecureTransport": "false"}});
        for (statements, want) in [
            (deny("secretsmanager:*", insecure.clone()), 'p'),
            (deny("*", json!({"Bool": {"aws:securetransport": false}})), 'p'),
            (deny("secretsmanager:GetSecretValue", insecure.clone()), 'f'),
            (deny("*", json!({"Bool": {"aws:SecureTransport": "true"}})), 'f'),
            (deny("*", json!({"Bool": {"aws:SecureTransport": "false", "aws:MultiFactorAuthPresent": "false"}})), 'f'),
            (allow(json!({"AWS": "123456789012"}), insecure), 'f'),
        ] {
            assert_eq!(verdict(statements.clone(), &[]), want, "{statements}");
        }
        assert_eq!(unread(), 'u');
        assert_eq!(letter(&verdict_of("policy-secure-transport", &healthy(), &Surroundings::unread(), &[])), '-');
    }
}
