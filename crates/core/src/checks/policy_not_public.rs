//! The resource policy does not let everybody in.

use serde_json::Value;

use super::{
    Check, Subject, Verdict,
    policy::{Reach, statements, undecidable, widest},
};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "policy-not-public",
    severity: Severity::Critical,
    title: Text::fixed("リソースポリシーで公開されていない", "The resource policy does not make it public"),
    remediation: Text::fixed(
        "`aws secretsmanager get-resource-policy --secret-id ARN` で確認し、プリンシパルを限定したポリシーを `put-resource-policy --block-public-policy` で付け直す。CloudTrail で読み取りの有無を調べ、あれば値をローテーションする",
        "Look at `aws secretsmanager get-resource-policy --secret-id ARN`, attach one with named principals by `put-resource-policy --block-public-policy`; look in CloudTrail for reads, and rotate the value if there were any",
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
        Some((Reach::Public, name)) if !closed => Ok(Verdict::Fail(Text::new(
            format!("ステートメント {name} が誰にでも許可しています"),
            format!("statement {name} grants to everybody"),
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
        letter(&verdict_of("policy-not-public", &secret, &Surroundings::unread(), settings))
    }

    fn allow(principal: Value, condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition})
    }

    fn unread() -> char {
        let secret = Secret { unread: vec!["ResourcePolicy".into()], ..healthy() };
        letter(&verdict_of("policy-not-public", &secret, &Surroundings::unread(), &[]))
    }

    /// A denial to outsiders that leaves something open.
    fn spares(with: Value) -> Value {
        let mut all = json!({"Effect": "Deny", "Principal": "*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}});
        all.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        all
    }

    #[test]
    fn a_grant_to_everybody_is_public_unless_a_condition_or_a_denial_narrows_it() {
        let outsiders = json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}});
        for (statements, want) in [
            (json!([]), 'p'),
            (allow(json!("*"), json!({})), 'f'),
            (allow(json!({"AWS": "*"}), json!({})), 'f'),
            (allow(json!({"AWS": ["arn:aws:iam::123456789012:root", "*"]}), json!({})), 'f'),
            (
                json!([{"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "*", "Resource": "*"}]),
                'f',
            ),
            (allow(json!({"AWS": "arn:aws:iam::999999999999:root"}), json!({})), 'p'),
            (allow(json!("*"), json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), 'p'),
            (allow(json!("*"), json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}})), 'u'),
            (allow(json!("*"), json!({"StringLike": {"aws:PrincipalOrgID": "*"}})), 'f'),
            (allow(json!("*"), json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}})), 'f'),
            (allow(json!("*"), json!({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}})), 'p'),
            (allow(json!("*"), json!({"Bool": {"aws:SecureTransport": "true"}})), 'f'),
            (allow(json!("*"), json!({"StringEquals": {"aws:ResourceTag/x": "y"}})), 'u'),
            (allow(json!("*"), json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0"]}})), 'f'),
            (allow(json!("*"), json!({"Null": {"aws:PrincipalOrgID": "false"}})), 'u'),
            (allow(json!("*"), json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})), 'u'),
            (allow(json!("*"), json!({"StringLike": {"aws:userid": "a*"}})), 'u'),
            (json!([allow(json!("*"), json!({})), outsiders]), 'p'),
            (json!([allow(json!("*"), json!({})), spares(json!({"NotAction": "secretsmanager:GetSecretValue"}))]), 'f'),
            (json!([allow(json!("*"), json!({})), spares(json!({"Action": "secretsmanager:*Policy"}))]), 'f'),
            (json!([allow(json!("*"), json!({})), spares(json!({"Action": "*", "Resource": "arn:other"}))]), 'f'),
            (json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}), 'p'),
        ] {
            assert_eq!(verdict(statements.clone(), &[]), want, "{statements}");
        }
        assert_eq!(unread(), 'u');
        assert_eq!(letter(&verdict_of("policy-not-public", &healthy(), &Surroundings::unread(), &[])), 'p');
        let broken = Secret { resource_policy: Some("{".into()), ..healthy() };
        assert_eq!(letter(&verdict_of("policy-not-public", &broken, &Surroundings::unread(), &[])), 'u');
    }
}
