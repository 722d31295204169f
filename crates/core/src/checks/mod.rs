//! The check table. A check is data and a pure function; the loop adds the rest.
//!
//! A rule answers `Err(gap)` where it cannot tell, so that a denied reading can never look like a pass.

mod rotation_enabled;
mod rotation_on_time;
mod rotation_ran;
mod rotation_settled;

use jiff::Timestamp;

use crate::model::{Finding, Gap, PolicyDays, RotationVerdict, Secret, Severity, Text, judge_rotation};

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case; also the name of its file, with underscores.
    pub id: &'static str,
    /// How bad it is to fail.
    pub severity: Severity,
    /// The state that passes.
    pub title: Text,
    /// What to do where it fails.
    pub remediation: Text,
    /// AWS's own control for the same thing.
    pub control: Option<&'static str>,
    /// Judges one secret.
    pub rule: fn(&Subject<'_>) -> Result<Verdict, Gap>,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In the state of the title.
    Pass,
    /// Not so, because of this fact.
    Fail(Text),
    /// The question does not arise for this secret.
    NotApplicable,
}

/// A secret with what several rules need of it, judged once.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The secret.
    pub secret: &'a Secret,
    /// The state of its rotation.
    pub rotation: Result<RotationVerdict, Gap>,
}

impl<'a> Subject<'a> {
    /// Judges what the rules share.
    pub fn new(secret: &'a Secret, region: &str, policy: PolicyDays, now: Timestamp) -> Self {
        Self { secret, rotation: judge_rotation(secret, region, policy, now) }
    }
}

/// Every check, in the order of the document.
pub const ALL: &[Check] =
    &[rotation_enabled::CHECK, rotation_ran::CHECK, rotation_on_time::CHECK, rotation_settled::CHECK];

/// Runs all checks over one secret. A gap that several checks run into is told once.
pub fn evaluate(subject: &Subject<'_>, findings: &mut Vec<Finding>, gaps: &mut Vec<Gap>) {
    for check in ALL {
        match (check.rule)(subject) {
            Ok(Verdict::Pass | Verdict::NotApplicable) => {}
            Ok(Verdict::Fail(detail)) => findings.push(Finding {
                check: check.id,
                severity: check.severity,
                subject: subject.secret.name.clone(),
                detail,
                remediation: check.remediation.clone(),
            }),
            Err(gap) if gaps.last() == Some(&gap) => {}
            Err(gap) => gaps.push(gap),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A secret with rotation on, rotated a day before `NOW` and next due in 29 days.
    pub(crate) fn healthy() -> Secret {
        Secret {
            name: "s".into(),
            rotation_enabled: Some(true),
            created_date: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            last_rotated_date: Some("2026-11-21T00:00:00Z".parse().unwrap()),
            next_rotation_date: Some("2026-12-21T00:00:00Z".parse().unwrap()),
            version_ids_to_stages: [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into(),
            ..Secret::default()
        }
    }

    /// The ids of the checks that fail for `secret`.
    pub(crate) fn failing(secret: &Secret) -> Vec<&'static str> {
        let policy = PolicyDays { max_age: 90, due_within: 1, grace: 1 };
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let (mut findings, mut gaps) = (vec![], vec![]);
        evaluate(&Subject::new(secret, "ap-northeast-1", policy, now), &mut findings, &mut gaps);
        assert_eq!(gaps, []);
        findings.iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn ids_are_kebab_case_and_unique() {
        for (index, check) in ALL.iter().enumerate() {
            assert!(check.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.id);
            assert!(ALL[..index].iter().all(|other| other.id != check.id), "{}", check.id);
        }
    }

    #[test]
    fn a_gap_is_told_once_and_never_passes() {
        let secret = Secret { created_date: None, last_rotated_date: None, next_rotation_date: None, ..healthy() };
        let policy = PolicyDays { max_age: 90, due_within: 1, grace: 1 };
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let (mut findings, mut gaps) = (vec![], vec![]);
        evaluate(&Subject::new(&secret, "ap-northeast-1", policy, now), &mut findings, &mut gaps);
        assert_eq!((findings.len(), gaps.len()), (0, 1));
        assert_eq!(gaps[0].subject, "s");
    }

    #[test]
    fn the_document_lists_every_check() {
        let mut page = String::from("<!-- Written by `make docs`; do not edit. -->\n# Checks\n");
        for check in ALL {
            page += &format!(
                "\n## {}\n\n{}\n\n{}\n\n- Severity: {}\n- Control: {}\n- Remediation: {}\n- 対処: {}\n",
                check.id,
                check.title.en,
                check.title.ja,
                check.severity.name(),
                check.control.unwrap_or("none"),
                check.remediation.en,
                check.remediation.ja,
            );
        }
        crate::settings::tests::assert_current("CHECKS.md", &page);
    }
}
