//! One notice for each change of state, not one for each report that is not well.
//!
//! The order is: report, state with everything new marked as untold, notice, state without the marks. A run that dies, or
//! whose notice does not get through, leaves the marks, and the next one tells again: a notice may come twice, none is lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, timeout};

use super::Answer;
use super::job::notice_or_gap;
use crate::aws::s3::{self, Expect};
use crate::aws::{Aws, AwsError, Class};
use crate::model::{Changes, Extras, Gap, GapReason, Report, State, changes};
use crate::notify::{Compared, Notice};
use crate::settings::Settings;

/// IAM actions of remembering, on `state/*` of the bucket; without ListBucket, S3 answers for an absent state as if reading
/// were denied. `kms:*` are used by S3 on our behalf.
pub const IAM_ACTIONS: &[&str] =
    &["s3:GetObject", "s3:ListBucket", "s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"];

const SCHEMA: &str = "secrets-ops/state/v1";

/// What is still open is listed again after so many days.
const DIGEST_DAYS: i32 = 7;

/// A person's first call to S3 has to find its way there.
const PERSON_PATIENCE: Duration = Duration::from_secs(15);

/// Runs that may write the state at the same moment before one of them gives up.
const ATTEMPTS: usize = 4;

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: String,
    #[serde(flatten)]
    state: State,
}

/// What a job remembers, and where.
#[derive(Debug)]
pub(super) struct Memory {
    object: String,
    state: State,
    /// What is there, so that nobody else's state is overwritten; `None`: nothing.
    etag: Option<String>,
    /// Why what is there cannot be used.
    trouble: Option<Gap>,
}

/// Whether notices of this job are about changes. Those of a backup or a drill are about the run itself.
pub(super) fn remembers(job: &str) -> bool {
    job == super::rotation::JOB || job.starts_with("audit-")
}

/// Reads the state. Where it cannot be read, everything is new.
pub(super) async fn recall(aws: &Aws, settings: &Settings, job: &str, patience: Duration) -> Memory {
    let object = format!("state/{job}.json");
    let mut memory = Memory { object, state: State::default(), etag: None, trouble: None };
    match timeout(patience, s3::get(aws, &settings.bucket, &memory.object)).await {
        Err(_) => {
            let detail = format!("no answer within {} ms", patience.as_millis());
            let (what, subject) = ("s3:GetObject".to_owned(), memory.object.clone());
            memory.trouble = Some(Gap { what, subject, reason: GapReason::TimedOut, detail });
        }
        Ok(Ok(None)) => {}
        Ok(Ok(Some(found))) => {
            memory.etag = Some(found.etag);
            match serde_json::from_slice::<Stored>(&found.bytes) {
                Ok(stored) if stored.schema == SCHEMA => memory.state = stored.state,
                _ => {
                    memory.trouble = Some(Gap {
                        what: "s3:GetObject".to_owned(),
                        subject: memory.object.clone(),
                        reason: GapReason::Malformed,
                        detail: format!("is not of {SCHEMA} and is written anew"),
                    });
                }
            }
        }
        Ok(Err(error)) => memory.trouble = Some(error.gap(&memory.object)),
    }
    memory
}

/// A report of the command line with what the scheduled runs of the same job remember, for systems that keep track of
/// findings. What goes wrong leaves it as it is.
pub async fn dated(aws: &Aws, settings: &Settings, report: Report) -> (Report, Option<Gap>) {
    let job = report.schema.split('/').nth(1).unwrap_or_default();
    if !remembers(job) {
        return (report, None);
    }
    let memory = recall(aws, settings, job, PERSON_PATIENCE).await;
    (memory.dated(&report), memory.trouble)
}

impl Memory {
    /// The report with what is known of its past: what is resolved, and since when the rest is open.
    pub(super) fn dated(&self, report: &Report) -> Report {
        let next = changes(&self.state, report).next;
        let extras = Extras { resolved: next.resolved(), first_seen: next.first_seen(), ..report.extras.clone() };
        Report { extras, ..report.clone() }
    }

    /// A state that could not even be looked at is left alone: what it says may be right.
    fn may_be_written(&self) -> bool {
        self.trouble.as_ref().is_none_or(|gap| gap.reason == GapReason::Malformed)
    }

    async fn store(&mut self, aws: &Aws, settings: &Settings, state: &State) -> Result<(), AwsError> {
        let stored = Stored { schema: SCHEMA.to_owned(), state: state.clone() };
        // Strings, numbers and dates only: serialising cannot fail, and an empty state reads as one that cannot be used.
        let body = serde_json::to_vec(&stored).unwrap_or_default();
        let expect = self.etag.as_deref().map_or(Expect::Absent, Expect::Etag);
        self.etag = Some(s3::put(aws, &settings.bucket, &self.object, "application/json", body, expect).await?);
        Ok(())
    }
}

/// Writes down what has changed, tells of it, and notes that it was told.
pub(super) async fn tell(
    aws: &Aws,
    settings: &Settings,
    report: &Report,
    memory: Memory,
    artefact: Option<&str>,
    answer: &mut Answer,
) {
    let job = answer.job.clone();
    let Written { mut memory, changes, done } = write_down(aws, settings, report, memory, &job).await;
    if let Some(gap) = &memory.trouble {
        tracing::error!(%gap, "the job's state cannot be used; everything counts as new");
        answer.add_gap(gap.clone());
    }
    for (name, number) in [
        ("opened", changes.opened.len()),
        ("still-open", changes.still_open.len()),
        ("resolved", changes.resolved.len()),
        ("not-looked-at-again", changes.unknown.len()),
    ] {
        answer.counts.insert(name.to_owned(), number as u64);
    }
    let all = digest_is_due(settings, &job, changes.next.digest, report.as_of);
    let compared = Compared { changes: &changes, all, trouble: memory.trouble.as_ref() };
    let Some(notice) = Notice::of_changes(settings, &job, report, &compared, artefact) else { return };
    if !notice_or_gap(aws, settings, &notice, answer).await || !done {
        return;
    }
    let listed_all = all || (changes.still_open.is_empty() && changes.unknown.is_empty());
    let mut state = changes.next.told();
    if listed_all {
        state.digest = Some(report.as_of);
    }
    if let Err(error) = memory.store(aws, settings, &state).await {
        tracing::warn!(%error, key = memory.object, "what was told could not be noted; it will be told again");
        answer.add_gap(error.gap(&memory.object));
    }
}

struct Written {
    memory: Memory,
    changes: Changes,
    /// The state holds the changes, all of them untold.
    done: bool,
}

async fn write_down(aws: &Aws, settings: &Settings, report: &Report, mut memory: Memory, job: &str) -> Written {
    let mut attempt = 1;
    while memory.may_be_written() {
        let changes = changes(&memory.state, report);
        match memory.store(aws, settings, &changes.next).await {
            Ok(()) => return Written { memory, changes, done: true },
            // Another run was quicker: what it has told need not be told again.
            Err(error) if error.class == Class::Conflict && attempt < ATTEMPTS => {
                attempt += 1;
                memory = recall(aws, settings, job, settings.patience).await;
            }
            Err(error) => {
                memory.trouble = Some(error.gap(&memory.object));
                break;
            }
        }
    }
    Written { memory, changes: changes(&State::default(), report), done: false }
}

/// By days of the settings' time zone, so that a schedule's seconds do not make it eight of them. Lists that come once a
/// week or a month are a digest by themselves.
fn digest_is_due(settings: &Settings, job: &str, last: Option<Timestamp>, now: Timestamp) -> bool {
    let day = |at: Timestamp| at.to_zoned(settings.time_zone.clone()).date();
    let rare = ["-weekly", "-monthly"].iter().any(|end| job.ends_with(end));
    rare || last.is_none_or(|last| (day(now) - day(last)).get_days() >= DIGEST_DAYS)
}

#[cfg(test)]
mod tests;
