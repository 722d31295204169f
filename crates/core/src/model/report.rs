//! What a job found out, and what it could not.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Text;

/// How bad a finding is. Ordered: a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The ARN of what it is about, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
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
    /// It depends on what only AWS knows when it decides, such as a policy's condition.
    Undecidable,
}

impl GapReason {
    /// For people.
    pub const fn text(self) -> Text {
        match self {
            Self::Denied => Text::fixed("権限不足", "permission denied"),
            Self::Throttled => Text::fixed("スロットリング", "throttled"),
            Self::TimedOut => Text::fixed("タイムアウト", "timed out"),
            Self::Unavailable => Text::fixed("サービスまたはネットワーク障害", "service or network failure"),
            Self::Vanished => Text::fixed("見つからない", "not found"),
            Self::NoData => Text::fixed("データなし", "no data"),
            Self::Truncated => Text::fixed("一部のみ確認", "only a part was read"),
            Self::Deadline => Text::fixed("時間切れ", "out of time"),
            Self::NotConfigured => Text::fixed("未設定", "not configured"),
            Self::Malformed => Text::fixed("想定外の応答", "unexpected answer"),
            Self::Undecidable => Text::fixed("条件次第のため判定不可", "depends on a condition"),
        }
    }
}

impl GapReason {
    /// What to do about it.
    pub const fn next(self) -> Text {
        match self {
            Self::Denied => Text::fixed(
                "下の「確認できなかったもの」にある操作の権限を付けて再実行する",
                "Grant the operation that is named below, and run it again",
            ),
            Self::Throttled | Self::TimedOut | Self::Unavailable => Text::fixed(
                "時間をおいて再実行する。続くなら AWS Health を確認する",
                "Run it again later; if it goes on, look at AWS Health",
            ),
            Self::Vanished => Text::fixed("再実行する", "Run it again"),
            Self::NoData | Self::NotConfigured => Text::fixed(
                "データの出どころと設定（docs/SETTINGS.md）を確認する",
                "Look at the source of the data and at its setting (docs/SETTINGS.md)",
            ),
            Self::Truncated | Self::Deadline => Text::fixed(
                "予算の設定（SECRETS_OPS_LOOKUP_PAGES、SECRETS_OPS_SIMULATIONS）を上げるか、Logs Insights に切り替える",
                "Raise the budget (SECRETS_OPS_LOOKUP_PAGES, SECRETS_OPS_SIMULATIONS), or turn to Logs Insights",
            ),
            Self::Malformed | Self::Undecidable => {
                Text::fixed("該当のものを人が直接確認する", "Have a person look at it directly")
            }
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().en)
    }
}

/// Something that could not be looked at. Never counted as a pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// What to do next, where something is to be done about the line as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
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
    /// What only some reports have.
    #[serde(flatten)]
    pub extras: Extras,
}

/// Parts that only some reports have; left out of every form where they are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Extras {
    /// The account's number; empty where nobody asked for it. ASFF cannot do without.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Figures in columns, such as the ten busiest sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// Findings that somebody has accepted for a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Suppressed>,
    /// Findings and gaps of earlier runs that are no more, for 30 days.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<Resolved>,
    /// When a finding or gap was first told, by its key; only in machine output. What is absent is new.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub first_seen: BTreeMap<String, Timestamp>,
    /// The verdict of every check on every secret; only in machine output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<Verdicts>,
    /// AWS calls that the run made, by operation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, u64>,
    /// What these calls cost by AWS's list prices, in US dollars; a call without a price of its own counts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_usd: Option<f64>,
}

/// Figures in columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// A short machine word.
    pub id: &'static str,
    /// For people.
    pub title: Text,
    /// The columns' names.
    pub columns: Vec<Text>,
    /// As many cells as there are columns. May hold what a stranger chose: every form escapes it.
    pub rows: Vec<Vec<String>>,
}

/// A finding that somebody has accepted, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppressed {
    /// What would have been told.
    pub finding: Finding,
    /// Who accepted it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it is accepted.
    pub until: jiff::civil::Date,
}

/// A finding of earlier runs that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The check's id; [`GAP`] for what could not be looked at and now can.
    pub check: String,
    /// What it was about.
    pub subject: String,
    /// The ARN of what it was about, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How bad it was; absent for a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When it was first told.
    pub first_seen: Timestamp,
    /// When it was first found to be gone.
    pub at: Timestamp,
}

/// Stands for a check's id where a gap is kept track of like a finding.
pub const GAP: &str = "gap";

impl Finding {
    /// What makes it the same finding in the next run, whatever its words and figures are by then.
    pub fn key(&self) -> String {
        key(self.check, &self.subject)
    }
}

impl Gap {
    /// What it is about, in the place of a finding's subject.
    pub fn topic(&self) -> String {
        if self.subject.is_empty() { self.what.clone() } else { format!("{} {}", self.what, self.subject) }
    }

    /// What makes it the same gap in the next run, whatever its reason is by then.
    pub fn key(&self) -> String {
        key(GAP, &self.topic())
    }
}

/// A check's id has no spaces, so that no two pairs have the same key.
pub(crate) fn key(check: &str, subject: &str) -> String {
    format!("{check} {subject}")
}

/// The verdicts of many checks on many secrets, a letter each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// The checks, in the order of the letters.
    pub checks: Vec<&'static str>,
    /// By secret: `p` pass, `f` fail, `u` unknown, `-` the question does not arise, `s` suppressed.
    pub secrets: BTreeMap<String, String>,
}

impl Verdicts {
    /// Whether any secret has this letter from this check.
    pub fn any(&self, check: &str, letter: char) -> bool {
        let Some(index) = self.checks.iter().position(|known| *known == check) else { return false };
        self.secrets.values().any(|letters| letters.chars().nth(index) == Some(letter))
    }

    /// Marks the verdict that a suppressed finding came from; findings of other sources have none.
    pub fn suppress(&mut self, finding: &Finding) {
        let Some(index) = self.checks.iter().position(|check| *check == finding.check) else { return };
        if let Some(letters) = self.secrets.get_mut(&finding.subject)
            && letters.is_char_boundary(index)
            && index < letters.len()
        {
            letters.replace_range(index..=index, "s");
        }
    }
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
