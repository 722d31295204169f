//! For tickets and wikis.

use super::escape::{code, markdown, markdown_with_code};
use super::words;
use crate::model::{Finding, Lang, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut out = format!(
        "# {}\n\n{} / {}\n\n**{}**\n",
        report.title.get(lang),
        report.region,
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        words::headline(report, lang)
    );
    if !report.items.is_empty() {
        out += &format!(
            "\n| {} | {} | {} | {} |\n|---|---|---|---|\n",
            words::STATE.get(lang),
            words::RESULT.get(lang),
            words::SUBJECT.get(lang),
            words::DETAIL.get(lang)
        );
        for item in &report.items {
            out += &format!(
                "| {} | {} | {} | {} |\n",
                words::outcome(item.outcome, lang),
                item.verdict,
                markdown(&words::name(item, lang)),
                markdown_with_code(&words::told(item, lang))
            );
        }
    }
    section(&mut out, words::FINDINGS.get(lang), &report.findings, |finding| {
        format!(
            "{}\n  - {}: {}",
            one(finding, lang),
            words::NEXT.get(lang),
            markdown_with_code(finding.remediation.get(lang))
        )
    });
    section(&mut out, words::GAPS.get(lang), &report.gaps, |gap| {
        format!(
            "**{}** `{}` {}: {}",
            gap.reason.text().get(lang),
            code(&gap.what),
            markdown(&gap.subject),
            markdown(&gap.detail)
        )
    });
    section(&mut out, words::SUPPRESSED.get(lang), &report.extras.suppressed, |suppressed| {
        let accepted = markdown(&words::accepted(suppressed, lang));
        format!("{}\n  - {accepted}", one(&suppressed.finding, lang))
    });
    section(&mut out, words::RESOLVED.get(lang), &report.extras.resolved, |resolved| {
        format!("`{}` {}: {}", code(&resolved.check), markdown(&resolved.subject), words::gone(resolved, lang))
    });
    for table in &report.extras.tables {
        let cells = |row: Vec<String>| format!("| {} |\n", row.join(" | "));
        out += &format!("\n## {}\n\n", markdown(table.title.get(lang)));
        out += &cells(table.columns.iter().map(|column| markdown(column.get(lang))).collect());
        out += &format!("|{}\n", "---|".repeat(table.columns.len()));
        out.extend(table.rows.iter().map(|row| cells(row.iter().map(|cell| markdown(cell)).collect())));
    }
    if let Some(calls) = words::calls(report, lang) {
        out += &format!("\n{}: {}\n", words::CALLS.get(lang), markdown(&calls));
    }
    out
}

fn one(finding: &Finding, lang: Lang) -> String {
    format!(
        "**{}** `{}` {}: {}",
        words::severity(finding.severity).get(lang),
        code(finding.check),
        markdown(&finding.subject),
        markdown(finding.detail.get(lang))
    )
}

/// A heading and its points; nothing where there are none.
fn section<T>(out: &mut String, heading: &str, all: &[T], point: impl Fn(&T) -> String) {
    if !all.is_empty() {
        *out += &format!("\n## {heading}\n\n");
        out.extend(all.iter().map(|one| format!("- {}\n", point(one))));
    }
}
