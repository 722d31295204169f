//! The runbook's checklists. Each item has one real source, a limit, and a gap where the source has no data.

mod access;
mod daily;
mod rates;

use jiff::Timestamp;
use tokio::time::Instant;

pub use daily::daily;

use super::{Answer, JobError};
use crate::aws::Aws;
use crate::model::{Coverage, Finding, Gap, Item, Outcome, Report, Severity, Text};
use crate::settings::{AuditSettings, Settings};

/// IAM actions of [`run`], but for those of the ledger and of the report.
pub const IAM_ACTIONS: &[&str] = &[
    "cloudtrail:LookupEvents",
    "cloudwatch:GetMetricData",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "logs:StopQuery",
];

/// The daily list's name in events, markers, metrics and reports.
pub const DAILY: &str = "audit-daily";

/// Goes through the daily list, writes the report and sends the notice.
pub async fn run(
    aws: &Aws,
    settings: &Settings,
    audit: &AuditSettings,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let (report, ages) = daily(aws, settings, audit, now, deadline).await;
    let mut answer = super::job::tell(aws, settings, DAILY, &report, now).await;
    for (job, hours) in ages {
        answer.counts.insert(format!("hours-since-success.{job}"), hours.try_into().unwrap_or_default());
    }
    Ok(answer)
}

/// One line of a checklist before it is looked at.
struct Question {
    id: &'static str,
    runbook: &'static str,
    title: Text,
    severity: Severity,
    remediation: Text,
}

/// What looking at it gave.
enum Reply {
    Good(Text),
    Bad(Text),
    /// Several things that are bad, each with its subject and severity.
    Found(Text, Vec<(String, Severity, Text)>),
}

/// Puts the lines of a checklist together.
#[derive(Default)]
struct Sheet {
    items: Vec<Item>,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
    coverage: Coverage,
}

impl Sheet {
    fn answer(&mut self, question: Question, reply: Result<Reply, Gap>) {
        self.coverage.wanted += 1;
        self.coverage.seen += u64::from(reply.is_ok());
        let finding = |subject: String, severity, detail| Finding {
            check: question.id,
            severity,
            subject,
            detail,
            remediation: question.remediation.clone(),
        };
        let (outcome, verdict, detail) = match reply {
            Ok(Reply::Good(detail)) => (Outcome::Pass, "ok", detail),
            Ok(Reply::Bad(detail)) => {
                self.findings.push(finding(question.id.to_owned(), question.severity, detail.clone()));
                (Outcome::Fail, "bad", detail)
            }
            Ok(Reply::Found(detail, found)) => {
                let outcome = if found.is_empty() { (Outcome::Pass, "ok") } else { (Outcome::Fail, "bad") };
                self.findings
                    .extend(found.into_iter().map(|(subject, severity, text)| finding(subject, severity, text)));
                (outcome.0, outcome.1, detail)
            }
            Err(gap) => {
                let reason = gap.reason.text();
                let detail =
                    Text::new(format!("{}: {}", reason.ja, gap.detail), format!("{}: {}", reason.en, gap.detail));
                self.gaps.push(gap);
                (Outcome::Unknown, "unknown", detail)
            }
        };
        self.items.push(Item {
            subject: question.id.to_owned(),
            title: Some(question.title),
            runbook: Some(question.runbook),
            outcome,
            verdict,
            detail,
        });
    }

    fn into_report(self, schema: &'static str, title: Text, region: &str, now: Timestamp) -> Report {
        let mut report = Report {
            schema,
            title,
            as_of: now,
            region: region.to_owned(),
            items: self.items,
            findings: self.findings,
            gaps: self.gaps,
            coverage: self.coverage,
        };
        report.sort_findings();
        report
    }
}
