//! Collects what differs, within bounds, and tells it.

use jiff::Timestamp;

use super::super::Summary;
use super::{Scope, Side, incomparable};
use crate::model::{
    Coverage, Difference, Extras, Finding, Gap, GapReason, Item, Outcome, Report, Secret, Severity, Status, Text,
};

/// Secrets, and gaps, that are told one by one.
pub(super) const MOST: usize = 10_000;
/// The most that is told of one secret, in characters.
const MOST_DETAIL: usize = 2_000;

pub(super) struct Tally {
    pub(super) scope: Scope,
    items: Vec<Item>,
    gaps: Vec<Gap>,
    more_items: u64,
    more_gaps: u64,
    changed: u64,
    added: u64,
    removed: u64,
    equal: u64,
    coverage: Coverage,
}

impl Tally {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            items: Vec::new(),
            gaps: Vec::new(),
            more_items: 0,
            more_gaps: 0,
            changed: 0,
            added: 0,
            removed: 0,
            equal: 0,
            coverage: Coverage::default(),
        }
    }

    /// What is missing of a backup itself would look like added or removed.
    pub(super) fn backup(&mut self, name: &str, summary: &Summary, sealed: bool) {
        let gap = |detail| Gap { what: "backup".into(), subject: name.to_owned(), reason: GapReason::NoData, detail };
        if !sealed {
            self.gap(gap("there is no manifest beside it: the backup was never finished".into()));
        }
        if summary.status != Status::Ok {
            let Coverage { wanted, seen } = summary.coverage;
            self.gap(gap(format!("the backup itself is incomplete: {seen} of {wanted} secrets were read whole")));
        }
    }

    pub(super) fn seen(&self) -> u64 {
        self.coverage.seen
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        if self.gaps.len() < MOST {
            self.gaps.push(gap);
        } else {
            self.more_gaps += 1;
        }
    }

    /// Secrets of which nothing can be said.
    pub(super) fn not_reached(&mut self, number: u64) {
        self.coverage.wanted += number;
    }

    fn reached(&mut self, whole: bool) {
        self.coverage.wanted += 1;
        self.coverage.seen += u64::from(whole);
    }

    pub(super) fn added(&mut self, secret: &Secret) {
        self.reached(incomparable(secret, secret).is_empty());
        self.added += 1;
        self.item(&secret.name, "added", || Text::fixed("比較先のみにあります", "only in the second"));
    }

    pub(super) fn removed(&mut self, name: &str) {
        self.reached(true);
        self.removed += 1;
        self.item(name, "removed", || Text::fixed("比較元のみにあります", "only in the first"));
    }

    pub(super) fn compared(&mut self, a: &Secret, b: &Secret, mut found: Vec<Difference>, untold: Side) {
        let unknown = incomparable(a, b);
        self.reached(unknown.is_empty());
        for (secret, which) in [(a, "first"), (b, "second")] {
            if which == "second" && untold == Side::Before {
                continue;
            }
            for property in secret.unread.iter().filter(|property| unknown.contains(property.as_str())) {
                self.gap(Gap {
                    what: property.clone(),
                    subject: a.name.clone(),
                    reason: GapReason::NoData,
                    detail: format!("the {which} backup could not read it"),
                });
            }
        }
        if !self.scope.values {
            found.retain(|difference| !difference.is_value());
        }
        if !found.is_empty() {
            self.changed += 1;
            self.item(&a.name, "changed", || detail(&found));
        } else if unknown.is_empty() {
            self.equal += 1;
        }
    }

    fn item(&mut self, name: &str, verdict: &'static str, detail: impl FnOnce() -> Text) {
        if self.items.len() < MOST {
            let detail = detail();
            self.items.push(line(name.to_owned(), None, Outcome::Fail, verdict, detail));
        } else {
            self.more_items += 1;
        }
    }

    /// Tells it all; the order of the backups' files does not show.
    pub(super) fn report(
        mut self,
        a: &str,
        first: &Summary,
        b: &str,
        second: Option<&Summary>,
        region: &str,
        now: Timestamp,
    ) -> Report {
        self.items.sort_by(|a, b| a.subject.cmp(&b.subject));
        self.gaps.sort_by(|a, b| (&a.subject, &a.what).cmp(&(&b.subject, &b.what)));
        let (changed, added, removed, equal) = (self.changed, self.added, self.removed, self.equal);
        let title = Text::fixed("差分なし", "No difference");
        let number = Text::new(format!("{equal} 件"), equal.to_string());
        self.items.push(line("equal".into(), Some(title), Outcome::Pass, "equal", number));
        if self.more_items > 0 {
            let more = self.more_items;
            let title = Text::fixed("省略", "Not shown");
            let number = Text::new(format!("ほか {more} 件"), format!("{more} more"));
            self.items.push(line("more".into(), Some(title), Outcome::Fail, "more", number));
        }
        if self.more_items > 0 || self.more_gaps > 0 {
            let (items, gaps) = (self.more_items, self.more_gaps);
            self.gaps.push(Gap {
                what: "secrets-ops backup diff".into(),
                subject: String::new(),
                reason: GapReason::Truncated,
                detail: format!("{items} more secrets that differ and {gaps} more gaps are not shown; use --filter"),
            });
        }
        let moment = |summary: &Summary| summary.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (from, to) = (moment(first), moment_of(second, now));
        let subject = format!("{a} -> {b}");
        let finding = Finding {
            check: "backup-differs",
            severity: Severity::Low,
            subject: subject.clone(),
            detail: Text::new(
                format!("変更 {changed} 件、追加 {added} 件、削除 {removed} 件"),
                format!("{changed} changed, {added} added, {removed} removed"),
            ),
            remediation: Text::fixed(
                "意図した変更か確認する。戻す場合は `secrets-ops restore plan` で手順を確認してから実行する",
                "See whether this was meant. To go back, look at what `secrets-ops restore plan` would do, and apply that",
            ),
            arn: None,
        };
        let differs = changed + added + removed > 0;
        Report {
            schema: "secrets-ops/backup-diff/v1",
            title: Text::new(
                format!("バックアップの比較: {a} ({from}) -> {b} ({to})"),
                format!("Backup comparison: {a} ({from}) -> {b} ({to})"),
            ),
            as_of: now,
            region: region.to_owned(),
            items: self.items,
            findings: if differs { vec![finding] } else { Vec::new() },
            gaps: self.gaps,
            coverage: self.coverage,
            extras: Extras::default(),
        }
    }
}

/// When the second state was read; what is live is read now.
fn moment_of(second: Option<&Summary>, now: Timestamp) -> String {
    second.map_or(now, |summary| summary.started).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn line(subject: String, title: Option<Text>, outcome: Outcome, verdict: &'static str, detail: Text) -> Item {
    Item { subject, title, runbook: None, outcome, verdict, detail, next: None }
}

fn detail(found: &[Difference]) -> Text {
    let told = |text: fn(&Text) -> &str, between: &str, cut: &str| {
        let each = |d: &Difference| format!("{}: {} -> {}", d.property, text(&d.before), text(&d.after));
        let all = found.iter().map(each).collect::<Vec<_>>().join(between);
        match all.char_indices().nth(MOST_DETAIL) {
            Some((end, _)) => format!("{}{cut}", &all[..end]),
            None => all,
        }
    };
    Text::new(told(|text| &text.ja, "、", "… (以下省略)"), told(|text| &text.en, "; ", "... (cut)"))
}
