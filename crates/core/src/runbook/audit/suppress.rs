//! Findings that somebody has accepted for a time leave the list, and are shown apart.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::Run;
use crate::model::{Outcome, Report, Text, apply};
use crate::runbook::suppressions;

/// Takes them out. `partly` are the lines with hits of which not all could be looked at.
pub(super) fn suppress(
    run: Run<'_>,
    report: &mut Report,
    tags: &BTreeMap<String, BTreeMap<String, String>>,
    partly: &BTreeSet<&'static str>,
) {
    let tags = tags.iter().map(|(secret, tags)| (secret.as_str(), tags)).collect();
    let today = suppressions::today(run.settings, run.now);
    let applied = apply(std::mem::take(&mut report.findings), run.suppressions, &tags, today);
    report.findings = applied.findings;
    report.findings.extend(applied.extra);
    report.sort_findings();
    let doubtful = |check: &str, report: &Report| {
        partly.contains(check) || report.extras.verdicts.as_ref().is_some_and(|verdicts| verdicts.any(check, 'u'))
    };
    let unsure: BTreeSet<String> =
        report.items.iter().map(|item| item.subject.clone()).filter(|check| doubtful(check, report)).collect();
    for item in report.items.iter_mut().filter(|item| item.outcome == Outcome::Fail) {
        let accepted = applied.suppressed.iter().filter(|one| one.finding.check == item.subject).count();
        if accepted > 0 && !report.findings.iter().any(|finding| finding.check == item.subject) {
            // Nothing else may be known of what could not be looked at.
            (item.outcome, item.verdict, item.next) = match unsure.contains(&item.subject) {
                true => (Outcome::Unknown, "unknown", item.next.take()),
                false => (Outcome::Pass, "accepted", None),
            };
            item.detail = Text::new(
                format!("{}（受容 {accepted} 件）", item.detail.ja),
                format!("{} ({accepted} accepted)", item.detail.en),
            );
        }
    }
    if let Some(verdicts) = &mut report.extras.verdicts {
        applied.suppressed.iter().for_each(|suppressed| verdicts.suppress(&suppressed.finding));
    }
    report.extras.suppressed = applied.suppressed;
}
