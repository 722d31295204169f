//! Plain text with columns that line up, Japanese included.

use unicode_width::UnicodeWidthStr;

use super::words;
use crate::model::{Item, Lang, Outcome, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    whole(report, &report.items.iter().collect::<Vec<_>>(), lang, usize::MAX)
}

pub(super) fn brief(report: &Report, lang: Lang, most: usize) -> String {
    let unwell = |item: &&Item| item.title.is_some() && item.outcome != Outcome::Pass;
    whole(report, &report.items.iter().filter(unwell).collect::<Vec<_>>(), lang, most)
}

fn whole(report: &Report, items: &[&Item], lang: Lang, most: usize) -> String {
    let mut out = format!(
        "{}  {}  {}\n{}\n",
        report.title.get(lang),
        report.region,
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        words::headline(report, lang)
    );
    let rows: Vec<[&str; 4]> = items
        .iter()
        .map(|item| [words::outcome(item.outcome, lang), item.verdict, words::name(item, lang), item.detail.get(lang)])
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        columns(&rows, &mut out);
    }
    let shown = report.findings.len().min(most);
    list(&mut out, words::FINDINGS.get(lang), &report.findings, lang, most, |index, finding| {
        let line = format!(
            "[{}] {} {}: {}",
            words::severity(finding.severity).get(lang),
            finding.check,
            plain(&finding.subject),
            plain(finding.detail.get(lang)),
        );
        // What to do about several in a row is said once, after the last of them.
        let next = report.findings.get(index + 1).filter(|_| index + 1 < shown);
        if next.is_some_and(|next| next.remediation == finding.remediation) {
            return line;
        }
        format!("{line}\n  {}: {}", words::NEXT.get(lang), finding.remediation.get(lang))
    });
    list(&mut out, words::GAPS.get(lang), &report.gaps, lang, most, |_, gap| {
        let subject = if gap.subject.is_empty() { String::new() } else { format!(" {}", plain(&gap.subject)) };
        format!("[{}] {}{subject}: {}", gap.reason.text().get(lang), gap.what, plain(&gap.detail))
    });
    out
}

/// A heading and its lines; nothing where there are none.
fn list<T>(out: &mut String, heading: &str, all: &[T], lang: Lang, most: usize, line: impl Fn(usize, &T) -> String) {
    if all.is_empty() {
        return;
    }
    *out += &format!("\n{heading}\n");
    for (index, item) in all.iter().take(most).enumerate() {
        *out += &format!("- {}\n", line(index, item));
    }
    if all.len() > most {
        *out += &format!("- {}\n", words::more(all.len() - most, lang));
    }
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
