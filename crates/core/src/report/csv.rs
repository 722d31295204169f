//! One row an item, then everything else in the same columns.

use super::escape::cell;
use super::words;
use crate::model::{Lang, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let mut row = |cells: [&str; 5]| {
        let _ = writer.write_record(cells.map(cell));
    };
    row(["kind", "subject", "state", "verdict", "detail"]);
    for item in &report.items {
        row([
            "item",
            &words::name(item, lang),
            words::outcome(item.outcome, lang),
            item.verdict,
            item.detail.get(lang),
        ]);
    }
    for finding in &report.findings {
        let severity = words::severity(finding.severity);
        row(["finding", &finding.subject, severity.get(lang), finding.check, finding.detail.get(lang)]);
    }
    for gap in &report.gaps {
        row(["gap", &gap.subject, gap.reason.text().get(lang), &gap.what, &gap.detail]);
    }
    for suppressed in &report.extras.suppressed {
        let finding = &suppressed.finding;
        let severity = words::severity(finding.severity);
        let detail = format!("{} - {}", finding.detail.get(lang), words::accepted(suppressed, lang));
        row(["suppressed", &finding.subject, severity.get(lang), finding.check, &detail]);
    }
    for resolved in &report.extras.resolved {
        let severity = resolved.severity.map(words::severity);
        let severity = severity.as_ref().map_or("", |severity| severity.get(lang));
        row(["resolved", &resolved.subject, severity, &resolved.check, &words::gone(resolved, lang)]);
    }
    for table in &report.extras.tables {
        for cells in &table.rows {
            let (subject, rest) = cells.split_first().map_or(("", [].as_slice()), |(first, rest)| (first, rest));
            let named: Vec<String> = table
                .columns
                .iter()
                .skip(1)
                .zip(rest)
                .map(|(column, cell)| format!("{}: {cell}", column.get(lang)))
                .collect();
            row(["table", subject, table.title.get(lang), table.id, &named.join("; ")]);
        }
    }
    if let Some(calls) = words::calls(report, lang) {
        row(["calls", words::CALLS.get(lang), "", "", &calls]);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
