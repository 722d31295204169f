//! The secret has a value that can be read.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "current-version",
    severity: Severity::High,
    title: Text::fixed("AWSCURRENT のバージョンがある", "There is a version labelled AWSCURRENT"),
    remediation: Text::fixed(
        "値があるなら `aws secretsmanager update-secret-version-stage --secret-id ARN --version-stage AWSCURRENT --move-to-version-id ID`。なければ値を入れる（`put-secret-value`）か、不要なら削除する",
        "If there is a value: `aws secretsmanager update-secret-version-stage --secret-id ARN --version-stage AWSCURRENT --move-to-version-id ID`; if not, put one in (`put-secret-value`), or delete the secret",
    ),
    control: None,
    runbook: "R05",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    let secret = subject.secret;
    if subject.is_replica() {
        return Ok(Verdict::NotApplicable);
    }
    if secret.version_with("AWSCURRENT").is_some() {
        return Ok(Verdict::Pass);
    }
    // A secret may be made first and filled afterwards.
    let age = subject.days_since(subject.created()?);
    if secret.version_ids_to_stages.is_empty() && age < 1 {
        return Ok(Verdict::Pass);
    }
    Ok(Verdict::Fail(if secret.version_ids_to_stages.is_empty() && secret.versions.is_empty() {
        Text::fixed("値が一度も入っていません", "has never had a value")
    } else {
        Text::fixed(
            "AWSCURRENT の付いたバージョンがなく、値を読み取れません",
            "no version is labelled AWSCURRENT, so that it cannot be read",
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings, Version};

    #[test]
    fn a_secret_without_a_value_has_a_day() {
        let none = Secret { version_ids_to_stages: [].into(), ..healthy() };
        let made = |at: &str| Secret { created_date: Some(at.parse().unwrap()), ..none.clone() };
        let pending =
            Secret { version_ids_to_stages: [("v".to_owned(), vec!["AWSPENDING".to_owned()])].into(), ..healthy() };
        let deprecated = Secret { versions: vec![Version::default()], ..none.clone() };
        for (secret, want) in [
            (healthy(), 'p'),
            (made("2026-11-21T00:00:01Z"), 'p'),
            (made("2026-11-21T00:00:00Z"), 'f'),
            (Secret { created_date: None, ..none.clone() }, 'u'),
            (pending, 'f'),
            (deprecated, 'f'),
            (Secret { primary_region: Some("us-east-1".into()), ..none.clone() }, '-'),
            (Secret { deleted_date: none.created_date, ..none }, '-'),
        ] {
            assert_eq!(
                letter(&verdict_of("current-version", &secret, &Surroundings::unread(), &[])),
                want,
                "{secret:?}"
            );
        }
    }
}
