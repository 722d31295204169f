//! R05, R18: a verdict on the rotation of every secret.

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::job::deadline_gap;
use super::{Answer, JobError};
use crate::aws::{Aws, secrets_manager};
use crate::checks::{Subject, evaluate};
use crate::model::{
    Coverage, Finding, Gap, GapReason, Item, Outcome, PolicyDays, Report, RotationVerdict, Secret, Text,
};
use crate::settings::Settings;

/// IAM actions of [`run`].
pub const IAM_ACTIONS: &[&str] = &["secretsmanager:ListSecrets"];

/// The job's name in events, markers, metrics and reports.
pub const JOB: &str = "rotation";

/// Judges, writes the report and sends the notice.
pub async fn run(
    aws: &Aws,
    settings: &Settings,
    policy: PolicyDays,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let report = check(aws, policy, now, deadline).await?;
    Ok(super::job::tell(aws, settings, JOB, &report, now).await)
}

/// Judges every secret that ListSecrets shows.
///
/// # Errors
/// A list that fails fails the job: half a list would read like a whole one.
pub async fn check(aws: &Aws, policy: PolicyDays, now: Timestamp, deadline: Instant) -> Result<Report, JobError> {
    let mut judged = Judged::default();
    let mut token = None;
    loop {
        let Ok(page) = timeout_at(deadline, secrets_manager::list_page(aws, token)).await else {
            let detail = format!("stopped after {} secrets; the rest was not looked at", judged.coverage.wanted);
            judged.gaps.push(deadline_gap("secretsmanager:ListSecrets", detail));
            // At least one more: what was not reached must not count as covered.
            judged.coverage.wanted += 1;
            break;
        };
        let page = page?;
        for secret in &page.secrets {
            judged.judge(secret, aws.region(), policy, now);
        }
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    if judged.items.is_empty() && judged.gaps.is_empty() {
        judged.gaps.push(no_secrets(aws.region()));
    }
    let mut report = Report {
        schema: "secrets-ops/rotation/v1",
        title: Text::fixed("ローテーション確認", "Rotation check"),
        as_of: now,
        region: aws.region().to_owned(),
        items: judged.items,
        findings: judged.findings,
        gaps: judged.gaps,
        coverage: judged.coverage,
    };
    report.items.sort_by(|a, b| a.subject.cmp(&b.subject));
    report.sort_findings();
    Ok(report)
}

/// An empty list is more often a wrong Region or account than an empty estate.
pub(super) fn no_secrets(region: &str) -> Gap {
    Gap {
        what: "secretsmanager:ListSecrets".into(),
        subject: String::new(),
        reason: GapReason::NoData,
        detail: format!("no secret in {region}: is it the right Region and account?"),
    }
}

#[derive(Default)]
struct Judged {
    items: Vec<Item>,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
    coverage: Coverage,
}

impl Judged {
    fn judge(&mut self, secret: &Secret, region: &str, policy: PolicyDays, now: Timestamp) {
        let subject = Subject::new(secret, region, policy, now);
        let known = self.findings.len();
        evaluate(&subject, &mut self.findings, &mut self.gaps);
        self.coverage.wanted += 1;
        self.coverage.seen += u64::from(subject.rotation.is_ok());
        let (outcome, verdict, detail) = match &subject.rotation {
            Err(gap) => (Outcome::Unknown, "unknown", Text::new(gap.detail.clone(), gap.detail.clone())),
            Ok(verdict) => (outcome(verdict, self.findings.len() > known), verdict.word(), verdict.text()),
        };
        self.items.push(Item { subject: secret.name.clone(), title: None, runbook: None, outcome, verdict, detail });
    }
}

fn outcome(verdict: &RotationVerdict, failed: bool) -> Outcome {
    match verdict {
        _ if failed => Outcome::Fail,
        RotationVerdict::NotRequired
        | RotationVerdict::Managed { .. }
        | RotationVerdict::Replica { .. }
        | RotationVerdict::PendingDeletion => Outcome::NotApplicable,
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;
    use crate::aws::Class;
    use crate::aws::fake::{Fault, World, clients};
    use crate::model::Status;

    const POLICY: PolicyDays = PolicyDays { max_age: 90, due_within: 1, grace: 1 };

    fn world(names: &[&str], faults: Vec<Fault>) -> World {
        World { secrets: names.iter().map(|name| (*name).to_owned()).collect(), faults, ..World::default() }
    }

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn every_secret_gets_a_verdict() {
        let (aws, shared) = clients(world(&["c", "a", "b"], vec![]));
        let report = check(&aws, POLICY, now(), soon()).await.unwrap();
        let verdicts: Vec<_> = report.items.iter().map(|item| (item.subject.as_str(), item.verdict)).collect();
        assert_eq!(verdicts, [("a", "disabled"), ("b", "disabled"), ("c", "disabled")]);
        assert_eq!((report.status(), report.coverage), (Status::Findings, Coverage { wanted: 3, seen: 3 }));
        assert_eq!(shared.lock().unwrap().calls["ListSecrets"], 2, "a page of two and a page of one");
    }

    #[tokio::test]
    async fn half_a_list_is_an_error() {
        let denied = Fault::of("ListSecrets", "2", "AccessDeniedException", 400);
        let (aws, _) = clients(world(&["a", "b", "c"], vec![denied]));
        let JobError::Aws(error) = check(&aws, POLICY, now(), soon()).await.unwrap_err() else { panic!() };
        assert_eq!((error.operation, error.class), ("secretsmanager:ListSecrets", Class::Denied));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_a_gap() {
        let slow = Fault::of("ListSecrets", "2", "ThrottlingException", 400);
        let (aws, _) = clients(world(&["a", "b", "c"], vec![slow]));
        let report = check(&aws, POLICY, now(), soon()).await.unwrap();
        assert_eq!((report.items.len(), report.gaps[0].reason), (2, GapReason::Deadline));
        assert_eq!((report.status(), report.coverage), (Status::Incomplete, Coverage { wanted: 3, seen: 2 }));
    }

    #[tokio::test]
    async fn no_secret_at_all_is_not_all_well() {
        let (aws, _) = clients(world(&[], vec![]));
        let report = check(&aws, POLICY, now(), soon()).await.unwrap();
        assert_eq!((report.status(), report.gaps[0].reason), (Status::Incomplete, GapReason::NoData));
    }
}
