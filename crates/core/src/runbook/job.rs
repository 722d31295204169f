//! What all scheduled jobs share: their answer, their errors, and how they tell.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::changes;
use crate::aws::s3::{self, Expect};
use crate::aws::{Aws, AwsError, Class};
use crate::model::{Coverage, Gap, GapReason, Reading, Record, Report, Status};
use crate::notify::{self, Notice};
use crate::report::{Format, render};
use crate::settings::{SettingError, Settings};

/// What a function answers. Small, whatever the size of the estate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// `secrets-ops/answer/v1`.
    pub schema: String,
    /// Such as `backup-daily`.
    pub job: String,
    /// How it ended.
    pub status: Status,
    /// Whether the job has done what its schedule wants of it. A check that found something has; a backup that is not
    /// whole has not.
    pub success: bool,
    /// Figures by name.
    pub counts: BTreeMap<String, u64>,
    /// How much was looked at.
    pub coverage: Coverage,
    /// The first of what could not be looked at; `counts.gaps` has the number of all.
    pub gaps: Vec<Gap>,
    /// Keys of what was written.
    pub artefacts: Vec<String>,
    /// Present where the job is not finished: what the next invocation has to be called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Chunk>,
    /// Wall time.
    pub duration_ms: u64,
}

/// One of several invocations that do a job together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// What the first of them named the work; absent in the first itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// From 1.
    pub part: u32,
}

/// An estate other than the function's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EstateTarget {
    /// The role to take in its account.
    pub role_arn: String,
    /// Its Region.
    pub region: String,
}

impl EstateTarget {
    /// From the role's ARN.
    pub fn account(&self) -> &str {
        self.role_arn.split(':').nth(4).unwrap_or_default()
    }
}

/// The schema of [`Answer`].
const ANSWER_SCHEMA: &str = "secrets-ops/answer/v1";

/// Gaps that an answer carries.
const MOST_GAPS: usize = 20;

impl Answer {
    /// An answer without figures.
    pub fn new(job: &str, status: Status) -> Self {
        Self {
            schema: ANSWER_SCHEMA.to_owned(),
            job: job.to_owned(),
            status,
            success: true,
            counts: BTreeMap::new(),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            artefacts: Vec::new(),
            more: None,
            duration_ms: 0,
        }
    }

    /// The short form of a report.
    pub fn of_report(job: &str, report: &Report) -> Self {
        let mut counts = report.counts();
        for severity in crate::model::Severity::ALL {
            let number = report.findings.iter().filter(|finding| finding.severity == severity).count();
            counts.insert(format!("findings-{}", severity.name()), number as u64);
        }
        Self {
            counts,
            coverage: report.coverage,
            gaps: report.gaps.iter().take(MOST_GAPS).cloned().collect(),
            ..Self::new(job, report.status())
        }
    }

    /// Adds something that could not be done after the report was made.
    pub fn add_gap(&mut self, gap: Gap) {
        *self.counts.entry("gaps".into()).or_default() += 1;
        self.status = Status::Incomplete;
        self.gaps.truncate(MOST_GAPS - 1);
        self.gaps.push(gap);
    }
}

/// Why a job could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The event asks for something that this function does not do.
    #[error("{0}")]
    BadEvent(String),
    /// A setting is missing or wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// AWS refused or failed where nothing can be done without it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// There is nothing of that name.
    #[error("{0}")]
    NotThere(String),
    /// Going on would do harm, or prove nothing.
    #[error("{0}")]
    Refused(String),
    /// The archive or its spool files could not be read or written.
    #[error("the archive or a temporary file failed: {0}")]
    Io(#[from] std::io::Error),
}

impl JobError {
    /// A stable name, on which alarms and metric filters may be written.
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::BadEvent(_) => "SecretsOps.BadEvent",
            Self::Setting(_) => "SecretsOps.BadSetting",
            Self::Refused(_) => "SecretsOps.Refused",
            Self::NotThere(_) => "SecretsOps.NotFound",
            Self::Io(_) => "SecretsOps.Io",
            Self::Aws(error) => match error.class {
                Class::Denied => "SecretsOps.Denied",
                Class::Throttled => "SecretsOps.Throttled",
                Class::NotFound => "SecretsOps.NotFound",
                Class::Conflict => "SecretsOps.Conflict",
                Class::Invalid => "SecretsOps.Refused",
                Class::TimedOut => "SecretsOps.TimedOut",
                Class::Unavailable => "SecretsOps.Unavailable",
                Class::Garbled => "SecretsOps.Garbled",
            },
        }
    }
}

/// What set a job off: its name and, for a schedule, what makes a second delivery recognisable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// The job's name where the event gives one.
    pub job: Option<String>,
    /// Schedule ARN and scheduled time. Absent for calls by hand, which always run.
    pub key: Option<String>,
    /// Present where one invocation need not finish the job.
    pub chunk: Option<Chunk>,
    /// Present where the job is about another estate.
    pub target: Option<EstateTarget>,
    /// CloudTrail's record, where such an event is what set the job off.
    pub record: Option<Record>,
}

/// IAM actions of writing a report; `kms:GenerateDataKey` is used by S3 on our behalf.
pub const REPORT_IAM_ACTIONS: &[&str] = &["s3:PutObject", "kms:GenerateDataKey"];

/// Writes a report and its notice: the report first, so that a failed channel hides nothing. A job that remembers its
/// reports tells of changes only.
pub(super) async fn tell(aws: &Aws, settings: &Settings, job: &str, report: &Report, now: Timestamp) -> Answer {
    let mut answer = Answer::of_report(job, report);
    let memory = match changes::remembers(job) {
        true => Some(changes::recall(aws, settings, job, settings.patience).await),
        false => None,
    };
    let dated = memory.as_ref().map(|memory| memory.dated(report));
    let report = dated.as_ref().unwrap_or(report);
    let stamp = now.to_zoned(settings.time_zone.clone()).strftime("%Y%m%d_%H%M%S_%3f").to_string();
    let mut stem = format!("reports/{job}/{stamp}");
    // The first form finds a free name, should another run have taken this moment's; the second lies beside it.
    let mut number = 1;
    let first = loop {
        match put_form(aws, settings, &stem, report, Format::Json).await {
            Err(error) if error.class == Class::Conflict && number < 10 => {
                number += 1;
                stem = format!("reports/{job}/{stamp}-{number}");
            }
            done => break done,
        }
    };
    for done in [first, put_form(aws, settings, &stem, report, Format::Table).await] {
        match done {
            Ok(key) => answer.artefacts.push(key),
            Err(error) => answer.add_gap(error.gap(&stem)),
        }
    }
    let artefact = answer.artefacts.last().map(|key| format!("s3://{}/{key}", settings.bucket.name));
    if let Some(memory) = memory {
        changes::tell(aws, settings, report, memory, artefact.as_deref(), &mut answer).await;
    } else if let Some(notice) = Notice::of_report(settings, job, report, artefact.as_deref()) {
        notice_or_gap(aws, settings, &notice, &mut answer).await;
    }
    answer.success = !answer.artefacts.is_empty();
    answer
}

/// Writes one form of a report and returns its key. Nothing is overwritten.
async fn put_form(
    aws: &Aws,
    settings: &Settings,
    stem: &str,
    report: &Report,
    format: Format,
) -> Result<String, AwsError> {
    let (suffix, content_type) = match format {
        Format::Json => ("json", "application/json"),
        _ => ("txt", "text/plain; charset=utf-8"),
    };
    let key = format!("{stem}.{suffix}");
    let body = render(report, format, settings.lang).into_bytes();
    s3::put(aws, &settings.bucket, &key, content_type, body, Expect::Absent).await.map(|_| key)
}

/// Sends a notice, and answers whether it got through; what goes wrong with it becomes part of the answer.
pub(super) async fn notice_or_gap(aws: &Aws, settings: &Settings, notice: &Notice, answer: &mut Answer) -> bool {
    let sent = notify::send(aws, settings, notice).await;
    if let Err(error) = &sent {
        tracing::error!(%error, subject = notice.subject, "a notice could not be sent");
        answer.add_gap(error.gap(settings.topic_arn.as_deref().unwrap_or_default()));
    }
    sent.is_ok()
}

/// Tells people of a job that failed, and hands the error on.
pub async fn finish(
    aws: &Aws,
    settings: &Settings,
    job: &str,
    result: Result<Answer, JobError>,
) -> Result<Answer, JobError> {
    if let Err(error) = &result {
        let notice = Notice::of_failure(settings, job, &error.to_string());
        if let Err(unsent) = notify::send(aws, settings, &notice).await {
            tracing::error!(error = %unsent, "the notice of a failed job could not be sent");
        }
    }
    result
}

/// Makes a call, or gives it up at the deadline. `what` is its operation, `subject` what it is about; empty: all.
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, AwsError>>,
    what: &str,
    subject: &str,
    deadline: Instant,
) -> Reading<T> {
    match timeout_at(deadline, call).await {
        Ok(done) => done.map_err(|error| error.gap(subject)),
        Err(_) => {
            let gap = deadline_gap(what, "not answered before the deadline".to_owned());
            Err(Gap { subject: subject.to_owned(), ..gap })
        }
    }
}

/// The gap of a job that the deadline stopped.
pub(super) fn deadline_gap(what: &str, detail: String) -> Gap {
    Gap { what: what.to_owned(), subject: String::new(), reason: GapReason::Deadline, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::fake::{Fault, World, clients};
    use crate::model::Outcome;
    use crate::runbook::rotation::{self, RotationSettings};
    use tokio::time::Duration;

    async fn report(aws: &Aws, now: Timestamp) -> Report {
        let settings = RotationSettings::read(&|_| None).unwrap();
        rotation::check(aws, &settings, now, Instant::now() + Duration::from_secs(60)).await.unwrap()
    }

    fn world(faults: Vec<Fault>) -> World {
        World { secrets: vec!["a".into()], faults, ..World::default() }
    }

    #[tokio::test]
    async fn two_runs_of_one_moment_keep_both_reports() {
        let (aws, shared) = clients(world(vec![]));
        let settings = Settings::read(&|_| None).unwrap();
        let now: Timestamp = "2026-11-22T00:00:00.5Z".parse().unwrap();
        let report = report(&aws, now).await;
        assert_eq!(report.items[0].outcome, Outcome::Fail);
        let first = tell(&aws, &settings, "rotation", &report, now).await;
        let second = tell(&aws, &settings, "rotation", &report, now).await;
        assert_eq!(
            first.artefacts,
            ["reports/rotation/20261122_090000_500.json", "reports/rotation/20261122_090000_500.txt"]
        );
        assert_eq!(
            second.artefacts,
            ["reports/rotation/20261122_090000_500-2.json", "reports/rotation/20261122_090000_500-2.txt"]
        );
        assert_eq!(
            (first.gaps.len(), second.gaps.len(), shared.lock().unwrap().objects.len()),
            (0, 0, 5),
            "and the state"
        );
    }

    #[tokio::test]
    async fn a_bucket_that_refuses_is_a_gap_and_no_success() {
        let (aws, _) = clients(world(vec![Fault::of("PutObject", "reports/", "AccessDenied", 403)]));
        let settings = Settings::read(&|_| None).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let report = report(&aws, now).await;
        let answer = tell(&aws, &settings, "rotation", &report, now).await;
        assert_eq!((answer.success, answer.status, answer.gaps.len()), (false, Status::Incomplete, 2));
        assert!(answer.gaps.iter().all(|gap| gap.reason == GapReason::Denied));
    }
}
