//! One page, no outside assets and no script.

use super::escape::markup as escaped;
use super::words;
use crate::model::{Lang, Report, Text};

const STYLE: &str = "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}\
td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}";

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let code = match lang {
        Lang::Ja => "ja",
        Lang::En => "en",
    };
    let title = escaped(report.title.get(lang));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{} / {}</p>\n<p><strong>{}</strong></p>\n",
        escaped(&report.region),
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        escaped(&words::headline(report, lang))
    );
    let named = |words: &[Text]| words.iter().map(|word| word.get(lang).to_owned()).collect::<Vec<_>>();
    let severity = |severity| words::severity(severity).get(lang).to_owned();
    table(
        &mut out,
        &named(&[words::STATE, words::RESULT, words::SUBJECT, words::DETAIL]),
        report.items.iter().map(|item| {
            [
                words::outcome(item.outcome, lang).to_owned(),
                item.verdict.to_owned(),
                words::name(item, lang),
                words::told(item, lang),
            ]
        }),
    );
    if !report.findings.is_empty() {
        out += &format!("<h2>{}</h2>\n", words::FINDINGS.get(lang));
        table(
            &mut out,
            &named(&[words::STATE, words::SUBJECT, words::DETAIL, words::NEXT]),
            report.findings.iter().map(|finding| {
                [
                    severity(finding.severity),
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
            &named(&[words::STATE, words::RESULT, words::SUBJECT, words::DETAIL]),
            report.gaps.iter().map(|gap| {
                [gap.reason.text().get(lang).to_owned(), gap.what.clone(), gap.subject.clone(), gap.detail.clone()]
            }),
        );
    }
    if !report.extras.suppressed.is_empty() {
        out += &format!("<h2>{}</h2>\n", words::SUPPRESSED.get(lang));
        table(
            &mut out,
            &named(&[words::STATE, words::SUBJECT, words::DETAIL, words::ACCEPTED]),
            report.extras.suppressed.iter().map(|suppressed| {
                let finding = &suppressed.finding;
                [
                    severity(finding.severity),
                    format!("{} ({})", finding.subject, finding.check),
                    finding.detail.get(lang).to_owned(),
                    words::accepted(suppressed, lang),
                ]
            }),
        );
    }
    if !report.extras.resolved.is_empty() {
        out += &format!("<h2>{}</h2>\n", words::RESOLVED.get(lang));
        table(
            &mut out,
            &named(&[words::SUBJECT, words::DETAIL]),
            report
                .extras
                .resolved
                .iter()
                .map(|resolved| [format!("{} ({})", resolved.subject, resolved.check), words::gone(resolved, lang)]),
        );
    }
    for one in &report.extras.tables {
        out += &format!("<h2>{}</h2>\n", escaped(one.title.get(lang)));
        table(&mut out, &named(&one.columns), &one.rows);
    }
    if let Some(calls) = words::calls(report, lang) {
        out += &format!("<p>{}: {}</p>\n", words::CALLS.get(lang), escaped(&calls));
    }
    out += "</body></html>\n";
    out
}

fn table<R: AsRef<[String]>>(out: &mut String, head: &[String], rows: impl IntoIterator<Item = R>) {
    let cells = |row: &[String], tag: &str| {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
    };
    *out += &format!("<table>\n<tr>{}</tr>\n", cells(head, "th"));
    for row in rows {
        *out += &format!("<tr>{}</tr>\n", cells(row.as_ref(), "td"));
    }
    *out += "</table>\n";
}
