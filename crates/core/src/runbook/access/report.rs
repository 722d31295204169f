//! The report on reads: a line for each question, what was found, and the figures.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::blind::{self, blind};
use super::judge::{self, Judged, Kind, Known, View, judge};
use super::settings::AccessSettings;
use super::tables::{top_sources, uses};
use crate::model::{Accesses, Coverage, Extras, Finding, Gap, Item, Outcome, Reading, Report, Text, TrailFacts};

/// What a report is made of.
#[derive(Debug)]
pub struct Case<'a> {
    /// The reads of the window.
    pub accesses: &'a Reading<Accesses>,
    /// The trails; `None`: nobody asked, as offline.
    pub trails: Option<&'a Reading<Vec<TrailFacts>>>,
    /// The secrets that there are.
    pub secrets: &'a [Known<'a>],
    /// What is usual.
    pub settings: &'a AccessSettings,
    /// Where the part begins that is judged; what comes before is the baseline.
    pub recent_from: Timestamp,
    /// When the report is made.
    pub now: Timestamp,
    /// The estate's.
    pub region: &'a str,
    /// The clock that people live by.
    pub zone: &'a TimeZone,
}

/// R07's list of the busiest sources.
const TOP: usize = 10;

/// Puts the report together. Pure: all reading has been done.
pub fn report(case: &Case<'_>) -> Report {
    let mut sheet = Sheet::default();
    let mut tables = Vec::new();
    match case.accesses {
        Ok(accesses) => {
            sheet.gaps.extend(accesses.gaps.iter().cloned());
            if accesses.unreadable > 0 {
                sheet.gap(judge::unreadable(accesses));
            }
            let view = View::new(accesses, case.secrets, case.settings, case.recent_from, case.zone);
            for judged in judge(accesses, case.secrets, case.settings, case.recent_from, case.zone) {
                sheet.young = view.left_out(judged.kind);
                sheet.line(judged);
            }
            sheet.young = 0;
            tables.push(top_sources(accesses, TOP));
            tables.extend(uses(&view, case.zone));
            tables.retain(|table| !table.rows.is_empty());
        }
        Err(gap) => {
            for kind in judge::kinds() {
                sheet.line(Judged { kind, answer: Err(gap.clone()) });
            }
        }
    }
    sheet.trails(case.trails);
    let mut report = Report {
        schema: "secrets-ops/access/v1",
        title: title(case),
        as_of: case.now,
        region: case.region.to_owned(),
        items: sheet.items,
        findings: sheet.findings,
        gaps: sheet.gaps,
        coverage: sheet.coverage,
        extras: Extras { tables, ..Extras::default() },
    };
    report.sort_findings();
    report
}

/// What was read, and which part of it is judged.
fn title(case: &Case<'_>) -> Text {
    let day = |at: Timestamp| at.to_zoned(case.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    match case.accesses {
        Ok(accesses) => {
            let reads: u64 = accesses.entries.iter().map(|access| access.count).sum();
            let (from, recent, source) = (day(accesses.from), day(case.recent_from), &accesses.read_from);
            Text::new(
                format!("シークレットの取得 {reads} 件（{from} から、判定対象は {recent} から。出典: {source}）"),
                format!("{reads} reads of secrets (from {from}, judged from {recent}; source: {source})"),
            )
        }
        Err(_) => Text::fixed("シークレットの取得", "Reads of secrets"),
    }
}

#[derive(Default)]
struct Sheet {
    items: Vec<Item>,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
    coverage: Coverage,
    /// Secrets that the line leaves out, having no past to compare with.
    young: usize,
}

impl Sheet {
    /// Several lines may lack the same.
    fn gap(&mut self, gap: Gap) {
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    fn line(&mut self, judged: Judged) {
        let findings = judged.findings();
        let found = match judged.answer {
            Ok(None) => {
                let detail = Text::fixed(
                    "比較する基準期間がない（期間を延ばすと判定する）",
                    "there is no baseline to compare with (a longer window has one)",
                );
                return self.item(judged.kind, Outcome::NotApplicable, "no-baseline", detail);
            }
            Ok(Some(found)) => found.len(),
            Err(gap) => return self.unknown(judged.kind, vec![gap]),
        };
        self.told(judged.kind, findings, found);
    }

    fn trails(&mut self, trails: Option<&Reading<Vec<TrailFacts>>>) {
        let Some(trails) = trails else {
            let detail = Text::fixed("オフラインのため確認していない", "not asked: this report is made of files");
            return self.item(&blind::KIND, Outcome::NotApplicable, "offline", detail);
        };
        let (found, gaps) = blind(trails);
        let findings: Vec<Finding> = found.iter().map(|unusual| unusual.finding(&blind::KIND)).collect();
        if gaps.is_empty() {
            self.told(&blind::KIND, findings, found.len());
        } else {
            self.findings.extend(findings);
            self.unknown(&blind::KIND, gaps);
        }
    }

    fn told(&mut self, kind: &Kind, findings: Vec<Finding>, found: usize) {
        self.coverage.wanted += 1;
        self.coverage.seen += 1;
        self.findings.extend(findings);
        let detail = match self.young {
            young if young > 0 => Text::new(
                format!("検出 {found} 件（基準期間より新しい {young} 件は対象外）"),
                format!("{found} found ({young} secrets are younger than the baseline and not compared)"),
            ),
            _ => Text::new(format!("検出 {found} 件"), format!("{found} found")),
        };
        match found {
            0 => self.item(kind, Outcome::Pass, "ok", detail),
            _ => self.item(kind, Outcome::Fail, "bad", detail),
        }
    }

    fn unknown(&mut self, kind: &Kind, gaps: Vec<Gap>) {
        self.coverage.wanted += 1;
        let detail = gaps.first().map_or_else(
            || Text::fixed("", ""),
            |gap| {
                let reason = gap.reason.text();
                Text::new(format!("{}: {}", reason.ja, gap.detail), format!("{}: {}", reason.en, gap.detail))
            },
        );
        gaps.into_iter().for_each(|gap| self.gap(gap));
        self.item(kind, Outcome::Unknown, "unknown", detail);
    }

    fn item(&mut self, kind: &Kind, outcome: Outcome, verdict: &'static str, detail: Text) {
        let next = match outcome {
            Outcome::Fail => Some(kind.remediation.clone()),
            Outcome::Unknown => self.gaps.last().map(|gap| gap.reason.next()),
            Outcome::Pass | Outcome::NotApplicable => None,
        };
        self.items.push(Item {
            subject: kind.id.to_owned(),
            title: Some(kind.title.clone()),
            runbook: Some(kind.runbook),
            outcome,
            verdict,
            detail,
            next,
        });
    }
}

#[cfg(test)]
mod tests;
