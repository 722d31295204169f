//! No rotation is past its date: neither AWS's own plan nor the operator's longest age.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-on-time",
    severity: Severity::High,
    title: Text::fixed("ローテーションが期限内である", "No rotation is overdue"),
    remediation: Text::fixed(
        "CloudTrail の RotationFailed とローテーション関数のログを確認し、原因を直してから `aws secretsmanager rotate-secret --secret-id ARN` を実行する",
        "Look for RotationFailed in CloudTrail and at the rotation function's log, mend the cause, then run `aws secretsmanager rotate-secret --secret-id ARN`",
    ),
    control: Some("SecretsManager.2"),
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    Ok(match subject.rotation.clone()? {
        verdict @ RotationVerdict::Overdue { .. } => Verdict::Fail(verdict.text()),
        RotationVerdict::OnTime { .. } | RotationVerdict::Due { .. } | RotationVerdict::New { .. } => Verdict::Pass,
        _ => Verdict::NotApplicable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{failing, healthy};
    use crate::model::Secret;

    #[test]
    fn fails_after_the_date_and_not_on_it() {
        for (next, want) in [("2026-11-21T23:59:59Z", &["rotation-on-time"][..]), ("2026-11-22T00:00:00Z", &[])] {
            assert_eq!(
                failing(&Secret { next_rotation_date: Some(next.parse().unwrap()), ..healthy() }),
                want,
                "{next}"
            );
        }
    }
}
