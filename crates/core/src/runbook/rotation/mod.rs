//! R05, R18, R49: a verdict on the rotation of every secret, and the share of rotations that succeed.

mod failed;
mod gather;
mod judge;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use failed::{JOB as FAILED, run as run_failed};
pub use gather::{events, functions, functions_of};

use super::{Answer, JobError, calls};
use crate::aws::Aws;
use crate::checks::{Around, Limits};
use crate::model::{Gap, GapReason, Reading, Report, SuccessRate, Surroundings, success_rate};
use crate::settings::{self, Reader, SettingError, Settings};

/// IAM actions of [`run`] and [`run_failed`].
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:ListSecretVersionIds",
    "cloudtrail:LookupEvents",
    "lambda:GetFunctionConfiguration",
    "lambda:GetPolicy",
];

/// The job's name in events, markers, metrics and reports.
pub const JOB: &str = "rotation";

/// Pages of a hundred secrets that may wait until the events have been read: twenty seconds of them.
const PAGES_WAITING: usize = 10;

/// What rotation is judged by.
#[derive(Clone, Debug)]
pub struct RotationSettings {
    /// Limits of the checks.
    pub limits: Limits,
    /// How far back events are read.
    pub window_days: i64,
    /// LookupEvents pages, for all four kinds of events together.
    pub lookup_pages: usize,
}

impl RotationSettings {
    /// Reads the limits, and the bounds of reading.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        Ok(Self {
            limits: Limits::read(get)?,
            window_days: reader.parsed(settings::ROTATION_WINDOW, |days| (1..=90).contains(days))?,
            lookup_pages: reader.parsed(settings::LOOKUP_PAGES, |pages| (1..=1500).contains(pages))?,
        })
    }
}

/// Judges, writes the report and sends the notice.
pub async fn run(
    aws: &Aws,
    settings: &Settings,
    rotation: &RotationSettings,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let before = aws.calls();
    let (mut report, rate) = look(aws, rotation, now, deadline).await?;
    calls::note(&mut report, &before, aws);
    let mut answer = super::job::tell(aws, settings, JOB, &report, now).await;
    // Without a rate there are no figures either: a metric of nothing would read like one of zero.
    if let Some(rate) = rate.ok().filter(|rate| rate.percent().is_some()) {
        answer.counts.insert(SUCCEEDED.to_owned(), rate.succeeded);
        answer.counts.insert(FAILED_ATTEMPTS.to_owned(), rate.failed);
    }
    Ok(answer)
}

/// Figures of [`Answer::counts`] from which the metric of the success rate is made.
pub const SUCCEEDED: &str = "rotations-succeeded";
/// See [`SUCCEEDED`].
pub const FAILED_ATTEMPTS: &str = "rotations-failed";

/// Judges every secret that ListSecrets shows.
///
/// # Errors
/// A list that fails fails the job: half a list would read like a whole one.
pub async fn check(
    aws: &Aws,
    rotation: &RotationSettings,
    now: Timestamp,
    deadline: Instant,
) -> Result<Report, JobError> {
    Ok(look(aws, rotation, now, deadline).await?.0)
}

async fn look(
    aws: &Aws,
    rotation: &RotationSettings,
    now: Timestamp,
    deadline: Instant,
) -> Result<(Report, Reading<SuccessRate>), JobError> {
    let (to, mut pages) = mpsc::channel(PAGES_WAITING);
    // Both at once, since they have quotas of their own; secrets are dropped as soon as they are judged.
    let gathering = gather::pages(aws, deadline, to);
    let judging = async {
        let from = now - SignedDuration::from_hours(24 * rotation.window_days);
        let rotations = events(aws, from, now, rotation.lookup_pages, deadline).await;
        let mut surroundings = Surroundings { rotations, ..Surroundings::unread() };
        let mut judged = judge::Judged::default();
        judged.note_events(&surroundings.rotations);
        while let Some(page) = pages.recv().await {
            surroundings.functions.extend(page.functions);
            let around = Around::new(&surroundings, &rotation.limits, ("", aws.region()), now);
            for (secret, gaps) in page.secrets {
                judged.judge(&secret, gaps, &around);
            }
            if let Some(gap) = page.cut_off {
                judged.cut_off(gap);
            }
        }
        Ok((judged, surroundings.rotations.map(|rotations| success_rate(&rotations))))
    };
    let ((), (judged, rate)) = tokio::try_join!(gathering, judging)?;
    Ok((judged.into_report(aws.region(), vec![judge::table(&rate)], now), rate))
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

#[cfg(test)]
mod tests;
