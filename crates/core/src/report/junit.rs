//! JUnit XML, as Surefire writes it and Jenkins, GitLab and GitHub read it: one suite a report, one case for each line,
//! finding, gap and suppressed finding.

use super::escape::markup;
use super::{text, words};
use crate::model::{Lang, Outcome, Report};

pub(super) fn render(report: &Report, lang: Lang) -> String {
    let mut suite = Suite { class: class(report.schema), ..Suite::default() };
    for item in &report.items {
        let (name, detail) = (&words::name(item, lang), &words::told(item, lang));
        match item.outcome {
            Outcome::Pass => suite.case("item", name, ""),
            Outcome::Fail => suite.failure("item", name, item.verdict, detail, ""),
            Outcome::Unknown => suite.error("item", name, item.verdict, detail),
            Outcome::NotApplicable => suite.skipped("item", name, detail),
        }
    }
    for finding in &report.findings {
        let name = format!("{}: {}", finding.check, finding.subject);
        let (detail, next) = (finding.detail.get(lang), finding.remediation.get(lang));
        let next = format!("{}: {next}", words::NEXT.get(lang));
        suite.failure("finding", &name, finding.severity.name(), detail, &next);
    }
    for gap in &report.gaps {
        let reason = gap.reason.text();
        let message = format!("{}: {}", reason.get(lang), gap.detail);
        suite.error("gap", &gap.topic(), &reason.en, &message);
    }
    for suppressed in &report.extras.suppressed {
        let name = format!("{}: {}", suppressed.finding.check, suppressed.finding.subject);
        let detail = suppressed.finding.detail.get(lang);
        suite.skipped("suppressed", &name, &format!("{} - {detail}", words::accepted(suppressed, lang)));
    }
    suite.whole(report, lang)
}

/// The last part but one of `secrets-ops/<kind>/v1`.
fn class(schema: &str) -> String {
    format!("secrets-ops.{}", schema.split('/').nth(1).unwrap_or_default())
}

#[derive(Default)]
struct Suite {
    class: String,
    cases: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Suite {
    /// `inner` is markup already.
    fn case(&mut self, kind: &str, name: &str, inner: &str) {
        self.tests += 1;
        self.cases += &format!(
            "    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
            markup(&format!("{}.{kind}", self.class)),
            markup(name)
        );
        self.cases += &if inner.is_empty() { "/>\n".to_owned() } else { format!(">\n{inner}    </testcase>\n") };
    }

    fn failure(&mut self, kind: &str, name: &str, what: &str, message: &str, next: &str) {
        self.failures += 1;
        self.case(kind, name, &broken("failure", what, message, next));
    }

    fn error(&mut self, kind: &str, name: &str, what: &str, message: &str) {
        self.errors += 1;
        self.case(kind, name, &broken("error", what, message, ""));
    }

    fn skipped(&mut self, kind: &str, name: &str, message: &str) {
        self.skipped += 1;
        self.case(kind, name, &format!("      <skipped message=\"{}\"/>\n", markup(message)));
    }

    fn whole(&self, report: &Report, lang: Lang) -> String {
        let title = markup(report.title.get(lang));
        let numbers = format!("tests=\"{}\" failures=\"{}\" errors=\"{}\"", self.tests, self.failures, self.errors);
        let property =
            |name: &str, value: &str| format!("      <property name=\"{name}\" value=\"{}\"/>\n", markup(value));
        let out = text::rest(report, lang);
        let lines: String = out.lines().map(|line| format!("{}\n", markup(line))).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{title}\" {numbers} time=\"0\">\n  \
             <testsuite name=\"{title}\" {numbers} skipped=\"{}\" time=\"0\" timestamp=\"{}\">\n    <properties>\n{}{}{}    \
             </properties>\n{}{}  </testsuite>\n</testsuites>\n",
            self.skipped,
            report.as_of.strftime("%Y-%m-%dT%H:%M:%S"),
            property("schema", report.schema),
            property("region", &report.region),
            property("result", &words::headline(report, lang)),
            self.cases,
            if lines.is_empty() { String::new() } else { format!("    <system-out>{lines}</system-out>\n") },
        )
    }
}

/// The message is what a CI server shows at once; below it stand the same and what to do next, a line each.
fn broken(element: &str, what: &str, message: &str, next: &str) -> String {
    let (what, message, next) = (markup(what), markup(message), markup(next));
    let body = if next.is_empty() { message.clone() } else { format!("{message}\n{next}") };
    format!("      <{element} type=\"{what}\" message=\"{message}\">{body}</{element}>\n")
}
