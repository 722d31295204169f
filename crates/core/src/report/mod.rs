//! A report in the form that is asked for. Rendering cannot fail and decides nothing.

mod csv;
mod html;
mod markdown;
mod text;

use std::str::FromStr;

use crate::model::{Lang, Outcome, Report, Severity, Status, Text};

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
    /// For tickets and wikis.
    Markdown,
    /// One file, no outside assets.
    Html,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            _ => Err("table, json, csv, markdown or html"),
        }
    }
}

/// Renders a report, with a line break at its end.
pub fn render(report: &Report, format: Format, lang: Lang) -> String {
    match format {
        Format::Table => text::render(report, lang),
        Format::Json => json(report),
        Format::Csv => csv::render(report, lang),
        Format::Markdown => markdown::render(report, lang),
        Format::Html => html::render(report, lang),
    }
}

/// The start of a report for a mail: the headline with all counts, a checklist's lines that are not well, and the first
/// `most` findings and gaps. Lines about single secrets are left to the findings.
pub fn brief(report: &Report, lang: Lang, most: usize) -> String {
    text::brief(report, lang, most)
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
        let status = status(report.status());
        match lang {
            Lang::Ja => format!(
                "結果: {}（検出 {findings} 件、確認不可 {gaps} 件、網羅率 {coverage} = {}/{}）",
                status.ja, report.coverage.seen, report.coverage.wanted
            ),
            Lang::En => format!(
                "Result: {} ({findings} findings, {gaps} not looked at, coverage {coverage} = {}/{})",
                status.en, report.coverage.seen, report.coverage.wanted
            ),
        }
    }

    /// An item's title, or its subject where that says it all.
    pub(super) fn name(item: &crate::model::Item, lang: Lang) -> &str {
        item.title.as_ref().map_or(item.subject.as_str(), |title| title.get(lang))
    }
}

#[cfg(test)]
mod tests;
