//! The same judgement of a moment that is over: from a backup, CloudTrail's files, and what an audit of that time wrote down.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::estate;
use super::evidence::Evidence;
use super::lists::{Run, judge};
use crate::model::{Gap, GapReason, Record, Report};
use crate::runbook::backup::Opened;
use crate::runbook::{JobError, access, keys};

/// What an audit of the past is made of.
#[expect(missing_debug_implementations, reason = "streams have none")]
pub struct Past {
    /// The secrets.
    pub archive: Opened,
    /// What an audit of that time saw around them.
    pub evidence: Option<Evidence>,
    /// CloudTrail's files or folders; none: what the evidence holds of reads and rotations stands.
    pub trail: Vec<PathBuf>,
    /// The moment to judge for; absent: the evidence's, or else the backup's.
    pub as_of: Option<Timestamp>,
}

/// Judges a backup, with what was kept beside it. Calls nothing; `run.now` is not looked at.
///
/// # Errors
/// A backup that is not what its manifest says, and files that are not there.
pub fn look_back(run: Run<'_>, past: Past) -> Result<Report, JobError> {
    let estate = estate::archived(past.archive)?;
    let of_archive = estate.archived.as_ref();
    let kept_at = past.evidence.as_ref().map(|evidence| evidence.as_of);
    let now = past.as_of.or(kept_at).or_else(|| of_archive.map(|made| made.started)).unwrap_or(run.now);
    let run = Run { now, ..run };
    let none = || match of_archive {
        Some(made) => Evidence::none(&made.account, &made.region, now),
        None => Evidence::none("", &run.settings.region, now),
    };
    let mut evidence = past.evidence.unwrap_or_else(none);
    match past.trail.as_slice() {
        [] => forget_what_came_later(now, &mut evidence),
        files => of_files(run, &mut evidence, files)?,
    }
    judge(run, estate, &mut evidence)
}

/// History that ends before the stated moment says nothing of the time between.
fn forget_what_came_later(now: Timestamp, evidence: &mut Evidence) {
    let ends = evidence.as_of;
    if ends >= now {
        return;
    }
    let gap = Gap {
        what: "cloudtrail:LookupEvents".into(),
        subject: String::new(),
        reason: GapReason::NoData,
        detail: format!("the evidence ends at {ends}; give CloudTrail's files up to {now} with --trail"),
    };
    let around = &mut evidence.surroundings;
    if around.rotations.is_ok() {
        around.rotations = Err(gap.clone());
    }
    if around.accesses.is_ok() {
        around.accesses = Err(gap);
    }
}

/// Puts what CloudTrail's files tell in the place of what LookupEvents told, over windows of the same length.
fn of_files(run: Run<'_>, evidence: &mut Evidence, files: &[PathBuf]) -> Result<(), JobError> {
    let from = |days: i64| run.now - SignedDuration::from_hours(24 * days);
    let account = Some(evidence.account.as_str()).filter(|account| !account.is_empty());
    let ours = |record: &Record| access::is_ours(record, account, &evidence.region);
    let told = |error: access::FileError| JobError::NotThere(error.to_string());
    let (_, rotations) = access::from_files(files, from(run.own.rotation.window_days), run.now, &ours).map_err(told)?;
    let (accesses, _) = access::from_files(files, from(run.own.access.days), run.now, &ours).map_err(told)?;
    let mut decrypts = Vec::new();
    let mut each = |record: Record| {
        if record.event_name.as_deref() == Some("Decrypt") && ours(&record) {
            decrypts.push(record);
        }
    };
    access::each_record(files, &mut each).map_err(told)?;
    let failed = keys::failures_of(&decrypts, from(run.own.access.days), run.now, &accesses.read_from);
    evidence.decryptions = match failed.decryptions {
        // A trail that leaves KMS out looks the same.
        0 => evidence.decryptions.clone(),
        _ => Ok(failed),
    };
    evidence.surroundings.rotations = Ok(rotations);
    evidence.surroundings.accesses = Ok(accesses);
    Ok(())
}
