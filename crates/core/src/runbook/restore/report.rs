//! A restore's plan, and what came of it, as reports.

use std::collections::BTreeMap;

use super::apply::Applied;
use super::step::{RestorePlan, Step};
use crate::model::{Coverage, Extras, Finding, Gap, Item, Outcome, Report, Severity, Text};
use crate::runbook::plan::State;

/// What the plan would do. `file`: where it was written, if it was.
pub fn planned(plan: &RestorePlan, file: Option<&str>) -> Report {
    let items: Vec<Item> = by_object(&plan.steps)
        .into_iter()
        .map(|(object, steps)| {
            let actions: Vec<&str> = steps.iter().map(|step| step.action.name()).collect();
            let detail = actions.join(", ");
            item(object, Outcome::NotApplicable, "planned", Text::new(detail.clone(), detail))
        })
        .chain((plan.context.equal > 0).then(|| {
            let equal = plan.context.equal;
            let text =
                Text::new(format!("{equal} 件は一致しており変更なし"), format!("{equal} are equal: nothing to do"));
            item("", Outcome::Pass, "equal", text)
        }))
        .collect();
    let mut findings = Vec::new();
    if !plan.steps.is_empty() {
        let (number, hash) = (plan.steps.len(), &plan.hash);
        let file = file.unwrap_or("FILE");
        findings.push(Finding {
            check: "restore-planned",
            severity: Severity::Low,
            subject: plan.context.backup.clone(),
            detail: Text::new(
                format!("{number} 手順。期限 {}。ハッシュ {hash}", plan.expires),
                format!("{number} steps, to be applied before {}; hash {hash}", plan.expires),
            ),
            remediation: Text::new(
                format!("手順を読み、`secrets-ops restore apply {file}` で承認して実行する"),
                format!("Read the steps, then approve and apply them with `secrets-ops restore apply {file}`"),
            ),
            arn: None,
        });
    }
    let report = left(plan, findings);
    Report {
        schema: "secrets-ops/restore-plan-report/v1",
        title: Text::fixed("復元計画", "Restore plan"),
        as_of: plan.created,
        region: plan.region.clone(),
        items,
        coverage: Coverage {
            wanted: plan.context.secrets,
            seen: plan.context.secrets.saturating_sub(report.1.len() as u64),
        },
        findings: report.0,
        gaps: report.1,
        extras: Extras::default(),
    }
}

/// What the plan leaves to a person, behind what is there already.
fn left(plan: &RestorePlan, mut findings: Vec<Finding>) -> (Vec<Finding>, Vec<Gap>) {
    let left = &plan.context.left;
    let mut told: Vec<&super::Left> = left.iter().filter(|left| left.gap().is_none()).collect();
    // Worst first, and what has the same cause together.
    told.sort_by_key(|left| (std::cmp::Reverse(left.finding().severity), left.reason));
    findings.extend(told.into_iter().map(super::Left::finding));
    (findings, left.iter().filter_map(super::Left::gap).collect())
}

/// What was done, and what a person must still do.
pub fn applied(plan: &RestorePlan, applied: &[Applied], now: jiff::Timestamp) -> Report {
    let states: BTreeMap<u64, &Applied> = applied.iter().map(|step| (step.number, step)).collect();
    let state = |step: &Step| states.get(&step.number).map_or(State::Skipped, |applied| applied.state);
    let items = by_object(&plan.steps)
        .into_iter()
        .map(|(object, steps)| {
            let worst = steps.iter().map(|step| state(step)).max_by_key(|state| rank(*state)).unwrap_or(State::Skipped);
            let told: Vec<String> =
                steps.iter().map(|step| format!("{} {}", step.action.name(), word(state(step)))).collect();
            let outcome = if rank(worst) < rank(State::Skipped) { Outcome::Pass } else { Outcome::Fail };
            item(object, outcome, word(worst), Text::new(told.join(", "), told.join(", ")))
        })
        .collect();
    let undone = plan.steps.iter().filter_map(|step| {
        let applied = states.get(&step.number)?;
        if matches!(applied.state, State::Done | State::Already | State::Begun) {
            return None;
        }
        let (number, action, state) = (step.number, step.action.name(), word(applied.state));
        let told = format!("step {number} {action} {state}: {}", applied.detail);
        Some(Finding {
            check: "restore-undone",
            severity: Severity::High,
            subject: step.object.clone(),
            detail: Text::new(told.clone(), told),
            remediation: Text::fixed(
                "原因を直し、同じ計画をもう一度適用する（済んだ手順は飛ばされる）。対象が計画後に変わっていたら、計画を作り直す",
                "Mend the cause and apply the same plan again (what is done is passed over); if the object has changed since, plan anew",
            ), arn: None })
    });
    let (findings, gaps) = left(plan, undone.collect());
    let done = applied.iter().filter(|step| matches!(step.state, State::Done | State::Already)).count() as u64;
    Report {
        schema: "secrets-ops/restore-apply/v1",
        title: Text::fixed("復元の実行結果", "Restore"),
        as_of: now,
        region: plan.region.clone(),
        items,
        findings,
        gaps,
        coverage: Coverage { wanted: plan.steps.len() as u64, seen: done },
        extras: Extras::default(),
    }
}

fn by_object(steps: &[Step]) -> Vec<(&str, Vec<&Step>)> {
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        let group = groups.entry(&step.object).or_default();
        if group.is_empty() {
            order.push(&step.object);
        }
        group.push(step);
    }
    order.into_iter().map(|object| (object, groups.remove(object).unwrap_or_default())).collect()
}

fn item(subject: &str, outcome: Outcome, verdict: &'static str, detail: Text) -> Item {
    Item { subject: subject.to_owned(), title: None, runbook: Some("R39"), outcome, verdict, detail, next: None }
}

/// Worse is more.
const fn rank(state: State) -> u8 {
    match state {
        State::Already => 0,
        State::Done => 1,
        State::Skipped => 2,
        State::Begun => 3,
        State::Refused => 4,
        State::Failed => 5,
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Begun => "begun",
        State::Done => "done",
        State::Already => "already",
        State::Refused => "refused",
        State::Failed => "failed",
        State::Skipped => "skipped",
    }
}
