//! Does a scheduled job once, although EventBridge Scheduler may deliver its event twice, even at the same time.
//!
//! A marker in S3, named after schedule and scheduled time, is made with `If-None-Match: *` and replaced with
//! `If-Match`, so that exactly one invocation owns it at any moment. A run that died leaves a marker that names the
//! moment from which another may take over.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Answer, JobError, ledger};
use crate::aws::s3::{self, Bucket, Expect};
use crate::aws::{Aws, AwsError, Class};
use crate::model::Status;

/// IAM actions of every scheduled job, on `runs/*` of the bucket.
pub const IAM_ACTIONS: &[&str] = &["s3:PutObject", "s3:GetObject"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Marker {
    Running { until: Timestamp },
    Done { answer: Box<Answer> },
    Failed { error: String },
}

enum Claim {
    Ours { etag: String },
    Done(Box<Answer>),
    /// Another invocation is at it.
    Busy,
}

/// Runs `work` unless the event with `key` has been, or is being, worked on. Without a key it always runs.
///
/// `until` is the latest moment at which this invocation can still be alive.
pub async fn once<F>(
    aws: &Aws,
    bucket: &Bucket,
    job: &str,
    key: Option<&str>,
    now: Timestamp,
    until: Timestamp,
    work: F,
) -> Result<Answer, JobError>
where
    F: Future<Output = Result<Answer, JobError>>,
{
    let Some(key) = key else { return work.await };
    let object = format!("runs/{job}/{}.json", hex(&Sha256::digest(key.as_bytes())[..16]));
    match claim(aws, bucket, &object, now, until).await? {
        Claim::Done(answer) => Ok(Answer { status: Status::AlreadyDone, ..*answer }),
        Claim::Busy => Ok(Answer { success: false, ..Answer::new(job, Status::AlreadyDone) }),
        Claim::Ours { etag } => {
            let result = work.await;
            let marker = match &result {
                Ok(answer) => Marker::Done { answer: Box::new(answer.clone()) },
                Err(error) => Marker::Failed { error: error.to_string() },
            };
            // The work stands whether or not it can be noted; at worst a second delivery repeats it.
            if let Err(error) = put(aws, bucket, &object, &marker, Expect::Etag(&etag)).await {
                tracing::warn!(%error, key = object, "the run's marker could not be updated");
            }
            if result.as_ref().is_ok_and(|answer| answer.success)
                && let Err(error) = ledger::note(aws, bucket, job, now).await
            {
                tracing::warn!(%error, job, "the job's success could not be noted");
            }
            result
        }
    }
}

async fn claim(
    aws: &Aws,
    bucket: &Bucket,
    object: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Claim, AwsError> {
    let running = Marker::Running { until };
    match put(aws, bucket, object, &running, Expect::Absent).await {
        Ok(etag) => return Ok(Claim::Ours { etag }),
        Err(error) if error.class == Class::Conflict => {}
        Err(error) => return Err(error),
    }
    let Some(found) = s3::get(aws, bucket, object).await? else { return Ok(Claim::Busy) };
    match serde_json::from_slice(&found.bytes) {
        Ok(Marker::Done { answer }) => return Ok(Claim::Done(answer)),
        Ok(Marker::Running { until }) if until > now => return Ok(Claim::Busy),
        // Failed, dead, or not ours to understand: take over.
        _ => {}
    }
    match put(aws, bucket, object, &running, Expect::Etag(&found.etag)).await {
        Ok(etag) => Ok(Claim::Ours { etag }),
        Err(error) if error.class == Class::Conflict => Ok(Claim::Busy),
        Err(error) => Err(error),
    }
}

async fn put(
    aws: &Aws,
    bucket: &Bucket,
    object: &str,
    marker: &Marker,
    expect: Expect<'_>,
) -> Result<String, AwsError> {
    // Strings, numbers and dates only: serialising cannot fail, and an empty marker reads as one to take over.
    let body = serde_json::to_vec(marker).unwrap_or_default();
    s3::put(aws, bucket, object, "application/json", body, expect).await
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
