//! What has changed since the report before: opened, still open, resolved, and what nobody can tell because it was not
//! looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{GAP, Gap, GapReason, Outcome, Report, Resolved, Severity};

/// For how long what is resolved stays in the state and in reports, so that an export that is made days later still tells
/// other systems.
const KEEP_RESOLVED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The call without whose whole answer nothing that is absent can be called gone.
const LIST: &str = "secretsmanager:ListSecrets";

/// What a job remembers of its reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When a notice last listed everything that was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Timestamp>,
    /// Findings and gaps, by their keys.
    pub entries: BTreeMap<String, Entry>,
}

/// A finding or gap that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The check's id, or [`GAP`].
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// The ARN of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Absent for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When it was opened.
    pub first: Timestamp,
    /// When it was last seen open; of a resolved one, when it was first seen to be gone.
    pub last: Timestamp,
    /// Where it stands.
    pub stands: Stands,
    /// No notice has told yet that it was opened, or resolved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
}

/// Where something that is remembered stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// It is so, as far as anybody knows.
    Open,
    /// It is so, and somebody has accepted it for a time.
    Suppressed,
    /// It is so no more.
    Resolved,
}

/// A report compared with those before it. All by keys: [`super::Finding::key`], [`super::Gap::key`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New, worse than before, or back again; and what no notice has told yet.
    pub opened: BTreeSet<String>,
    /// Told before, and still so.
    pub still_open: BTreeSet<String>,
    /// Looked at and gone; and what no notice has told yet.
    pub resolved: Vec<Resolved>,
    /// Open when it was last looked at, and not looked at now.
    pub unknown: BTreeSet<String>,
    /// What is to be remembered. What is untold stays so until [`State::told`].
    pub next: State,
}

impl State {
    /// The same, once a notice has told of everything.
    pub fn told(mut self) -> Self {
        self.entries.values_mut().for_each(|entry| entry.untold = false);
        self
    }

    /// What is gone, for the report.
    pub fn resolved(&self) -> Vec<Resolved> {
        self.entries.values().filter(|entry| entry.stands == Stands::Resolved).map(Entry::resolved).collect()
    }

    /// When what is not resolved was opened.
    pub fn first_seen(&self) -> BTreeMap<String, Timestamp> {
        let open = self.entries.iter().filter(|(_, entry)| entry.stands != Stands::Resolved);
        open.map(|(key, entry)| (key.clone(), entry.first)).collect()
    }
}

impl Entry {
    fn resolved(&self) -> Resolved {
        Resolved {
            check: self.check.clone(),
            subject: self.subject.clone(),
            arn: self.arn.clone(),
            severity: self.severity,
            first_seen: self.first,
            at: self.last,
        }
    }
}

/// Compares a report with what is remembered of those before it.
pub fn changes(previous: &State, report: &Report) -> Changes {
    let now = report.as_of;
    let mut changes = Changes { next: State { digest: previous.digest, ..State::default() }, ..Changes::default() };
    for (key, seen) in seen(report) {
        let before = previous.entries.get(&key);
        let entry = carried(before, seen, now);
        if entry.stands == Stands::Open {
            let list = if entry.untold { &mut changes.opened } else { &mut changes.still_open };
            list.insert(key.clone());
        }
        changes.next.entries.insert(key, entry);
    }
    for (key, entry) in &previous.entries {
        if !changes.next.entries.contains_key(key)
            && let Some(entry) = absent(report, entry, now)
        {
            match entry.stands {
                Stands::Resolved if entry.untold => changes.resolved.push(entry.resolved()),
                Stands::Open => drop(changes.unknown.insert(key.clone())),
                _ => {}
            }
            changes.next.entries.insert(key.clone(), entry);
        }
    }
    changes
}

/// What the report holds, as if all of it were new. Several of one key are one, as bad as the worst of them.
fn seen(report: &Report) -> BTreeMap<String, Entry> {
    let mut all = BTreeMap::new();
    let entry = |check: &str, subject: String, arn, severity, stands| Entry {
        check: check.to_owned(),
        subject,
        arn,
        severity,
        first: report.as_of,
        last: report.as_of,
        stands,
        untold: stands == Stands::Open,
    };
    for suppressed in &report.extras.suppressed {
        let found = &suppressed.finding;
        let severity = Some(found.severity);
        let one = entry(found.check, found.subject.clone(), found.arn.clone(), severity, Stands::Suppressed);
        all.insert(found.key(), one);
    }
    for gap in &report.gaps {
        all.insert(gap.key(), entry(GAP, gap.topic(), None, None, Stands::Open));
    }
    for found in &report.findings {
        let worst = all.get(&found.key()).filter(|other: &&Entry| other.stands == Stands::Open);
        let severity = worst.and_then(|other| other.severity).max(Some(found.severity));
        let one = entry(found.check, found.subject.clone(), found.arn.clone(), severity, Stands::Open);
        all.insert(found.key(), one);
    }
    all
}

/// What is seen now, with what is remembered of it.
fn carried(before: Option<&Entry>, seen: Entry, now: Timestamp) -> Entry {
    match before {
        Some(before) if before.stands != Stands::Resolved => {
            let opened = before.stands == Stands::Suppressed || before.untold || seen.severity > before.severity;
            Entry { first: before.first, last: now, untold: seen.stands == Stands::Open && opened, ..seen }
        }
        _ => seen,
    }
}

/// What was remembered and is not in the report; `None`: it is time to forget it.
fn absent(report: &Report, entry: &Entry, now: Timestamp) -> Option<Entry> {
    if entry.stands == Stands::Resolved {
        let kept = entry.untold || now.duration_since(entry.last) < KEEP_RESOLVED;
        return kept.then(|| entry.clone());
    }
    if !looked_at(report, entry) {
        return Some(entry.clone());
    }
    // Nobody was told that a suppressed one is there, so nobody need be told that it is gone.
    Some(Entry { stands: Stands::Resolved, last: now, untold: entry.stands == Stands::Open, ..entry.clone() })
}

/// Whether this run really looked at what `entry` is about, so that its absence means that it is gone.
fn looked_at(report: &Report, entry: &Entry) -> bool {
    let Entry { check, subject, .. } = entry;
    if check == GAP {
        return list_is_whole(report)
            // Where a service could not be asked at all, what was missing of it before is still missing.
            && !report.gaps.iter().any(|gap| is_about_all(gap) && subject.starts_with(service(&gap.what)));
    }
    let about = |gap: &Gap| gap.subject == *subject || gap.subject == *check || gap.what == *check;
    // The verdict of this very check on this very secret says it best.
    if let Some(verdicts) = &report.extras.verdicts
        && let Some(column) = verdicts.checks.iter().position(|id| id == check)
    {
        return match verdicts.secrets.get(subject) {
            Some(letters) => matches!(letters.as_bytes().get(column), Some(b'p' | b'-')),
            None => list_is_whole(report),
        };
    }
    let item = |subject: &str| report.items.iter().find(|item| item.subject == subject);
    if let Some(item) = item(check) {
        // A line that is well was looked at whole; of one that is not, something may have been left out.
        return match item.outcome {
            Outcome::Unknown => false,
            Outcome::Pass => !report.gaps.iter().any(about),
            Outcome::Fail | Outcome::NotApplicable => {
                !report.gaps.iter().any(|gap| is_about_all(gap) || about(gap) || is_of_a_part(gap))
            }
        };
    }
    if let Some(item) = item(subject) {
        return item.outcome != Outcome::Unknown && !report.gaps.iter().any(about);
    }
    // A list of secrets that does not have it: it is gone. Anything else is so only where all was seen.
    let lists_secrets = report.items.iter().any(|item| item.title.is_none());
    match lists_secrets {
        true => list_is_whole(report) && !report.gaps.iter().any(|gap| is_about_all(gap) || about(gap)),
        false => report.coverage.is_full() && report.gaps.is_empty(),
    }
}

/// Whether every secret was at least listed.
fn list_is_whole(report: &Report) -> bool {
    !report.gaps.iter().any(|gap| gap.what == LIST || (is_about_all(gap) && gap.reason == GapReason::Deadline))
}

/// Whether something was read only in part: what is not in that part may be in the rest.
fn is_of_a_part(gap: &Gap) -> bool {
    matches!(gap.reason, GapReason::Truncated | GapReason::Deadline)
}

/// `iam:` of `iam:SimulatePrincipalPolicy`.
fn service(operation: &str) -> &str {
    operation.split_inclusive(':').next().unwrap_or(operation)
}

fn is_about_all(gap: &Gap) -> bool {
    gap.subject.is_empty()
}

#[cfg(test)]
mod tests;
