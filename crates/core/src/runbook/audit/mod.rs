//! The runbook's checklists. Each item has one real source, a limit, and a gap where the source has no data.

mod daily;
mod estate;
mod evidence;
mod lists;
mod past;
mod progress;
mod rates;
mod suppress;
mod tally;

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::time::Instant;

pub use daily::daily;
pub use evidence::Evidence;
pub use lists::{List, ListSettings, Run, look};
pub use past::{Past, look_back};

use super::{Answer, JobError, access, calls, suppressions};
use crate::aws::Aws;
use crate::aws::s3::{self, Expect};
use crate::checks::ALL;
use crate::model::{Coverage, Extras, Finding, Gap, Item, Outcome, Report, Severity, Table, Text};
use crate::settings::{AuditSettings, SettingError, Settings};
use tally::Tally;

/// IAM actions of [`run_daily`] and [`run_list`] that are their own; those of what it goes through are in their modules, and so are those of the
/// ledger, the suppressions and the report.
pub const IAM_ACTIONS: &[&str] = &[
    // The estate's secrets.
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    // The daily list.
    "cloudtrail:LookupEvents",
    "cloudwatch:GetMetricData",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "logs:StopQuery",
];

/// The daily list's name in events, markers, metrics and reports.
pub const DAILY: &str = "audit-daily";

/// What the three lists need to know.
#[derive(Clone, Debug)]
pub struct AuditJobs {
    daily: AuditSettings,
    lists: ListSettings,
    suppressions: suppressions::Source,
}

impl AuditJobs {
    /// Reads it.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        Ok(Self {
            daily: AuditSettings::read(get)?,
            lists: ListSettings::read(get)?,
            suppressions: suppressions::Source::read(get)?,
        })
    }
}

/// Goes through the daily list, writes the report and tells of changes.
pub async fn run_daily(
    aws: &Aws,
    settings: &Settings,
    jobs: &AuditJobs,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let before = aws.calls();
    let (mut report, ages) = daily(aws, settings, &jobs.daily, now, deadline).await;
    calls::note(&mut report, &before, aws);
    let mut answer = super::job::tell(aws, settings, DAILY, &report, now).await;
    for (job, hours) in ages {
        answer.counts.insert(format!("hours-since-success.{job}"), hours.try_into().unwrap_or_default());
    }
    Ok(answer)
}

/// Goes through one of the long lists, writes report and evidence, and tells of changes.
///
/// # Errors
/// A list of secrets that fails.
pub async fn run_list(
    aws: &Aws,
    settings: &Settings,
    jobs: &AuditJobs,
    (list, account): (List, &str),
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let (accepted, gap) = suppressions::load(aws, settings, &jobs.suppressions, &check_ids()).await;
    let run = Run { list, settings, own: &jobs.lists, suppressions: &accepted, account, now };
    let already = progress::recall(aws, settings, now).await;
    let (mut report, evidence) = Box::pin(look(run, aws, already, deadline)).await?;
    progress::keep(aws, settings, &evidence).await;
    report.gaps.extend(gap);
    let mut answer = super::job::tell(aws, settings, list.job(), &report, now).await;
    let stamp = now.to_zoned(settings.time_zone.clone()).strftime("%Y%m%d_%H%M%S_%3f");
    let key = format!("reports/{}/{stamp}.evidence.json", list.job());
    match s3::put(aws, &settings.bucket, &key, "application/json", evidence.to_json(), Expect::Anything).await {
        Ok(_) => answer.artefacts.push(key),
        Err(error) => answer.add_gap(error.gap(&key)),
    }
    Ok(answer)
}

/// The ids of everything that can be found, which a suppression may name.
pub fn check_ids() -> Vec<&'static str> {
    let kinds = access::kinds().map(|kind| kind.id).chain([access::TRAIL_KIND.id]);
    ALL.iter().map(|check| check.id).chain(kinds).chain(lists::question_ids()).collect()
}

/// One line of a checklist before it is looked at.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: &'static str,
    pub(crate) runbook: &'static str,
    pub(crate) title: Text,
    pub(crate) severity: Severity,
    pub(crate) remediation: Text,
}

/// What looking at it gave.
#[derive(Debug)]
pub(crate) enum Reply {
    Good(Text),
    Bad(Text),
    /// Several things that are bad, each with its subject and severity.
    Found(Text, Vec<(String, Severity, Text)>),
    /// The same where not all could be looked at: bad if anything is, and otherwise unknown.
    Partly(Text, Vec<(String, Severity, Text)>, Vec<Gap>),
}

impl Reply {
    /// What was found, and what could not be looked at.
    pub(crate) fn of(detail: Text, found: Vec<(String, Severity, Text)>, gaps: Vec<Gap>) -> Self {
        if gaps.is_empty() { Self::Found(detail, found) } else { Self::Partly(detail, found, gaps) }
    }
}

/// Puts the lines of a checklist together.
#[derive(Default)]
pub(crate) struct Sheet {
    items: Vec<Item>,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
    coverage: Coverage,
    tables: Vec<Table>,
    /// Lines with hits of which not all could be looked at.
    partly: BTreeSet<&'static str>,
}

impl Sheet {
    /// Takes over what the checks said.
    fn take(&mut self, tally: Tally) {
        let seen = tally.seen();
        self.coverage.wanted += seen.wanted;
        self.coverage.seen += seen.seen;
        self.items.extend(tally.items());
        self.findings.extend(tally.findings);
        self.gaps.extend(tally.gaps);
    }

    /// Takes over a report as a part of this list.
    fn absorb(&mut self, report: Report) {
        self.coverage.wanted += report.coverage.wanted;
        self.coverage.seen += report.coverage.seen;
        self.items.extend(report.items);
        self.findings.extend(report.findings);
        self.gaps.extend(report.gaps);
        self.tables.extend(report.extras.tables);
    }

    pub(crate) fn answer(&mut self, question: Question, reply: Result<Reply, Gap>) {
        self.coverage.wanted += 1;
        self.coverage.seen += u64::from(!matches!(reply, Err(_) | Ok(Reply::Partly(..))));
        let finding = |subject: String, severity, detail| Finding {
            check: question.id,
            severity,
            arn: Some(subject.clone()).filter(|subject| subject.starts_with("arn:")),
            subject,
            detail,
            remediation: question.remediation.clone(),
        };
        let mut next = Some(question.remediation.clone());
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
            Ok(Reply::Partly(detail, found, gaps)) => {
                let outcome = if found.is_empty() { (Outcome::Unknown, "unknown") } else { (Outcome::Fail, "bad") };
                self.partly.insert(question.id);
                if found.is_empty() {
                    next = gaps.first().map(|gap| gap.reason.next());
                }
                let detail = Text::new(
                    format!("{}、確認できないもの {} 件", detail.ja, gaps.len()),
                    format!("{}; {} could not be looked at", detail.en, gaps.len()),
                );
                self.findings
                    .extend(found.into_iter().map(|(subject, severity, text)| finding(subject, severity, text)));
                self.gaps.extend(gaps);
                (outcome.0, outcome.1, detail)
            }
            Err(gap) => {
                let reason = gap.reason.text();
                next = Some(gap.reason.next());
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
            next: next.filter(|_| outcome != Outcome::Pass),
        });
    }

    pub(crate) fn into_report(mut self, schema: &'static str, title: Text, region: &str, now: Timestamp) -> Report {
        // Several lines may lack the same.
        let mut told = BTreeSet::new();
        self.gaps.retain(|gap| told.insert(gap.clone()));
        let mut report = Report {
            schema,
            title,
            as_of: now,
            region: region.to_owned(),
            items: self.items,
            findings: self.findings,
            gaps: self.gaps,
            coverage: self.coverage,
            extras: Extras { tables: self.tables, ..Extras::default() },
        };
        report.sort_findings();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_in_part_is_bad_or_unknown_and_never_good() {
        let gap = || crate::model::unread("kms:DescribeKey");
        let text = || Text::fixed("a", "a");
        for (found, outcome) in
            [(vec![], Outcome::Unknown), (vec![("s".to_owned(), Severity::Low, text())], Outcome::Fail)]
        {
            let mut sheet = Sheet::default();
            let question =
                Question { id: "q", runbook: "R06", title: text(), severity: Severity::Low, remediation: text() };
            let number = found.len();
            sheet.answer(question, Ok(Reply::of(text(), found, vec![gap()])));
            assert_eq!((sheet.items[0].outcome, sheet.findings.len(), sheet.gaps.len()), (outcome, number, 1));
            assert_eq!(sheet.coverage, Coverage { wanted: 1, seen: 0 });
        }
    }
}
