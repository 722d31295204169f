//! Somebody has read the value lately: the runbook's weekly question.

use super::{Check, Subject, Verdict, usage};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "used-recently",
    severity: Severity::Low,
    title: Text::fixed("最近読み取られている", "Read lately"),
    remediation: Text::fixed(
        "所有者に要否を確認する。SECRETS_OPS_UNUSED_DAYS を超えると未使用として扱われる",
        "Ask the owner whether it is still needed; past SECRETS_OPS_UNUSED_DAYS it counts as unused",
    ),
    control: None,
    runbook: "R08",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    usage::judge(subject, subject.around.limits.unused_soon)
}
