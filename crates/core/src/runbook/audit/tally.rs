//! Judges secret after secret by all checks, and keeps what is to be told: counts, findings, gaps and a letter for each
//! verdict.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::{Around, Check, Subject, Verdict, evaluate, finding};
use crate::model::{
    Coverage, Finding, Gap, Item, KeyFacts, LastUse, Outcome, Reading, Secret, Surroundings, Table, Text, Verdicts,
};
use crate::runbook::cost::{Unused, billed_copies};
use crate::runbook::keys::key_of;

/// Names that are spelt out where a key takes several secrets down with it.
const MOST_NAMES: usize = 20;

/// The check whose failures cost money each month.
const UNUSED: &str = "used";

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u64,
    failed: u64,
    unknown: u64,
}

/// What the checks have said so far.
pub(super) struct Tally {
    checks: &'static [Check],
    counts: Vec<Counts>,
    /// A letter for each verdict, by secret.
    letters: BTreeMap<String, String>,
    pub(super) findings: Vec<Finding>,
    /// Each is told once, whichever checks run into it.
    pub(super) gaps: BTreeSet<Gap>,
    /// Secrets by key: how many, and the first names.
    by_key: BTreeMap<String, (u64, Vec<String>)>,
    /// What unused secrets are billed for each month.
    unused_months: u64,
    /// Tags of secrets that suppress something.
    pub(super) suppressing: BTreeMap<String, BTreeMap<String, String>>,
}

impl Tally {
    pub(super) fn new(checks: &'static [Check]) -> Self {
        Self {
            checks,
            counts: vec![Counts::default(); checks.len()],
            letters: BTreeMap::new(),
            unused_months: 0,
            findings: Vec::new(),
            gaps: BTreeSet::new(),
            by_key: BTreeMap::new(),
            suppressing: BTreeMap::new(),
        }
    }

    pub(super) fn judge(&mut self, secret: &Secret, gaps: &[Gap], around: &Around<'_>) {
        self.gaps.extend(gaps.iter().cloned());
        let subject = Subject::new(secret, gaps, around);
        let mut letters = String::with_capacity(self.checks.len());
        for (index, (check, verdict)) in evaluate(self.checks, &subject).enumerate() {
            let counts = &mut self.counts[index];
            letters.push(match verdict {
                Ok(Verdict::Pass) => {
                    counts.passed += 1;
                    'p'
                }
                Ok(Verdict::Fail(detail)) => {
                    counts.failed += 1;
                    if check.id == UNUSED {
                        self.unused_months += billed_copies(secret);
                    }
                    self.findings.push(finding(check, secret, detail));
                    'f'
                }
                Ok(Verdict::NotApplicable) => '-',
                Err(gap) => {
                    counts.unknown += 1;
                    self.gaps.insert(gap);
                    'u'
                }
            });
        }
        let (number, names) = self.by_key.entry(key_of(secret).to_owned()).or_default();
        *number += 1;
        if names.len() < MOST_NAMES {
            names.push(secret.name.clone());
        }
        if secret.tags.keys().any(|key| key.starts_with("secrets-ops:suppress:")) {
            self.suppressing.insert(secret.name.clone(), secret.tags.clone());
        }
        self.letters.insert(secret.name.clone(), letters);
    }

    /// What unused secrets are billed for each month; `missing` is what keeps the list from being whole.
    ///
    /// # Errors
    /// Where not all secrets were listed.
    pub(super) fn unused(&self, missing: Option<&Gap>) -> Reading<Unused> {
        let unsure = self.checks.iter().position(|check| check.id == UNUSED).map_or(0, |at| self.counts[at].unknown);
        missing.map_or(Ok(Unused { billed: self.unused_months, unsure }), |gap| Err(gap.clone()))
    }

    /// Every verdict so far.
    pub(super) fn verdicts(&self) -> Verdicts {
        Verdicts { checks: self.checks.iter().map(|check| check.id).collect(), secrets: self.letters.clone() }
    }

    /// What would go with each key.
    pub(super) fn keys(&self, surroundings: &Surroundings) -> Table {
        let row = |(id, (number, names)): (&String, &(u64, Vec<String>))| {
            let mut names = names.join(", ");
            if *number > MOST_NAMES as u64 {
                names += &format!(", … ({number})");
            }
            let facts = surroundings.keys.get(id);
            let (state, rotation, used) = match facts {
                Some(Ok(key)) => (key.state.clone(), rotates(key), last_use(key)),
                Some(Err(_)) => ("?".into(), "?".into(), "?".into()),
                None => ("AWS".into(), "○".into(), "-".into()),
            };
            vec![id.clone(), state, rotation, used, number.to_string(), names]
        };
        Table {
            id: "keys",
            title: Text::fixed(
                "キーと、それで暗号化されたシークレット",
                "Keys, and the secrets that would go with them",
            ),
            columns: vec![
                Text::fixed("キー", "Key"),
                Text::fixed("状態", "State"),
                Text::fixed("ローテーション", "Rotates"),
                Text::fixed("最終使用", "Last use"),
                Text::fixed("件数", "Secrets"),
                Text::fixed("シークレット", "Names"),
            ],
            rows: self.by_key.iter().map(row).collect(),
        }
    }

    /// One line for each check.
    pub(super) fn items(&self) -> Vec<Item> {
        self.checks.iter().zip(&self.counts).map(|(check, counts)| item(check, *counts)).collect()
    }

    /// How many verdicts were wanted, and how many could be given.
    pub(super) fn seen(&self) -> Coverage {
        let sum = |part: fn(&Counts) -> u64| self.counts.iter().map(part).sum::<u64>();
        let seen = sum(|counts| counts.passed + counts.failed);
        Coverage { wanted: seen + sum(|counts| counts.unknown), seen }
    }
}

fn rotates(key: &KeyFacts) -> String {
    match &key.rotation {
        Ok(Some(true)) => "○",
        Ok(Some(false)) => "×",
        Ok(None) => "-",
        Err(_) => "?",
    }
    .to_owned()
}

fn last_use(key: &KeyFacts) -> String {
    match &key.last_use {
        Ok(LastUse::At(at)) => at.strftime("%Y-%m-%d").to_string(),
        Ok(LastUse::NotSince(since)) => format!("- ({}~)", since.strftime("%Y-%m-%d")),
        Err(_) => "?".to_owned(),
    }
}

fn item(check: &Check, Counts { passed, failed, unknown }: Counts) -> Item {
    let (outcome, verdict) = match (failed, unknown, passed) {
        (1.., _, _) => (Outcome::Fail, "bad"),
        (0, 1.., _) => (Outcome::Unknown, "unknown"),
        (0, 0, 1..) => (Outcome::Pass, "ok"),
        (0, 0, 0) => (Outcome::NotApplicable, "none"),
    };
    let next = match outcome {
        Outcome::Fail => Some(check.remediation.clone()),
        Outcome::Unknown => Some(Text::fixed(
            "「確認できなかったもの」の理由を取り除いて再実行する",
            "Mend the reasons under \"Could not be looked at\", and run it again",
        )),
        Outcome::Pass | Outcome::NotApplicable => None,
    };
    let detail = match passed + failed + unknown {
        0 => Text::fixed("対象のシークレットがありません", "no secret to which it applies"),
        _ => Text::new(
            format!("正常 {passed} 件、異常 {failed} 件、不明 {unknown} 件"),
            format!("{passed} pass, {failed} fail, {unknown} unknown"),
        ),
    };
    Item {
        subject: check.id.to_owned(),
        title: Some(check.title.clone()),
        runbook: Some(check.runbook),
        outcome,
        verdict,
        detail,
        next,
    }
}
