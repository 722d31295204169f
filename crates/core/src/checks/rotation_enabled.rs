//! Rotation is on, where it is the operator's to turn on.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-enabled",
    severity: Severity::Medium,
    title: Text::fixed("自動ローテーションが有効である", "Automatic rotation is on"),
    remediation: Text::fixed(
        "ローテーション関数を用意し、`aws secretsmanager rotate-secret --secret-id ARN --rotation-lambda-arn ARN --rotation-rules AutomaticallyAfterDays=30 --no-rotate-immediately` で有効にする。不要なら、理由を記録したうえでタグ `secrets-ops:rotation=not-required` を付ける",
        "Provide a rotation function, then `aws secretsmanager rotate-secret --secret-id ARN --rotation-lambda-arn ARN --rotation-rules AutomaticallyAfterDays=30 --no-rotate-immediately`; if it needs none, write down why and tag it `secrets-ops:rotation=not-required`",
    ),
    control: Some("SecretsManager.1"),
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    Ok(match subject.rotation.clone()? {
        verdict @ RotationVerdict::Disabled => Verdict::Fail(verdict.text()),
        RotationVerdict::NotRequired
        | RotationVerdict::Managed { .. }
        | RotationVerdict::Replica { .. }
        | RotationVerdict::PendingDeletion => Verdict::NotApplicable,
        _ => Verdict::Pass,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{failing, healthy};
    use crate::model::Secret;

    #[test]
    fn fails_only_where_the_operator_could_turn_it_on() {
        let off = Secret { rotation_enabled: None, ..healthy() };
        assert_eq!(failing(&healthy()), [""; 0]);
        assert_eq!(failing(&off), ["rotation-enabled"]);
        assert_eq!(failing(&Secret { rotation_enabled: Some(false), ..healthy() }), ["rotation-enabled"]);
        assert_eq!(failing(&Secret { owning_service: Some("rds".into()), ..off.clone() }), [""; 0]);
        assert_eq!(failing(&Secret { primary_region: Some("us-east-1".into()), ..off.clone() }), [""; 0]);
        assert_eq!(failing(&Secret { deleted_date: off.created_date, ..off }), [""; 0]);
    }
}
