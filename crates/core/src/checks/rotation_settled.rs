//! No version waits under AWSPENDING: while one does, each further RotateSecret call fails.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-settled",
    severity: Severity::Low,
    title: Text::fixed("ローテーションが途中で止まっていない", "No rotation is left half done"),
    remediation: Text::fixed(
        "数時間たっても残る場合はローテーション関数のログを確認し、`aws secretsmanager cancel-rotate-secret` または `update-secret-version-stage --version-stage AWSPENDING --remove-from-version-id ID` で解除する",
        "If it is still so after some hours, read the rotation function's log, then clear it with `aws secretsmanager cancel-rotate-secret` or `update-secret-version-stage --version-stage AWSPENDING --remove-from-version-id ID`",
    ),
    control: None,
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    Ok(match subject.rotation.clone()? {
        verdict @ RotationVerdict::Pending { .. } => Verdict::Fail(verdict.text()),
        RotationVerdict::OnTime { .. } | RotationVerdict::Due { .. } | RotationVerdict::New { .. } => Verdict::Pass,
        _ => Verdict::NotApplicable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{failing, healthy};

    #[test]
    fn fails_where_a_version_waits_beside_the_current_one() {
        let mut secret = healthy();
        secret.version_ids_to_stages.insert("v2".into(), vec!["AWSPENDING".into()]);
        assert_eq!(failing(&secret), ["rotation-settled"]);
        secret.version_ids_to_stages.insert("v2".into(), vec!["AWSPREVIOUS".into()]);
        assert_eq!(failing(&secret), [""; 0]);
    }
}
