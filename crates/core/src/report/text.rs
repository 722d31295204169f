//! Plain text with columns that line up, Japanese included.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::escape::plain;
use super::words;
use crate::model::{Changes, Finding, Gap, Item, Lang, Outcome, Report, Resolved, Suppressed, Table};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut out = head(report, &report.items.iter().collect::<Vec<_>>(), lang);
    findings(&mut out, words::FINDINGS.get(lang), &report.findings.iter().collect::<Vec<_>>(), lang, usize::MAX);
    gaps(&mut out, words::GAPS.get(lang), &report.gaps.iter().collect::<Vec<_>>(), lang, usize::MAX);
    list(&mut out, words::SUPPRESSED.get(lang), &report.extras.suppressed, lang, usize::MAX, |_, one| {
        suppressed(one, lang)
    });
    list(&mut out, words::RESOLVED.get(lang), &report.extras.resolved, lang, usize::MAX, |_, one| resolved(one, lang));
    out + &rest(report, lang)
}

pub(super) fn brief(report: &Report, lang: Lang, most: usize) -> String {
    let mut out = head(report, &unwell(report), lang);
    findings(&mut out, words::FINDINGS.get(lang), &report.findings.iter().collect::<Vec<_>>(), lang, most);
    gaps(&mut out, words::GAPS.get(lang), &report.gaps.iter().collect::<Vec<_>>(), lang, most);
    out
}

pub(super) fn changes(report: &Report, changes: &Changes, all: bool, lang: Lang, most: usize) -> String {
    let mut out = head(report, &unwell(report), lang);
    out += &match lang {
        Lang::Ja => format!(
            "変化: 新規 {} 件、解消 {} 件、継続 {} 件、前回から未解消で今回確認できず {} 件\n",
            changes.opened.len(),
            changes.resolved.len(),
            changes.still_open.len(),
            changes.unknown.len()
        ),
        Lang::En => format!(
            "Changes: {} new, {} resolved, {} still open, {} open before and not looked at now\n",
            changes.opened.len(),
            changes.resolved.len(),
            changes.still_open.len(),
            changes.unknown.len()
        ),
    };
    let of = |keys: &BTreeSet<String>| {
        let found: Vec<&Finding> = report.findings.iter().filter(|one| keys.contains(&one.key())).collect();
        let unseen: Vec<&Gap> = report.gaps.iter().filter(|one| keys.contains(&one.key())).collect();
        (found, unseen)
    };
    let (found, unseen) = of(&changes.opened);
    findings(&mut out, words::OPENED.get(lang), &found, lang, most);
    gaps(&mut out, words::OPENED_GAPS.get(lang), &unseen, lang, most);
    list(&mut out, words::RESOLVED.get(lang), &changes.resolved, lang, most, |_, one| resolved(one, lang));
    if all {
        let (found, unseen) = of(&changes.still_open);
        findings(&mut out, words::STILL_OPEN.get(lang), &found, lang, most);
        gaps(&mut out, words::STILL_GAPS.get(lang), &unseen, lang, most);
    }
    out
}

/// What a report ends with: tables, and what it cost to make.
pub(super) fn rest(report: &Report, lang: Lang) -> String {
    let mut out = String::new();
    for one in &report.extras.tables {
        table(&mut out, one, lang);
    }
    if let Some(calls) = words::calls(report, lang) {
        out += &format!("\n{}: {calls}\n", words::CALLS.get(lang));
    }
    out
}

/// Lines of a checklist that are not well; those of single secrets are left to the findings.
fn unwell(report: &Report) -> Vec<&Item> {
    report.items.iter().filter(|item| item.title.is_some() && item.outcome != Outcome::Pass).collect()
}

fn head(report: &Report, items: &[&Item], lang: Lang) -> String {
    let mut out = format!(
        "{}  {}  {}\n{}\n",
        report.title.get(lang),
        report.region,
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        words::headline(report, lang)
    );
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            [words::outcome(item.outcome, lang), item.verdict, &words::name(item, lang), item.detail.get(lang)]
                .map(plain)
                .to_vec()
        })
        .collect();
    let mut lines = String::new();
    columns(&rows, &mut lines);
    if !rows.is_empty() {
        out.push('\n');
    }
    for (line, item) in lines.lines().zip(items) {
        out += &format!("{line}\n");
        out.extend(words::next(item, lang).map(|next| format!("      {}\n", plain(&next))));
    }
    out
}

fn findings(out: &mut String, heading: &str, all: &[&Finding], lang: Lang, most: usize) {
    let shown = all.len().min(most);
    list(out, heading, all, lang, most, |index, finding| {
        let line = one_finding(finding, lang);
        // What to do about several in a row is said once, after the last of them.
        let next = all.get(index + 1).filter(|_| index + 1 < shown);
        if next.is_some_and(|next| next.remediation == finding.remediation) {
            return line;
        }
        format!("{line}\n  {}: {}", words::NEXT.get(lang), plain(finding.remediation.get(lang)))
    });
}

fn one_finding(finding: &Finding, lang: Lang) -> String {
    format!(
        "[{}] {} {}: {}",
        words::severity(finding.severity).get(lang),
        finding.check,
        plain(&finding.subject),
        plain(finding.detail.get(lang)),
    )
}

fn gaps(out: &mut String, heading: &str, all: &[&Gap], lang: Lang, most: usize) {
    list(out, heading, all, lang, most, |_, gap| {
        format!("[{}] {}: {}", gap.reason.text().get(lang), plain(&gap.topic()), plain(&gap.detail))
    });
}

fn suppressed(one: &Suppressed, lang: Lang) -> String {
    format!("{}\n  {}", one_finding(&one.finding, lang), plain(&words::accepted(one, lang)))
}

fn resolved(one: &Resolved, lang: Lang) -> String {
    let severity = one.severity.map(|severity| format!("[{}] ", words::severity(severity).get(lang)));
    let (check, subject) = (plain(&one.check), plain(&one.subject));
    format!("{}{check} {subject}: {}", severity.unwrap_or_default(), words::gone(one, lang))
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

fn table(out: &mut String, table: &Table, lang: Lang) {
    *out += &format!("\n{}\n", plain(table.title.get(lang)));
    let head = table.columns.iter().map(|column| plain(column.get(lang))).collect();
    let rows = table.rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect());
    columns(&std::iter::once(head).chain(rows).collect::<Vec<Vec<String>>>(), out);
}

/// Every column but the last is padded to its widest cell.
fn columns(rows: &[Vec<String>], out: &mut String) {
    let most = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..most).map(|column| width(column).unwrap_or_default()).collect();
    for row in rows {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if index + 1 < row.len() {
                out.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
            }
        }
        out.push('\n');
    }
}
