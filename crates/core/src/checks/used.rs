//! Somebody still reads the value.

use super::{Check, Subject, Verdict, usage};
use crate::model::{Gap, Severity, Text};

pub(super) const CHECK: Check = Check {
    id: "used",
    severity: Severity::Medium,
    title: Text::fixed("使用されている", "In use"),
    remediation: Text::fixed(
        "所有者に要否を確認し、バックアップを取ったうえで `aws secretsmanager delete-secret --secret-id ARN --recovery-window-in-days 30`。レプリカがあれば先に外す。期間中の読み取りは deletion-untouched が知らせる",
        "Ask the owner; once a backup is there, `aws secretsmanager delete-secret --secret-id ARN --recovery-window-in-days 30`, after removing replicas. deletion-untouched tells of reads meanwhile",
    ),
    control: Some("SecretsManager.3"),
    runbook: "R19",
    rule,
};

fn rule(subject: &Subject<'_>) -> Result<Verdict, Gap> {
    usage::judge(subject, subject.around.limits.unused)
}
