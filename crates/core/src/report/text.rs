//! Plain text with columns that line up, Japanese included.

use unicode_width::UnicodeWidthStr;

use super::words;
use crate::model::{Lang, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut out = format!(
        "{}  {}  {}\n{}\n",
        report.title.get(lang),
        report.region,
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        words::headline(report, lang)
    );
    let rows: Vec<[&str; 4]> = report
        .items
        .iter()
        .map(|item| [words::outcome(item.outcome, lang), item.verdict, words::name(item, lang), item.detail.get(lang)])
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        columns(&rows, &mut out);
    }
    if !report.findings.is_empty() {
        out += &format!("\n{}\n", words::FINDINGS.get(lang));
        for finding in &report.findings {
            out += &format!(
                "- [{}] {} {}: {}\n  {}: {}\n",
                words::severity(finding.severity).get(lang),
                finding.check,
                plain(&finding.subject),
                plain(finding.detail.get(lang)),
                words::NEXT.get(lang),
                finding.remediation.get(lang)
            );
        }
    }
    if !report.gaps.is_empty() {
        out += &format!("\n{}\n", words::GAPS.get(lang));
        for gap in &report.gaps {
            let subject = if gap.subject.is_empty() { String::new() } else { format!(" {}", plain(&gap.subject)) };
            out += &format!("- [{}] {}{subject}: {}\n", gap.reason.text().get(lang), gap.what, plain(&gap.detail));
        }
    }
    out
}

/// Every column but the last is padded to its widest cell.
fn columns(rows: &[[&str; 4]], out: &mut String) {
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            out.push_str(&plain(cell));
            out.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        out.push_str(&plain(row[3]));
        out.push('\n');
    }
}

/// Text from AWS or an attacker must not move the cursor or forge a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
