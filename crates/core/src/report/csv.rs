//! One row an item, then findings and gaps in the same columns.

use super::words;
use crate::model::{Lang, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let mut row = |cells: [&str; 5]| {
        let _ = writer.write_record(cells.map(guarded));
    };
    row(["kind", "subject", "state", "verdict", "detail"]);
    for item in &report.items {
        row(["item", words::name(item, lang), words::outcome(item.outcome, lang), item.verdict, item.detail.get(lang)]);
    }
    for finding in &report.findings {
        let severity = words::severity(finding.severity);
        row(["finding", &finding.subject, severity.get(lang), finding.check, finding.detail.get(lang)]);
    }
    for gap in &report.gaps {
        row(["gap", &gap.subject, gap.reason.text().get(lang), &gap.what, &gap.detail]);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// A spreadsheet runs a cell that begins like a formula.
fn guarded(cell: &str) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}
