//! When each scheduled job last succeeded. A CloudWatch alarm looks back at most seven days; the daily list looks here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::s3::{self, Bucket, Expect};
use crate::aws::{Aws, AwsError};

/// IAM actions of [`hours_since`]; without ListBucket, S3 answers for an absent note as if reading were denied.
pub const IAM_ACTIONS: &[&str] = &["s3:GetObject", "s3:ListBucket"];

#[derive(Serialize, Deserialize)]
struct LastSuccess {
    at: Timestamp,
}

/// Hours within which a job must succeed again: its interval and some grace. The alarms of
/// `template.yaml` have the same limits.
pub fn longest_interval(job: &str) -> Option<i64> {
    match job {
        "health" => Some(1),
        "backup-daily" | "rotation" | "audit-daily" => Some(26),
        "audit-weekly" => Some(8 * 24),
        "backup-monthly" | "audit-monthly" => Some(32 * 24),
        "restore-drill" => Some(31 * 24),
        _ => None,
    }
}

fn key(job: &str) -> String {
    format!("runs/last-success/{job}.json")
}

/// Notes that `job` has succeeded.
pub async fn note(aws: &Aws, bucket: &Bucket, job: &str, now: Timestamp) -> Result<(), AwsError> {
    let body = serde_json::to_vec(&LastSuccess { at: now }).unwrap_or_default();
    s3::put(aws, bucket, &key(job), "application/json", body, Expect::Anything).await.map(|_| ())
}

/// Hours since `job` last succeeded; `None` if it never has, or if its note cannot be understood.
pub async fn hours_since(aws: &Aws, bucket: &Bucket, job: &str, now: Timestamp) -> Result<Option<i64>, AwsError> {
    let Some(object) = s3::get(aws, bucket, &key(job)).await? else { return Ok(None) };
    let last: Option<LastSuccess> = serde_json::from_slice(&object.bytes).ok();
    Ok(last.map(|last| now.duration_since(last.at).as_hours()))
}
