//! Versions do not pile up: AWS keeps about a hundred, and then refuses to make more.

use super::{Check, Subject, Verdict};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "version-count",
    severity: Severity::Low,
    title: Text::fixed("バージョンが増えすぎていない", "Versions do not pile up"),
    remediation: Text::fixed(
        "PutSecretValue / UpdateSecret を繰り返している呼び出し元を CloudTrail で探し、頻度を下げる（10 分に 1 回まで）",
        "Find in CloudTrail who calls PutSecretValue or UpdateSecret over and over, and slow it down (once in ten minutes at most)",
    ),
    control: None,
    runbook: "R29",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    if subject.is_replica() {
        return Ok(Verdict::NotApplicable);
    }
    if let Some(gap) = subject.unread("Versions", "secretsmanager:ListSecretVersionIds") {
        return Err(gap);
    }
    let (number, limit) = (subject.secret.versions.len(), subject.around.limits.versions_max);
    Ok(if number <= limit {
        Verdict::Pass
    } else {
        Verdict::Fail(Text::new(
            format!("バージョンが {number} 個（上限 {limit}）"),
            format!("has {number} versions (limit {limit})"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, letter, verdict_of};
    use crate::model::{Secret, Surroundings, Version};

    #[test]
    fn the_limit_itself_passes() {
        let with = |number| Secret { versions: vec![Version::default(); number], ..healthy() };
        for (number, want) in [(0, 'p'), (50, 'p'), (51, 'f')] {
            assert_eq!(
                letter(&verdict_of("version-count", &with(number), &Surroundings::unread(), &[])),
                want,
                "{number}"
            );
        }
        let unread = Secret { unread: vec!["Versions".into()], ..healthy() };
        assert_eq!(letter(&verdict_of("version-count", &unread, &Surroundings::unread(), &[])), 'u');
    }
}
