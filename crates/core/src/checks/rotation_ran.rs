//! Rotation that is on has succeeded at least once. "Never" is not "long ago": a new secret has time.

use super::{Check, Subject, Verdict};
use crate::model::rotation::never_ran;
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-ran",
    severity: Severity::High,
    title: Text::fixed("ローテーションが一度は成功している", "Rotation that is on has succeeded at least once"),
    remediation: Text::fixed(
        "ローテーション関数のログを確認し、原因を直してから `aws secretsmanager rotate-secret --secret-id ARN` を実行する",
        "Read the rotation function's log, mend the cause, then run `aws secretsmanager rotate-secret --secret-id ARN`",
    ),
    control: Some("SecretsManager.2"),
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if !subject.rotates() {
        return Ok(Verdict::NotApplicable);
    }
    if subject.history().last_success.is_some() {
        return Ok(Verdict::Pass);
    }
    let never = never_ran(subject.secret, subject.around.limits.rotation, subject.around.now)?;
    Ok(never.map_or(Verdict::Pass, |created| Verdict::Fail(RotationVerdict::NeverRan { created }.text())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fine, healthy, letter, letter_of, now, verdict_of};
    use crate::model::{RotationEvent, RotationStep, Rotations, Secret, Surroundings};

    #[test]
    fn a_new_secret_has_time() {
        let never = Secret { last_rotated_date: None, next_rotation_date: None, ..healthy() };
        assert_eq!(letter_of("rotation-ran", &never), 'f');
        for (created, want) in [("2026-11-20T23:59:59Z", 'f'), ("2026-11-21T00:00:00Z", 'p')] {
            let new = Secret { created_date: Some(created.parse().unwrap()), ..never.clone() };
            assert_eq!(letter_of("rotation-ran", &new), want, "{created}");
        }
    }

    #[test]
    fn a_success_that_only_cloudtrail_knows_is_one() {
        let never = Secret { last_rotated_date: None, next_rotation_date: None, ..healthy() };
        let at = "2026-11-01T00:00:00Z".parse().unwrap();
        let event = RotationEvent { at, step: RotationStep::Succeeded, secret_id: "s".into(), error: None };
        let known = Surroundings { rotations: Ok(Rotations::new(at, now(), [event])), ..fine() };
        assert_eq!(letter(&verdict_of("rotation-ran", &never, &known, &[])), 'p');
    }
}
