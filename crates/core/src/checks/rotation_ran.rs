//! Rotation that is on has succeeded at least once. "Never" is not "long ago": a new secret has time.

use super::{Check, Subject, Verdict};
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
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    Ok(match subject.rotation.clone()? {
        verdict @ RotationVerdict::NeverRan { .. } => Verdict::Fail(verdict.text()),
        RotationVerdict::Disabled
        | RotationVerdict::NotRequired
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
    fn a_new_secret_has_time() {
        let never = Secret { last_rotated_date: None, next_rotation_date: None, ..healthy() };
        assert_eq!(failing(&never), ["rotation-ran"]);
        let new = Secret { created_date: Some("2026-11-21T00:00:00Z".parse().unwrap()), ..never };
        assert_eq!(failing(&new), [""; 0]);
    }
}
