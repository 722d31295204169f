//! A rotation has failed or was abandoned: tells at once of the one secret, with the error and what to do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::RotationSettings;
use super::gather::{functions, with_versions};
use super::judge::Judged;
use crate::aws::s3::{self, Expect};
use crate::aws::{Aws, secrets_manager};
use crate::checks::{self, Around};
use crate::model::{
    Coverage, Extras, Finding, Gap, GapReason, Record, Report, RotationEvent, RotationStep, RotationVerdict, Rotations,
    Secret, Status, Surroundings, Text, rotation_event,
};
use crate::runbook::job::{in_time, tell};
use crate::runbook::once::hex;
use crate::runbook::{Answer, JobError};
use crate::settings::Settings;

/// The job's name in events, markers, metrics and reports.
pub const JOB: &str = "rotation-failed";

/// Looks at the secret of a record of RotationFailed or RotationAbandoned, writes the report and sends the notice. Any other
/// record, that of a test (`TestRotationFailed`) among them, is no reason to do anything.
///
/// Where the secret has been rotated since, which a late delivery may find, there is nothing to tell.
///
/// # Errors
/// Without a record there is nothing to look at.
pub async fn run(
    aws: &Aws,
    settings: &Settings,
    rotation: &RotationSettings,
    record: Option<&Record>,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let record = record.ok_or_else(|| {
        JobError::BadEvent(format!("{JOB} needs the event that EventBridge sends; `rotation` looks at every secret"))
    })?;
    if !matches!(record.event_name.as_deref(), Some("RotationFailed" | "RotationAbandoned")) {
        tracing::info!(event = record.event_name, "no failed rotation; nothing to do");
        return Ok(Answer::new(JOB, Status::Ok));
    }
    let Some(event) = rotation_event(record) else {
        return Ok(tell(aws, settings, JOB, &of_nobody(aws, record, now), now).await);
    };
    let at = event.at;
    let (report, secret) = of_secret(aws, rotation, event, now, deadline).await;
    let object = format!("state/{JOB}/{}.json", hex(&Sha256::digest(secret.arn.as_bytes())[..16]));
    // Secrets Manager tries a rotation again and again, and each attempt is an event of its own.
    if told_since(aws, settings, &object, secret.last_rotated_date).await {
        tracing::info!(secret = secret.arn, "told already since its last rotation; the daily report goes on telling");
        return Ok(Answer::new(JOB, Status::Ok));
    }
    let answer = tell(aws, settings, JOB, &report, now).await;
    // What could not be sent is sent with the next attempt.
    if !report.findings.is_empty() && answer.gaps.len() <= report.gaps.len() {
        let body = serde_json::to_vec(&Told { at }).unwrap_or_default();
        if let Err(error) = s3::put(aws, &settings.bucket, &object, "application/json", body, Expect::Anything).await {
            tracing::warn!(%error, key = object, "that this failure was told could not be noted; the next attempt tells it again");
        }
    }
    Ok(answer)
}

/// The failure that people were told of.
#[derive(Serialize, Deserialize)]
struct Told {
    at: Timestamp,
}

/// Whether a failure after the last rotation has been told. In doubt it has not.
async fn told_since(aws: &Aws, settings: &Settings, object: &str, rotated: Option<Timestamp>) -> bool {
    match s3::get(aws, &settings.bucket, object).await {
        Ok(Some(found)) => serde_json::from_slice::<Told>(&found.bytes)
            .is_ok_and(|told| rotated.is_none_or(|rotated| told.at > rotated)),
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, key = object, "it is not known whether this failure was told before");
            false
        }
    }
}

/// The report, and the secret as far as it is known.
async fn of_secret(
    aws: &Aws,
    rotation: &RotationSettings,
    event: RotationEvent,
    now: Timestamp,
    deadline: Instant,
) -> (Report, Secret) {
    let id = &event.secret_id;
    let described = secrets_manager::describe(aws, id);
    let secret = match in_time(described, "secretsmanager:DescribeSecret", id, deadline).await {
        Ok(secret) => secret,
        Err(gap) => {
            let unknown = Secret { arn: event.secret_id.clone(), ..Secret::default() };
            return (report(aws, now, vec![finding(&event, None)], vec![gap]), unknown);
        }
    };
    let (secret, gaps) = with_versions(aws, secret, deadline).await;
    let arns: BTreeSet<String> = secret.rotation_lambda_arn.clone().into_iter().collect();
    let (at, told) = (event.at, finding(&event, Some(&secret)));
    // The record may call the secret by another of its ids.
    let event = RotationEvent { secret_id: secret.arn.clone(), ..event };
    let surroundings = Surroundings {
        functions: functions(aws, arns, deadline).await,
        rotations: Ok(Rotations::new(at, now, [event])),
        ..Surroundings::unread()
    };
    let around = Around::new(&surroundings, &rotation.limits, ("", aws.region()), now);
    let mut judged = Judged::default();
    judged.judge(&secret, gaps, &around);
    let mended = secret.last_rotated_date.is_some_and(|rotated| rotated >= at);
    // No check judges a secret that an AWS service manages, and its owner wants to know all the same.
    if !mended && !judged.findings.iter().any(|known| known.check == told.check) {
        judged.findings.push(told);
    }
    (Report { schema: SCHEMA, title: TITLE, ..judged.into_report(aws.region(), Vec::new(), now) }, secret)
}

/// The record does not say whose rotation it was: that one failed is to be told all the same.
fn of_nobody(aws: &Aws, record: &Record, now: Timestamp) -> Report {
    let gap = Gap {
        what: "cloudtrail:LookupEvents".into(),
        subject: record.event_id.clone().unwrap_or_default(),
        reason: GapReason::Malformed,
        detail: "the event names no secret, or no time: a rotation failed, and this record does not say which".into(),
    };
    report(aws, now, Vec::new(), vec![gap])
}

/// What the event alone says.
fn finding(event: &RotationEvent, secret: Option<&Secret>) -> Finding {
    let verdict = match event.step {
        RotationStep::Abandoned => RotationVerdict::Abandoned { since: event.at },
        _ => RotationVerdict::Failing { since: event.at, error: event.error.clone() },
    };
    let unknown = Secret { name: event.secret_id.clone(), ..Secret::default() };
    checks::finding(&checks::ROTATION_SUCCEEDING, secret.unwrap_or(&unknown), verdict.text())
}

const SCHEMA: &str = "secrets-ops/rotation-failed/v1";
const TITLE: Text = Text::fixed("ローテーション失敗", "A rotation failed");

fn report(aws: &Aws, now: Timestamp, findings: Vec<Finding>, gaps: Vec<Gap>) -> Report {
    Report {
        schema: SCHEMA,
        title: TITLE,
        as_of: now,
        region: aws.region().to_owned(),
        items: Vec::new(),
        findings,
        gaps,
        coverage: Coverage { wanted: 1, seen: 0 },
        extras: Extras::default(),
    }
}
