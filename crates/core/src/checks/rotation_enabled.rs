//! Rotation is on, where it is the operator's to turn on.

use super::{Check, Subject, Verdict};
use crate::model::rotation::standing;
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
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    Ok(match standing(subject.secret, subject.around.region) {
        None => Verdict::Pass,
        Some(verdict @ RotationVerdict::Disabled) => Verdict::Fail(verdict.text()),
        Some(_) => Verdict::NotApplicable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter_of};
    use crate::model::{EXEMPT_TAG, Secret};

    #[test]
    fn fails_only_where_the_operator_could_turn_it_on() {
        let off = Secret { rotation_enabled: None, ..healthy() };
        let exempt = [(EXEMPT_TAG.0.to_owned(), EXEMPT_TAG.1.to_owned())].into();
        for (secret, want) in [
            (healthy(), 'p'),
            (off.clone(), 'f'),
            (Secret { rotation_enabled: Some(false), ..healthy() }, 'f'),
            (Secret { tags: exempt, ..off.clone() }, '-'),
            (Secret { owning_service: Some("rds".into()), ..off.clone() }, '-'),
            (Secret { primary_region: Some("us-east-1".into()), ..off.clone() }, '-'),
            (Secret { created_date: None, last_rotated_date: None, ..healthy() }, 'p'),
        ] {
            assert_eq!(letter_of("rotation-enabled", &secret), want, "{secret:?}");
        }
    }
}
