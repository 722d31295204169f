//! No rotation is past AWS's own plan: the end of the window in which it should have happened.

use super::{Check, Subject, Verdict};
use crate::model::rotation::{OverdueBy, overdue_by_plan};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-on-time",
    severity: Severity::High,
    title: Text::fixed("ローテーションが予定どおり行われている", "No rotation is past its planned date"),
    remediation: Text::fixed(
        "CloudTrail の RotationFailed とローテーション関数のログを確認し、原因を直してから `aws secretsmanager rotate-secret --secret-id ARN` を実行する",
        "Look for RotationFailed in CloudTrail and at the rotation function's log, mend the cause, then run `aws secretsmanager rotate-secret --secret-id ARN`",
    ),
    control: Some("SecretsManager.2"),
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let history = subject.history();
    // Without any date, a rotation that never succeeded is left to `rotation-ran`.
    let planned = history.last_success.is_some() || subject.secret.next_rotation_date.is_some();
    if !subject.rotates() || !planned {
        return Ok(Verdict::NotApplicable);
    }
    let late = overdue_by_plan(subject.secret, &history, subject.around.now)?;
    Ok(late.map_or(Verdict::Pass, |days| {
        Verdict::Fail(RotationVerdict::Overdue { days, limit: OverdueBy::Schedule }.text())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter_of};
    use crate::model::{RotationRules, Secret};

    #[test]
    fn fails_after_the_window_and_not_in_it() {
        let rules = |expression: &str, duration: Option<&str>| RotationRules {
            schedule_expression: Some(expression.into()),
            duration: duration.map(Into::into),
            ..RotationRules::default()
        };
        for (rules, next, want) in [
            (None, "2026-11-21T23:59:59Z", 'f'),
            (None, "2026-11-22T00:00:00Z", 'p'),
            // Midnight, which is now, ends the window of the day before.
            (Some(rules("rate(30 days)", None)), "2026-11-21T23:59:59Z", 'p'),
            (Some(rules("rate(30 days)", None)), "2026-11-20T23:59:59Z", 'f'),
            (Some(rules("rate(30 days)", Some("23h"))), "2026-11-21T22:59:59Z", 'f'),
            // No need to understand the rules where the date lies ahead.
            (Some(rules("every now and then", None)), "2026-11-22T00:00:00Z", 'p'),
            (Some(rules("every now and then", None)), "2026-11-21T23:59:59Z", 'u'),
        ] {
            let next_rotation_date = Some(next.parse().unwrap());
            let secret = Secret { rotation_rules: rules.clone(), next_rotation_date, ..healthy() };
            assert_eq!(letter_of("rotation-on-time", &secret), want, "{next} {rules:?}");
        }
        let never = Secret { last_rotated_date: None, ..healthy() };
        assert_eq!(letter_of("rotation-on-time", &never), 'p', "AWS's first date lies ahead");
        let late = Secret { next_rotation_date: healthy().created_date, ..never.clone() };
        assert_eq!(letter_of("rotation-on-time", &late), 'f');
        assert_eq!(letter_of("rotation-on-time", &Secret { next_rotation_date: None, ..never }), '-');
    }

    #[test]
    fn a_date_that_aws_leaves_out_follows_from_the_rules() {
        let of_days = |days| Some(RotationRules { automatically_after_days: Some(days), ..RotationRules::default() });
        let last_rotated_date = Some("2026-11-10T12:00:00Z".parse().unwrap());
        // Ten days later is the 20th; its window is open until the 21st begins.
        for (days, want) in [(10, 'f'), (11, 'p')] {
            let mut secret =
                Secret { rotation_rules: of_days(days), last_rotated_date, next_rotation_date: None, ..healthy() };
            secret.versions[0].created_date = last_rotated_date;
            assert_eq!(letter_of("rotation-on-time", &secret), want, "{days}");
            // Somebody wrote a value meanwhile, which AWS takes for a rotation.
            secret.versions[0].created_date = healthy().last_rotated_date;
            assert_eq!(letter_of("rotation-on-time", &secret), 'p', "{days}");
        }
    }
}
