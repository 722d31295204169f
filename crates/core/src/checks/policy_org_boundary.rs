//! Where a resource policy reaches beyond the account, it stays within our organization or the accounts that we trust.

use serde_json::Value;

use super::{
    Check, Subject, Verdict,
    policy::{Reach, statements, undecidable, widest},
};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "policy-org-boundary",
    severity: Severity::Medium,
    title: Text::fixed("アカウント外への許可に組織の境界がある", "Grants beyond the account have a boundary"),
    remediation: Text::fixed(
        "許可に条件 `aws:PrincipalOrgID` を付けるか、組織の外を拒否するステートメント（`StringNotEquals` と `aws:PrincipalOrgID`）を加える",
        "Put the condition `aws:PrincipalOrgID` on the grant, or add a statement that denies everybody outside (`StringNotEquals` with `aws:PrincipalOrgID`)",
    ),
    control: None,
    runbook: "R46",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let mut parsed = Value::Null;
    let Some(statements) = statements(subject, &mut parsed)? else { return Ok(Verdict::NotApplicable) };
    let closed = statements.iter().any(|statement| statement.denies_outsiders(subject.around));
    match widest(&statements, subject) {
        None | Some((Reach::Account, _)) => Ok(Verdict::NotApplicable),
        Some(_) if closed => Ok(Verdict::Pass),
        Some((Reach::Trusted, _)) => Ok(Verdict::Pass),
        Some((Reach::Others | Reach::Public, name)) => Ok(Verdict::Fail(Text::new(
            format!("ステートメント {name} の許可に、組織またはアカウントの境界がありません"),
            format!("the grant of statement {name} has no boundary of organization or account"),
        ))),
        Some((Reach::Unsure, name)) => Err(undecidable(subject, &name)),
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
        letter(&verdict_of("policy-org-boundary", &secret, &Surroundings::unread(), settings))
    }

    fn allow(principal: Value, condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition})
    }

    fn unread() -> char {
        let secret = Secret { unread: vec!["ResourcePolicy".into()], ..healthy() };
        letter(&verdict_of("policy-org-boundary", &secret, &Surroundings::unread(), &[]))
    }

    #[test]
    fn grants_beyond_the_account_need_a_boundary() {
        const OURS: &[(&str, &str)] = &[("SECRETS_OPS_ORG_ID", "o-1")];
        let org = |id: &str| allow(json!("*"), json!({"StringEquals": {"aws:PrincipalOrgID": id}}));
        for (statements, settings, want) in [
            (allow(json!({"AWS": "arn:aws:iam::123456789012:role/app"}), json!({})), &[][..], '-'),
            (allow(json!({"AWS": "999999999999"}), json!({})), &[], 'f'),
            (allow(json!("*"), json!({})), &[], 'f'),
            (org("o-2"), &[], 'p'),
            (org("o-1"), OURS, 'p'),
            (org("o-2"), OURS, 'f'),
            (allow(json!("*"), json!({"StringEquals": {"aws:ResourceTag/x": "y"}})), &[], 'u'),
        ] {
            assert_eq!(verdict(statements.clone(), settings), want, "{statements}");
        }
        assert_eq!(unread(), 'u');
        assert_eq!(letter(&verdict_of("policy-org-boundary", &healthy(), &Surroundings::unread(), &[])), '-');
    }
}
