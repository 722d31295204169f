//! No version is stuck under AWSPENDING: while one is, each further RotateSecret call fails.

use super::{Check, Subject, Verdict};
use crate::model::rotation::{Waiting, aside, waiting};
use crate::model::{Gap, RotationVerdict, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "rotation-settled",
    severity: Severity::Medium,
    title: Text::fixed("ローテーションが途中で止まっていない", "No rotation is left half done"),
    remediation: Text::fixed(
        "ローテーション関数のログで、どの手順まで進んだかを確認する。`aws secretsmanager update-secret-version-stage --secret-id ARN --version-stage AWSPENDING --remove-from-version-id ID` で解除し、`aws secretsmanager rotate-secret --secret-id ARN` でやり直す",
        "Look in the rotation function's log for the step that it got to; clear it with `aws secretsmanager update-secret-version-stage --secret-id ARN --version-stage AWSPENDING --remove-from-version-id ID`, then begin anew with `aws secretsmanager rotate-secret --secret-id ARN`",
    ),
    control: None,
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let around = subject.around;
    if aside(subject.secret, around.region).is_some() {
        return Ok(Verdict::NotApplicable);
    }
    let waiting = waiting(subject.secret, &subject.history(), around.limits.rotation, around.now);
    Ok(match waiting.map_err(|gap| subject.unread("Versions", &gap.what).unwrap_or(gap))? {
        // Also where rotation has been turned off in the middle of it.
        Some(Waiting::Stuck { version, since }) => {
            Verdict::Fail(RotationVerdict::StuckPending { version, since }.text())
        }
        _ if subject.rotates() => Verdict::Pass,
        _ => Verdict::NotApplicable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter_of};
    use crate::model::{Secret, Version};

    fn waiting_since(date: Option<&str>) -> Secret {
        let mut secret = healthy();
        secret.version_ids_to_stages.insert("v2".into(), vec!["AWSPENDING".into()]);
        secret.versions.push(Version {
            version_id: "v2".into(),
            created_date: date.map(|date| date.parse().unwrap()),
            ..Version::default()
        });
        secret
    }

    #[test]
    fn fails_where_a_version_has_waited_too_long_beside_the_current_one() {
        for (date, want) in [(Some("2026-11-21T00:00:00Z"), 'p'), (Some("2026-11-20T23:59:59Z"), 'f'), (None, 'u')] {
            assert_eq!(letter_of("rotation-settled", &waiting_since(date)), want, "{date:?}");
        }
        let mut done = waiting_since(Some("2026-11-01T00:00:00Z"));
        done.version_ids_to_stages = [("v2".to_owned(), vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()])].into();
        assert_eq!(letter_of("rotation-settled", &done), 'p', "a finished rotation may leave the label there");
    }

    #[test]
    fn a_rotation_that_was_turned_off_half_way_is_told_too() {
        let off = |secret: Secret| Secret { rotation_enabled: Some(false), ..secret };
        assert_eq!(letter_of("rotation-settled", &off(waiting_since(Some("2026-11-01T00:00:00Z")))), 'f');
        assert_eq!(letter_of("rotation-settled", &off(healthy())), '-');
    }
}
