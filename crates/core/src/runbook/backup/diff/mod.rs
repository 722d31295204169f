//! Compares a backup with another, or with the live estate. Memory holds about 40 bytes a secret; the rest of the first
//! backup waits in an unlinked file.

mod base;
mod tally;

use std::io;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

pub use base::Base;

use super::Summary;
use super::fault::Fault;
use super::gather::{Read, Wishes, everything};
use super::read::{Opened, Readout, read};
use crate::aws::Aws;
use crate::model::{GapReason, Pattern, Report, differences, differences_by_mac, incomparable};
use crate::runbook::JobError;
use crate::runbook::job::deadline_gap;
use base::{Kept, Pending};
use tally::Tally;

/// IAM actions of [`live`].
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
];

/// What is compared.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Versions of values as well, and not only what describes a secret.
    pub values: bool,
    /// Only secrets of these names.
    pub filter: Option<Pattern>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { values: true, filter: None }
    }
}

impl Scope {
    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// Compares `base` with what is live, which is read as a backup reads it.
///
/// # Errors
/// A list that fails: half of an estate would look like one with secrets removed.
pub async fn live(
    aws: &Aws,
    mut base: Base,
    scope: Scope,
    now: Timestamp,
    deadline: Instant,
) -> Result<Report, JobError> {
    let mut tally = Tally::new(scope);
    tally.backup(&base.name, &base.summary, base.sealed);
    let mut secrets = std::pin::pin!(everything(aws, None, Wishes::default()));
    loop {
        match timeout_at(deadline, secrets.next()).await {
            Ok(Some(read)) => one_live(&mut base, read?, &mut tally)?,
            Ok(None) => break,
            Err(_) => {
                let detail = format!("stopped after {} secrets; the rest was not compared", tally.seen());
                tally.gap(deadline_gap("secretsmanager:ListSecrets", detail));
                not_reached(&mut base, &mut tally)?;
                return Ok(tally.report(&base.name, &base.summary, "live", None, aws.region(), now));
            }
        }
    }
    removed(&mut base, &mut tally)?;
    Ok(tally.report(&base.name, &base.summary, "live", None, aws.region(), now))
}

fn one_live(base: &mut Base, read: Read, tally: &mut Tally) -> io::Result<()> {
    let Read { secret, described, gaps, .. } = read;
    if !tally.scope.wants(&secret.name) {
        return Ok(());
    }
    let gone = !described && gaps.iter().any(|gap| gap.reason == GapReason::Vanished);
    // The list of versions is read for backups; nothing here depends on it.
    for gap in gaps.into_iter().filter(|gap| gap.what != "secretsmanager:ListSecretVersionIds") {
        tally.gap(gap);
    }
    let before = match base.take(&secret.name)? {
        Taken::Again => return Ok(()),
        Taken::New => None,
        Taken::Known(kept) => Some(kept),
    };
    match before {
        // It was there a moment ago: neither equal nor removed.
        _ if gone => tally.not_reached(1),
        None => tally.added(&secret),
        Some(kept) => {
            let found = differences(&kept.secret, &secret);
            tally.compared(&kept.secret, &secret, found, Side::Before);
        }
    }
    Ok(())
}

/// Compares `base` with another backup.
///
/// # Errors
/// All faults of the other backup: then nothing is compared.
pub fn archives(mut base: Base, other: Opened, scope: Scope, now: Timestamp) -> Result<Report, Vec<Fault>> {
    let name = other.name.clone();
    let mut tally = Tally::new(scope);
    let mut failed = None;
    let mut pending = Pending::default();
    let mut each = |kept: Kept| {
        if failed.is_none()
            && let Err(error) = one_archived(&mut base, kept, &mut tally)
        {
            failed = Some(error);
        }
    };
    let readout = read(other, &mut |piece| pending.take(piece).into_iter().for_each(&mut each));
    pending.rest().into_iter().for_each(&mut each);
    let Readout { summary, faults, sealed, .. } = readout;
    let summary = proven(summary, faults)?;
    if let Some(error) = failed {
        return Err(vec![Fault::Unreadable(error)]);
    }
    removed(&mut base, &mut tally).map_err(|error| vec![Fault::Unreadable(error)])?;
    tally.backup(&base.name, &base.summary, base.sealed);
    tally.backup(&name, &summary, sealed);
    Ok(tally.report(&base.name, &base.summary, &name, Some(&summary), &summary.region, now))
}

/// The summary of a backup without faults.
fn proven(summary: Option<Summary>, faults: Vec<Fault>) -> Result<Summary, Vec<Fault>> {
    match summary {
        Some(summary) if faults.is_empty() => Ok(summary),
        Some(_) => Err(faults),
        None if faults.is_empty() => Err(vec![Fault::NoManifest]),
        None => Err(faults),
    }
}

fn one_archived(base: &mut Base, after: Kept, tally: &mut Tally) -> io::Result<()> {
    if !tally.scope.wants(&after.secret.name) {
        return Ok(());
    }
    match base.take(&after.secret.name)? {
        // The reader refuses a backup that has a secret twice.
        Taken::Again => {}
        Taken::New => tally.added(&after.secret),
        Taken::Known(before) => {
            let found = differences_by_mac((&before.secret, &before.macs), (&after.secret, &after.macs));
            tally.compared(&before.secret, &after.secret, found, Side::Both);
        }
    }
    Ok(())
}

/// What is left of the first backup has no counterpart.
fn removed(base: &mut Base, tally: &mut Tally) -> io::Result<()> {
    for place in base.left() {
        let name = base.name_at(place)?;
        if tally.scope.wants(&name) {
            tally.removed(&name);
        }
    }
    Ok(())
}

/// What is left of the first backup when time is up may well be live.
fn not_reached(base: &mut Base, tally: &mut Tally) -> io::Result<()> {
    for place in base.left() {
        if tally.scope.filter.is_none() || tally.scope.wants(&base.name_at(place)?) {
            tally.not_reached(1);
        }
    }
    Ok(())
}

/// Whose unread properties are still to be told; those of the live estate come with their reasons.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Both,
}

/// What the first backup has of a name.
enum Taken {
    Known(Box<Kept>),
    New,
    /// It has been asked for before: a list may show a secret twice.
    Again,
}

#[cfg(test)]
mod tests;
