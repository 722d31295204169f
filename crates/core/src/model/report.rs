//! What a job found out, and what it could not.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Text;

/// How bad a finding is. Ordered: a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Put right within days.
    Medium,
    /// Put right today.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in machine output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A fact that breaks a check's title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's id.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The secret, key, principal or figure it is about.
    pub subject: String,
    /// The fact, with the value and the limit.
    pub detail: Text,
    /// What to do next.
    pub remediation: Text,
}

/// Why something could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Permission is missing.
    Denied,
    /// Throttled until patience ran out.
    Throttled,
    /// No answer in time.
    TimedOut,
    /// The service or the network failed.
    Unavailable,
    /// It was there a moment ago and is gone.
    Vanished,
    /// The source answered, with nothing in it.
    NoData,
    /// There was more than the budget allows to read.
    Truncated,
    /// The job had to stop before it got there.
    Deadline,
    /// Nobody has said where to look.
    NotConfigured,
    /// The answer was not of the form that AWS documents, or AWS refused the question.
    Malformed,
}

impl GapReason {
    /// For people.
    pub const fn text(self) -> Text {
        match self {
            Self::Denied => Text::fixed("権限不足", "permission denied"),
            Self::Throttled => Text::fixed("スロットリング", "throttled"),
            Self::TimedOut => Text::fixed("タイムアウト", "timed out"),
            Self::Unavailable => Text::fixed("サービスまたはネットワーク障害", "service or network failure"),
            Self::Vanished => Text::fixed("処理中に消えた", "vanished meanwhile"),
            Self::NoData => Text::fixed("データなし", "no data"),
            Self::Truncated => Text::fixed("一部のみ確認", "only a part was read"),
            Self::Deadline => Text::fixed("時間切れ", "out of time"),
            Self::NotConfigured => Text::fixed("未設定", "not configured"),
            Self::Malformed => Text::fixed("想定外の応答", "unexpected answer"),
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().en)
    }
}

/// Something that could not be looked at. Never counted as a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The AWS operation, setting or figure that failed, such as `secretsmanager:GetResourcePolicy`.
    pub what: String,
    /// The secret or other object it was about; empty: all of them.
    pub subject: String,
    /// The class of reason.
    pub reason: GapReason,
    /// The error as AWS worded it, or what is missing. Never a value.
    pub detail: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.subject.is_empty() { String::new() } else { format!(" {}", self.subject) };
        write!(f, "{}{subject}: {}: {}", self.what, self.reason, self.detail)
    }
}

/// How much of what should have been looked at was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Readings that were wanted.
    pub wanted: u64,
    /// Readings that were made.
    pub seen: u64,
}

impl Coverage {
    /// 0 to 100, or `None` where nothing was wanted: an empty estate is not 100 % covered.
    pub fn percent(self) -> Option<f64> {
        // Counts stay far below 2^52, so the conversion is exact.
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        (self.wanted > 0).then(|| 100.0 * self.seen as f64 / self.wanted as f64)
    }

    /// Whether everything wanted was seen.
    pub fn is_full(self) -> bool {
        self.seen >= self.wanted
    }
}

/// How one line of a report came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Looked at and in order.
    Pass,
    /// Looked at and not in order.
    Fail,
    /// Could not be told.
    Unknown,
    /// The question does not arise.
    NotApplicable,
}

/// One line of a report: a secret's verdict, or an item of a checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// A secret's name, or an item's id.
    pub subject: String,
    /// For people; absent where the subject says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// The step of the old runbook, such as `R01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<&'static str>,
    /// Pass, fail, unknown.
    pub outcome: Outcome,
    /// A short machine word, such as `overdue`.
    pub verdict: &'static str,
    /// The evidence, with figures, limits and where they come from.
    pub detail: Text,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All was looked at and all is well.
    Ok,
    /// All was looked at and something is not well.
    Findings,
    /// Not all could be looked at, whatever was found in the rest.
    Incomplete,
    /// Another delivery of the same event has done it.
    AlreadyDone,
}

impl Status {
    /// The name in machine output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Findings => "findings",
            Self::Incomplete => "incomplete",
            Self::AlreadyDone => "already-done",
        }
    }
}

/// What a job tells. Rendered by `report`, in whatever form is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `secrets-ops/<kind>/v1`.
    pub schema: &'static str,
    /// For people.
    pub title: Text,
    /// The moment that it speaks of.
    pub as_of: Timestamp,
    /// Where.
    pub region: String,
    /// Lines in the order in which they are to be read.
    pub items: Vec<Item>,
    /// What is not well, worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
    /// How much was looked at.
    pub coverage: Coverage,
}

impl Report {
    /// Incomplete wins over findings, because a list that is not whole must not be taken for one that is.
    pub fn status(&self) -> Status {
        if !self.gaps.is_empty() || !self.coverage.is_full() {
            Status::Incomplete
        } else if self.findings.is_empty() {
            Status::Ok
        } else {
            Status::Findings
        }
    }

    /// How many items came to each verdict, and how many findings and gaps there are.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for item in &self.items {
            *counts.entry(item.verdict.to_owned()).or_default() += 1;
        }
        counts.insert("items".into(), self.items.len() as u64);
        counts.insert("findings".into(), self.findings.len() as u64);
        counts.insert("gaps".into(), self.gaps.len() as u64);
        counts
    }

    /// Worst first, then by check and subject, so that two runs over the same estate print the same.
    pub fn sort_findings(&mut self) {
        self.findings.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then_with(|| a.check.cmp(b.check)).then_with(|| a.subject.cmp(&b.subject))
        });
    }
}

#[cfg(test)]
mod tests;
