//! No attempt has failed or been abandoned since the last success.

use super::{Check, Subject, Verdict};
use crate::model::rotation::trouble;
use crate::model::{Gap, Severity, Text};

pub(crate) const CHECK: Check = Check {
    id: "rotation-succeeding",
    severity: Severity::High,
    title: Text::fixed("最後のローテーションが成功している", "The last attempt to rotate succeeded"),
    remediation: Text::fixed(
        "`aws logs tail /aws/lambda/FUNCTION --since 1d` でローテーション関数のエラーを確認して原因を直し、`aws secretsmanager rotate-secret --secret-id ARN` を実行する。中止された場合は、途中で書き込んだ人と理由を確かめる",
        "Look for the error with `aws logs tail /aws/lambda/FUNCTION --since 1d`, mend its cause, then run `aws secretsmanager rotate-secret --secret-id ARN`; if it was abandoned, find out who wrote a version meanwhile, and why",
    ),
    control: Some("SecretsManager.2"),
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if !subject.rotates() {
        return Ok(Verdict::NotApplicable);
    }
    let trouble = trouble(subject.secret, subject.around.surroundings)?;
    Ok(trouble.map_or(Verdict::Pass, |trouble| Verdict::Fail(trouble.text())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fine, healthy, letter, now, verdict_of};
    use crate::model::{RotationEvent, RotationStep, Rotations, Secret, Surroundings};

    const ID: &str = "rotation-succeeding";

    fn since(from: &str, events: &[(&str, RotationStep)]) -> Surroundings {
        let events = events.iter().map(|(at, step)| RotationEvent {
            at: at.parse().unwrap(),
            step: *step,
            secret_id: healthy().arn,
            error: Some("in setSecret".into()),
        });
        Surroundings { rotations: Ok(Rotations::new(from.parse().unwrap(), now(), events)), ..fine() }
    }

    #[test]
    fn an_attempt_after_the_last_success_decides() {
        let rotated = "2026-11-21T00:00:00Z";
        for (at, step, want) in [
            (rotated, RotationStep::Failed, 'p'),
            ("2026-11-21T00:00:01Z", RotationStep::Failed, 'f'),
            ("2026-11-21T00:00:01Z", RotationStep::Abandoned, 'f'),
            ("2026-11-21T00:00:01Z", RotationStep::Started, 'p'),
        ] {
            let around = since("2026-08-24T00:00:00Z", &[(at, step)]);
            assert_eq!(letter(&verdict_of(ID, &healthy(), &around, &[])), want, "{at} {step:?}");
        }
        let mended =
            [("2026-11-21T01:00:00Z", RotationStep::Failed), ("2026-11-21T02:00:00Z", RotationStep::Succeeded)];
        assert_eq!(letter(&verdict_of(ID, &healthy(), &since("2026-08-24T00:00:00Z", &mended), &[])), 'p');
        let off = Secret { rotation_enabled: Some(false), ..healthy() };
        assert_eq!(letter(&verdict_of(ID, &off, &Surroundings::unread(), &[])), '-');
    }

    #[test]
    fn nothing_seen_counts_only_where_all_could_be_seen() {
        // Rotated on the 1st, planned every ten days: the first attempt that may have failed is that of the 11th.
        let mut secret = Secret {
            last_rotated_date: Some("2026-11-01T12:00:00Z".parse().unwrap()),
            next_rotation_date: None,
            ..healthy()
        };
        secret.rotation_rules.as_mut().unwrap().automatically_after_days = Some(10);
        for (from, want) in [("2026-11-11T00:00:00Z", 'p'), ("2026-11-11T00:00:01Z", 'u')] {
            assert_eq!(letter(&verdict_of(ID, &secret, &since(from, &[]), &[])), want, "{from}");
        }
        let yearly = Secret {
            next_rotation_date: Some("2027-06-01T00:00:00Z".parse().unwrap()),
            rotation_rules: None,
            ..secret
        };
        assert_eq!(letter(&verdict_of(ID, &yearly, &since("2026-11-21T23:00:00Z", &[]), &[])), 'p');
        // A failure that was seen needs nothing else.
        let failed = since("2026-11-21T23:00:00Z", &[("2026-11-21T23:30:00Z", RotationStep::Failed)]);
        assert_eq!(letter(&verdict_of(ID, &yearly, &failed, &[])), 'f');
        let mut odd = since("2026-08-24T00:00:00Z", &[]);
        odd.rotations.as_mut().unwrap().unreadable = 1;
        assert_eq!(letter(&verdict_of(ID, &healthy(), &odd, &[])), 'u');
    }
}
