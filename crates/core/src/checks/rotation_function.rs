//! The rotation function is there, active, and Secrets Manager may invoke it.

use super::{Check, Subject, Verdict};
use crate::model::rotation::function_fault;
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-function",
    severity: Severity::High,
    title: Text::fixed("ローテーション関数を呼び出せる", "The rotation function can be invoked"),
    remediation: Text::fixed(
        "関数がなければ再作成し、`aws secretsmanager rotate-secret --secret-id ARN --rotation-lambda-arn ARN --no-rotate-immediately` で指定する。権限がなければ `aws lambda add-permission --function-name ARN --statement-id SecretsManager --principal secretsmanager.amazonaws.com --action lambda:InvokeFunction --source-account ACCOUNT`。状態が Active でなければ `aws lambda get-function-configuration --function-name ARN` の StateReason を確認する",
        "If the function is gone, make it anew and name it with `aws secretsmanager rotate-secret --secret-id ARN --rotation-lambda-arn ARN --no-rotate-immediately`; if permission is missing, `aws lambda add-permission --function-name ARN --statement-id SecretsManager --principal secretsmanager.amazonaws.com --action lambda:InvokeFunction --source-account ACCOUNT`; if it is not Active, look at StateReason in `aws lambda get-function-configuration --function-name ARN`",
    ),
    control: None,
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    // A partner's rotation has no function.
    if !subject.rotates() || subject.secret.rotation_lambda_arn.is_none() {
        return Ok(Verdict::NotApplicable);
    }
    let fault = function_fault(subject.secret, subject.around.surroundings)?;
    Ok(fault.map_or(Verdict::Pass, |fault| Verdict::Fail(fault.text())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{FUNCTION, fine, healthy, letter, letter_of, verdict_of};
    use crate::model::{Gap, Invoker, Reading, RotationFunction, Secret, Surroundings, unread};

    fn there(state: Option<&str>, invocable: Reading<Vec<Invoker>>) -> Reading<RotationFunction> {
        Ok(RotationFunction::There { state: state.map(Into::into), role: None, invocable })
    }

    #[test]
    fn all_three_must_hold() {
        let gap = || -> Gap { unread("lambda:GetPolicy") };
        let others =
            Invoker { secrets: Some(vec!["arn:aws:secretsmanager:*:secret:t-*".into()]), ..Invoker::default() };
        for (function, want) in [
            (there(Some("Active"), Ok(vec![Invoker::default()])), 'p'),
            (there(Some("Inactive"), Ok(vec![Invoker::default()])), 'f'),
            (there(Some("Failed"), Err(gap())), 'f'),
            (there(Some("Active"), Ok(vec![])), 'f'),
            (there(Some("Active"), Ok(vec![others])), 'f'),
            (there(Some("Active"), Err(gap())), 'u'),
            (there(None, Ok(vec![Invoker::default()])), 'u'),
            (there(None, Ok(vec![])), 'f'),
            (Ok(RotationFunction::Missing), 'f'),
            (Err(gap()), 'u'),
        ] {
            let around = Surroundings { functions: [(FUNCTION.to_owned(), function.clone())].into(), ..fine() };
            assert_eq!(letter(&verdict_of("rotation-function", &healthy(), &around, &[])), want, "{function:?}");
        }
    }

    #[test]
    fn a_partners_rotation_has_none() {
        let partner = Secret { rotation_lambda_arn: None, secret_type: Some("Vendor".into()), ..healthy() };
        assert_eq!(letter_of("rotation-function", &partner), '-');
    }
}
