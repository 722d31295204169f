//! Puts the verdicts together into the report.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::no_secrets;
use crate::checks::{self, Around, Subject, Verdict, evaluate, finding};
use crate::model::{
    Coverage, Extras, Finding, Gap, GapReason, Item, Outcome, Reading, Report, Rotations, Secret, SuccessRate, Table,
    Text, Verdicts,
};

/// What has been judged so far.
#[derive(Default)]
pub(super) struct Judged {
    items: Vec<Item>,
    pub(super) findings: Vec<Finding>,
    gaps: Vec<Gap>,
    /// What is missing, and of which secret: told once, with the first reason.
    told: HashSet<(String, String)>,
    coverage: Coverage,
    /// The verdict of each check, so that what is resolved is told from what was not looked at.
    letters: BTreeMap<String, String>,
}

impl Judged {
    fn gap(&mut self, gap: Gap) {
        if self.told.insert((gap.what.clone(), gap.subject.clone())) {
            self.gaps.push(gap);
        }
    }

    /// Whatever of the events could not be read, though no secret may depend on it.
    pub(super) fn note_events(&mut self, rotations: &Reading<Rotations>) {
        match rotations {
            Err(gap) => self.gap(gap.clone()),
            Ok(rotations) if rotations.unreadable > 0 => self.gap(Gap {
                what: "cloudtrail:LookupEvents".into(),
                subject: String::new(),
                reason: GapReason::Malformed,
                detail: format!("{} rotation events name no secret, or could not be read", rotations.unreadable),
            }),
            Ok(_) => {}
        }
    }

    /// The list has more secrets, at least one.
    pub(super) fn cut_off(&mut self, gap: Gap) {
        self.gap(gap);
        // What was not reached must not count as covered.
        self.coverage.wanted += 1;
    }

    /// Judges one secret; `gaps` is what of it could not be read.
    pub(super) fn judge(&mut self, secret: &Secret, gaps: Vec<Gap>, around: &Around<'_>) {
        let subject = Subject::new(secret, &gaps, around);
        let (known, mut unknown) = (self.findings.len(), subject.rotation.is_err());
        let mut letters = String::new();
        for (check, verdict) in evaluate(checks::rotation(), &subject) {
            letters.push(match verdict {
                Ok(Verdict::Fail(detail)) => {
                    self.findings.push(finding(check, secret, detail));
                    'f'
                }
                Ok(Verdict::Pass) => 'p',
                Ok(Verdict::NotApplicable) => '-',
                Err(gap) => {
                    unknown = true;
                    self.gap(gap);
                    'u'
                }
            });
        }
        self.letters.insert(secret.name.clone(), letters);
        self.coverage.wanted += 1;
        self.coverage.seen += u64::from(!unknown);
        let (word, detail) = match &subject.rotation {
            Err(gap) => ("unknown", Text::new(gap.detail.clone(), gap.detail.clone())),
            Ok(verdict) => (verdict.word(), verdict.text()),
        };
        let outcome = match &subject.rotation {
            _ if self.findings.len() > known => Outcome::Fail,
            _ if unknown => Outcome::Unknown,
            Ok(verdict) if verdict.is_aside() => Outcome::NotApplicable,
            _ => Outcome::Pass,
        };
        self.items.push(Item {
            subject: secret.name.clone(),
            title: None,
            runbook: None,
            outcome,
            verdict: word,
            detail,
            next: None,
        });
        for gap in gaps {
            self.gap(gap);
        }
    }

    /// Everything in the order in which it is to be read.
    pub(super) fn into_report(mut self, region: &str, tables: Vec<Table>, now: Timestamp) -> Report {
        if self.items.is_empty() && self.gaps.is_empty() {
            self.gaps.push(no_secrets(region));
        }
        let mut report = Report {
            schema: "secrets-ops/rotation/v1",
            title: Text::fixed("ローテーション確認", "Rotation check"),
            as_of: now,
            region: region.to_owned(),
            items: self.items,
            findings: self.findings,
            gaps: self.gaps,
            coverage: self.coverage,
            extras: Extras {
                tables,
                verdicts: Some(Verdicts {
                    checks: checks::rotation().iter().map(|check| check.id).collect(),
                    secrets: self.letters,
                }),
                ..Extras::default()
            },
        };
        report.items.sort_by(|a, b| a.subject.cmp(&b.subject));
        report.sort_findings();
        report
    }
}

/// The rate with what it is made of: `RotationSucceeded / (RotationSucceeded + RotationFailed)`, tests excluded.
pub(super) fn table(rate: &Reading<SuccessRate>) -> Table {
    let row = match rate {
        Ok(rate) => vec![
            rate.from.to_string(),
            rate.to.to_string(),
            rate.succeeded.to_string(),
            rate.failed.to_string(),
            rate.abandoned.to_string(),
            rate.percent().map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}")),
        ],
        Err(gap) => {
            let unknown = || "?".to_owned();
            vec![unknown(), unknown(), unknown(), unknown(), unknown(), gap.reason.text().en.into_owned()]
        }
    };
    Table {
        id: "rotation-success",
        title: Text::fixed("ローテーション成功率", "Rotation success rate"),
        columns: vec![
            Text::fixed("から", "from"),
            Text::fixed("まで", "to"),
            Text::fixed("成功", "succeeded"),
            Text::fixed("失敗", "failed"),
            Text::fixed("中止", "abandoned"),
            Text::fixed("成功率 %", "success %"),
        ],
        rows: vec![row],
    }
}
