//! For tickets and wikis.

use super::words;
use crate::model::{Lang, Report};

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
                escaped(words::name(item, lang)),
                escaped(item.detail.get(lang))
            );
        }
    }
    if !report.findings.is_empty() {
        out += &format!("\n## {}\n\n", words::FINDINGS.get(lang));
        for finding in &report.findings {
            out += &format!(
                "- **{}** `{}` {}: {}\n  - {}: {}\n",
                words::severity(finding.severity).get(lang),
                finding.check,
                escaped(&finding.subject),
                escaped(finding.detail.get(lang)),
                words::NEXT.get(lang),
                finding.remediation.get(lang)
            );
        }
    }
    if !report.gaps.is_empty() {
        out += &format!("\n## {}\n\n", words::GAPS.get(lang));
        for gap in &report.gaps {
            out += &format!(
                "- **{}** `{}` {}: {}\n",
                gap.reason.text().get(lang),
                gap.what,
                escaped(&gap.subject),
                escaped(&gap.detail)
            );
        }
    }
    out
}

/// Keeps text from AWS inside its cell, without markup or links of its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
