//! One page, no outside assets and no script.

use super::words;
use crate::model::{Lang, Report};

const STYLE: &str = "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}\
td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}";

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let code = match lang {
        Lang::Ja => "ja",
        Lang::En => "en",
    };
    let title = escaped(report.title.get(lang));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{} / {}</p>\n<p><strong>{}</strong></p>\n",
        escaped(&report.region),
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        escaped(&words::headline(report, lang))
    );
    table(
        &mut out,
        &[words::STATE, words::RESULT, words::SUBJECT, words::DETAIL].map(|word| word.get(lang).to_owned()),
        report.items.iter().map(|item| {
            [
                words::outcome(item.outcome, lang).to_owned(),
                item.verdict.to_owned(),
                words::name(item, lang).to_owned(),
                item.detail.get(lang).to_owned(),
            ]
        }),
    );
    if !report.findings.is_empty() {
        out += &format!("<h2>{}</h2>\n", words::FINDINGS.get(lang));
        table(
            &mut out,
            &[words::STATE, words::SUBJECT, words::DETAIL, words::NEXT].map(|word| word.get(lang).to_owned()),
            report.findings.iter().map(|finding| {
                [
                    words::severity(finding.severity).get(lang).to_owned(),
                    format!("{} ({})", finding.subject, finding.check),
                    finding.detail.get(lang).to_owned(),
                    finding.remediation.get(lang).to_owned(),
                ]
            }),
        );
    }
    if !report.gaps.is_empty() {
        out += &format!("<h2>{}</h2>\n", words::GAPS.get(lang));
        table(
            &mut out,
            &[words::STATE, words::RESULT, words::SUBJECT, words::DETAIL].map(|word| word.get(lang).to_owned()),
            report.gaps.iter().map(|gap| {
                [gap.reason.text().get(lang).to_owned(), gap.what.clone(), gap.subject.clone(), gap.detail.clone()]
            }),
        );
    }
    out += "</body></html>\n";
    out
}

fn table(out: &mut String, head: &[String; 4], rows: impl Iterator<Item = [String; 4]>) {
    let cells = |row: &[String; 4], tag: &str| {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
    };
    *out += &format!("<table>\n<tr>{}</tr>\n", cells(head, "th"));
    for row in rows {
        *out += &format!("<tr>{}</tr>\n", cells(&row, "td"));
    }
    *out += "</table>\n";
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
