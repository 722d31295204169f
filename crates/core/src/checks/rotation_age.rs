//! The value of a rotated secret is not older than the operator allows, or its own interval where that is longer.

use super::{Check, Subject, Verdict};
use crate::model::rotation::{OverdueBy, overdue_by_policy, value_date};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-age",
    severity: Severity::Medium,
    title: Text::fixed("値が最長期間より新しい", "No value is older than allowed"),
    remediation: Text::fixed(
        "ローテーション関数のログを確認し、`aws secretsmanager rotate-secret --secret-id ARN` を実行する。間隔が長すぎるなら `--rotation-rules AutomaticallyAfterDays=90` で短くする",
        "Look at the rotation function's log, then run `aws secretsmanager rotate-secret --secret-id ARN`; if its interval is too long, shorten it with `--rotation-rules AutomaticallyAfterDays=90`",
    ),
    control: Some("SecretsManager.4"),
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if !subject.rotates() {
        return Ok(Verdict::NotApplicable);
    }
    let written = value_date(subject.secret).map_err(|gap| subject.unread("Versions", &gap.what).unwrap_or(gap))?;
    let Some(written) = written else { return Ok(Verdict::NotApplicable) };
    let around = subject.around;
    let late = overdue_by_policy(subject.secret, around.limits.rotation, written, around.now);
    Ok(late.map_or(Verdict::Pass, |days| {
        Verdict::Fail(RotationVerdict::Overdue { days, limit: OverdueBy::Policy }.text())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter_of};
    use crate::model::{RotationRules, Secret};

    #[test]
    fn counts_from_the_version_that_is_current() {
        let yearly = RotationRules { automatically_after_days: Some(365), ..RotationRules::default() };
        for (written, rules, want) in [
            ("2026-08-24T00:00:00Z", None, 'p'),
            ("2026-08-23T23:59:59Z", None, 'f'),
            ("2026-08-23T23:59:59Z", Some(yearly.clone()), 'p'),
            ("2025-11-22T00:00:00Z", Some(yearly.clone()), 'p'),
            ("2025-11-21T23:59:59Z", Some(yearly), 'f'),
        ] {
            let mut secret = Secret { rotation_rules: rules, ..healthy() };
            secret.versions[0].created_date = Some(written.parse().unwrap());
            assert_eq!(letter_of("rotation-age", &secret), want, "{written}");
        }
    }

    #[test]
    fn what_has_no_value_has_no_age() {
        let empty = Secret { versions: vec![], version_ids_to_stages: Default::default(), ..healthy() };
        assert_eq!(letter_of("rotation-age", &empty), '-');
        assert_eq!(letter_of("rotation-age", &Secret { unread: vec!["Versions".into()], ..empty }), 'u');
        let mut dateless = healthy();
        dateless.versions[0].created_date = None;
        assert_eq!(letter_of("rotation-age", &dateless), 'u');
        assert_eq!(letter_of("rotation-age", &Secret { rotation_enabled: None, ..dateless }), '-');
    }
}
