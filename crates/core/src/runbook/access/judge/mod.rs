//! What is unusual in the reads of secrets. Pure: reads in, findings out. The last part of the window is held against the
//! part before it, which is the baseline.

mod burst;
mod deletion;
mod denied;
mod network;
mod new_principal;
mod off_hours;
mod root;
mod view;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(super) use view::{Target, View, clean, few};

use super::settings::AccessSettings;
use crate::model::{Accesses, Finding, Gap, GapReason, Secret, Severity, Text};

/// A secret that there is, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its full ARN.
    pub arn: &'a str,
    /// When it was made; absent: one that is as old as can be.
    pub created: Option<Timestamp>,
    /// Whether it is scheduled for deletion.
    pub deleted: bool,
}

impl<'a> From<&'a Secret> for Known<'a> {
    fn from(secret: &'a Secret) -> Self {
        let deleted = secret.deleted_date.is_some();
        Self { name: &secret.name, arn: &secret.arn, created: secret.created_date, deleted }
    }
}

/// One question about reads.
#[derive(Debug)]
pub struct Kind {
    /// The check's id; also the name of its file.
    pub id: &'static str,
    /// How bad it is, where a finding does not say otherwise.
    pub severity: Severity,
    /// The state that passes.
    pub title: Text,
    /// What to do where it is not so.
    pub remediation: Text,
    /// The step of the old runbook.
    pub runbook: &'static str,
}

/// Something unusual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// How bad it is.
    pub severity: Severity,
    /// The secret or the principal.
    pub subject: String,
    /// The secret's ARN, where it is about one that is known.
    pub arn: Option<String>,
    /// The fact. May hold what a stranger chose: every form escapes it.
    pub detail: Text,
}

/// What a question came to: what was found; nothing, where there is no baseline because none was asked for; or why it
/// cannot be told.
pub type Answer = Result<Option<Vec<Unusual>>, Gap>;

/// A question and what it came to.
#[derive(Debug)]
pub struct Judged {
    /// The question.
    pub kind: &'static Kind,
    /// What it came to.
    pub answer: Answer,
}

impl Judged {
    /// What was found, as a report shows it.
    pub fn findings(&self) -> Vec<Finding> {
        let found = self.answer.iter().flatten().flatten();
        found.map(|unusual| unusual.finding(self.kind)).collect()
    }
}

impl Unusual {
    /// As a report shows it.
    pub(super) fn finding(&self, kind: &Kind) -> Finding {
        Finding {
            check: kind.id,
            severity: self.severity,
            subject: self.subject.clone(),
            arn: self.arn.clone(),
            detail: self.detail.clone(),
            remediation: kind.remediation.clone(),
        }
    }
}

type Rule = fn(&View<'_>) -> Answer;

static RULES: [(&Kind, Rule); 7] = [
    (&root::KIND, root::judge),
    (&denied::KIND, denied::judge),
    (&new_principal::KIND, new_principal::judge),
    (&network::KIND, network::judge),
    (&burst::KIND, burst::judge),
    (&off_hours::KIND, off_hours::judge),
    (&deletion::KIND, deletion::judge),
];

/// Every question, in the order in which they are answered.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    RULES.iter().map(|(kind, _)| *kind)
}

/// Judges the reads from `recent_from` on. Where that is the window's start, there is no baseline, and what needs one is
/// left out. Without `secrets`, a secret is known only by what each record calls it.
///
/// Nothing that was found says nothing where reads are missing: such an answer is a gap.
pub fn judge(
    accesses: &Accesses,
    secrets: &[Known<'_>],
    settings: &AccessSettings,
    recent_from: Timestamp,
    zone: &TimeZone,
) -> Vec<Judged> {
    let view = View::new(accesses, secrets, settings, recent_from, zone);
    let missing = missing(accesses, &view, recent_from);
    let judged = RULES.iter().map(|(kind, rule)| {
        let answer = match (rule(&view), &missing) {
            (Ok(Some(found)), Some(gap)) if found.is_empty() => Err(gap.clone()),
            (answer, _) => answer,
        };
        Judged { kind, answer }
    });
    judged.collect()
}

/// What is missing from the part that is judged.
fn missing(accesses: &Accesses, view: &View<'_>, recent_from: Timestamp) -> Option<Gap> {
    if accesses.whole_from() > recent_from {
        return Some(accesses.gaps.first().cloned().unwrap_or_else(|| {
            let detail = format!("reads before {} were not all seen", accesses.whole_from());
            gap(accesses, GapReason::Truncated, detail)
        }));
    }
    if accesses.unreadable > 0 {
        return Some(unreadable(accesses));
    }
    view.recent.is_empty().then(|| no_reads(accesses, recent_from))
}

pub(super) fn unreadable(accesses: &Accesses) -> Gap {
    gap(accesses, GapReason::Malformed, format!("{} records could not be parsed", accesses.unreadable))
}

fn no_reads(accesses: &Accesses, since: Timestamp) -> Gap {
    let detail =
        format!("no read of a secret since {since}, not even the canary's: is it the right Region and account?");
    gap(accesses, GapReason::NoData, detail)
}

pub(super) fn gap(accesses: &Accesses, reason: GapReason, detail: String) -> Gap {
    Gap { what: accesses.read_from.clone(), subject: "GetSecretValue".to_owned(), reason, detail }
}

#[cfg(test)]
mod tests;
