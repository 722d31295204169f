//! A report in the form that is asked for. Rendering cannot fail and decides nothing.

mod asff;
mod csv;
mod entries;
mod escape;
mod html;
mod junit;
mod markdown;
mod ocsf;
mod text;

use std::str::FromStr;

use crate::model::{Changes, Item, Lang, Outcome, Report, Resolved, Severity, Status, Suppressed, Text};

/// The forms that a report can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal or a mail.
    #[default]
    Table,
    /// For machines; the schema's name is in it.
    Json,
    /// One row an item, for spreadsheets.
    Csv,
    /// The same with a byte-order mark, without which Excel takes UTF-8 for the system's own encoding.
    CsvBom,
    /// For tickets and wikis.
    Markdown,
    /// One file, no outside assets.
    Html,
    /// For CI servers.
    Junit,
    /// For import into Security Hub.
    Asff,
    /// For data lakes and SIEMs.
    Ocsf,
}

impl Format {
    /// Every form by its name, in the order of the help.
    pub const ALL: [(&'static str, Self); 9] = [
        ("table", Self::Table),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("csv-bom", Self::CsvBom),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
        ("junit", Self::Junit),
        ("asff", Self::Asff),
        ("ocsf", Self::Ocsf),
    ];

    /// Whether others will look for the account's number in it: [`crate::model::Extras::account`].
    pub fn needs_account(self) -> bool {
        matches!(self, Self::Asff | Self::Ocsf)
    }
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(name, _)| *name == s);
        found.map(|(_, format)| *format).ok_or("table, json, csv, csv-bom, markdown, html, junit, asff or ocsf")
    }
}

/// Renders a report, with a line break at its end. [`Format::Asff`] without an account is empty, since Security Hub would
/// refuse it.
pub fn render(report: &Report, format: Format, lang: Lang) -> String {
    match format {
        Format::Table => text::render(report, lang),
        Format::Json => json(report),
        Format::Csv => csv::render(report, lang),
        Format::CsvBom => format!("\u{feff}{}", csv::render(report, lang)),
        Format::Markdown => markdown::render(report, lang),
        Format::Html => html::render(report, lang),
        Format::Junit => junit::render(report, lang),
        Format::Asff => asff::render(report, lang),
        Format::Ocsf => ocsf::render(report, lang),
    }
}

/// The start of a report for a mail: the headline with all counts, a checklist's lines that are not well, and the first
/// `most` findings and gaps. Lines about single secrets are left to the findings.
pub fn brief(report: &Report, lang: Lang, most: usize) -> String {
    text::brief(report, lang, most)
}

/// What has changed, for a mail: the headline with all counts, what was opened, what is resolved, and how much is still
/// open, by name where `all` is wanted. At most `most` lines of each.
pub fn brief_changes(report: &Report, changes: &Changes, all: bool, lang: Lang, most: usize) -> String {
    text::changes(report, changes, all, lang, most)
}

/// The report with its status and counts, as machines read it.
fn json(report: &Report) -> String {
    #[derive(serde::Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        report: &'a Report,
        status: Status,
        coverage_percent: Option<f64>,
    }
    let whole = Whole { report, status: report.status(), coverage_percent: report.coverage.percent() };
    // Strings, numbers and dates only: this cannot fail; an empty object would still not parse as a report.
    let mut json = serde_json::to_string_pretty(&whole).unwrap_or_default();
    json.push('\n');
    json
}

/// Words that the human forms share.
mod words {
    use super::*;

    pub(super) const FINDINGS: Text = Text::fixed("検出事項", "Findings");
    pub(super) const GAPS: Text = Text::fixed("確認できなかったもの", "Could not be looked at");
    pub(super) const NEXT: Text = Text::fixed("対処", "Next");
    pub(super) const NONE: Text = Text::fixed("なし", "none");
    pub(super) const SUPPRESSED: Text = Text::fixed("抑制中の検出事項", "Suppressed");
    pub(super) const RESOLVED: Text = Text::fixed("解消したもの", "Resolved");
    pub(super) const OPENED: Text = Text::fixed("新しい検出事項", "New findings");
    pub(super) const OPENED_GAPS: Text = Text::fixed("新たに確認できなかったもの", "Newly not looked at");
    pub(super) const STILL_OPEN: Text = Text::fixed("未解消の検出事項", "Still open");
    pub(super) const STILL_GAPS: Text = Text::fixed("引き続き確認できなかったもの", "Still not looked at");
    pub(super) const ACCEPTED: Text = Text::fixed("許容", "Accepted");
    pub(super) const CALLS: Text = Text::fixed("実行した AWS 呼び出し", "AWS calls made");
    pub(super) const RESULT: Text = Text::fixed("結果", "Result");
    pub(super) const SUBJECT: Text = Text::fixed("対象", "Subject");
    pub(super) const STATE: Text = Text::fixed("状態", "State");
    pub(super) const DETAIL: Text = Text::fixed("詳細", "Detail");

    pub(super) const fn outcome(outcome: Outcome, lang: Lang) -> &'static str {
        match (outcome, lang) {
            (Outcome::Pass, Lang::Ja) => "正常",
            (Outcome::Fail, Lang::Ja) => "異常",
            (Outcome::Unknown, Lang::Ja) => "不明",
            (Outcome::NotApplicable, Lang::Ja) => "対象外",
            (Outcome::Pass, Lang::En) => "pass",
            (Outcome::Fail, Lang::En) => "FAIL",
            (Outcome::Unknown, Lang::En) => "UNKNOWN",
            (Outcome::NotApplicable, Lang::En) => "n/a",
        }
    }

    pub(super) const fn severity(severity: Severity) -> Text {
        match severity {
            Severity::Low => Text::fixed("低", "low"),
            Severity::Medium => Text::fixed("中", "medium"),
            Severity::High => Text::fixed("高", "high"),
            Severity::Critical => Text::fixed("重大", "critical"),
        }
    }

    pub(super) const fn status(status: Status) -> Text {
        match status {
            Status::Ok => Text::fixed("正常", "ok"),
            Status::Findings => Text::fixed("検出事項あり", "findings"),
            Status::Incomplete => Text::fixed("確認が不完全", "incomplete"),
            Status::AlreadyDone => Text::fixed("実行済み", "already done"),
        }
    }

    /// Ends a list that has been cut.
    pub(super) fn more(number: usize, lang: Lang) -> String {
        match lang {
            Lang::Ja => format!("ほか {number} 件"),
            Lang::En => format!("{number} more"),
        }
    }

    /// One line that says it all.
    pub(super) fn headline(report: &Report, lang: Lang) -> String {
        let coverage = match report.coverage.percent() {
            // Rounded down: 99.97 % must not read as 100 %.
            Some(percent) => format!("{:.1} %", (percent * 10.0).floor() / 10.0),
            None => NONE.get(lang).to_owned(),
        };
        let (findings, gaps) = (report.findings.len(), report.gaps.len());
        let suppressed = match (report.extras.suppressed.len(), lang) {
            (0, _) => String::new(),
            (number, Lang::Ja) => format!("、抑制中 {number} 件"),
            (number, Lang::En) => format!(", {number} suppressed"),
        };
        let status = status(report.status());
        match lang {
            Lang::Ja => format!(
                "結果: {}（検出 {findings} 件{suppressed}、確認不可 {gaps} 件、網羅率 {coverage} = {}/{}）",
                status.ja, report.coverage.seen, report.coverage.wanted
            ),
            Lang::En => format!(
                "Result: {} ({findings} findings{suppressed}, {gaps} not looked at, coverage {coverage} = {}/{})",
                status.en, report.coverage.seen, report.coverage.wanted
            ),
        }
    }

    /// Who has accepted a finding, until when, and why.
    pub(super) fn accepted(suppressed: &Suppressed, lang: Lang) -> String {
        let Suppressed { owner, reason, until, .. } = suppressed;
        match lang {
            Lang::Ja => format!("{owner} が {until} まで許容: {reason}"),
            Lang::En => format!("accepted by {owner} until {until}: {reason}"),
        }
    }

    /// Since when something was open, and since when it is no more.
    pub(super) fn gone(resolved: &Resolved, lang: Lang) -> String {
        let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%MZ").to_string();
        let (first, at) = (day(resolved.first_seen), day(resolved.at));
        match lang {
            Lang::Ja => format!("{first} から、{at} に解消を確認"),
            Lang::En => format!("open since {first}, found resolved at {at}"),
        }
    }

    /// What the run asked of AWS, and what that costs; nothing where nobody counted.
    pub(super) fn calls(report: &Report, lang: Lang) -> Option<String> {
        let calls = &report.extras.calls;
        if calls.is_empty() {
            return None;
        }
        let each: Vec<String> = calls.iter().map(|(operation, number)| format!("{operation} {number}")).collect();
        let cost = report.extras.calls_usd.map(|usd| format!(", USD {usd:.4}")).unwrap_or_default();
        let total: u64 = calls.values().sum();
        Some(match lang {
            Lang::Ja => format!("{total} 回{cost}（{}）", each.join("、")),
            Lang::En => format!("{total}{cost} ({})", each.join(", ")),
        })
    }

    /// An item's title, or its subject where that says it all.
    /// With the step of the old runbook before a title.
    pub(super) fn name(item: &Item, lang: Lang) -> String {
        match (&item.title, item.runbook) {
            (Some(title), Some(step)) => format!("{step} {}", title.get(lang)),
            (Some(title), None) => title.get(lang).to_owned(),
            (None, _) => item.subject.clone(),
        }
    }

    /// What to do about a line of a checklist, where something is to be done.
    pub(super) fn next(item: &Item, lang: Lang) -> Option<String> {
        let next = item.next.as_ref().filter(|_| item.title.is_some())?;
        Some(format!("{}: {}", NEXT.get(lang), next.get(lang)))
    }

    /// The evidence, and behind it what to do.
    pub(super) fn told(item: &Item, lang: Lang) -> String {
        let next = next(item, lang).map(|next| format!(" — {next}"));
        item.detail.get(lang).to_owned() + &next.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
