//! Does anybody still want a secret that is scheduled for deletion?

use std::collections::BTreeMap;

use super::view::{Read, Target, View, number};
use super::{Answer, Kind, Unusual, few};
use crate::model::{Severity, Text, is_denial};

pub(super) const KIND: Kind = Kind {
    id: "access-marked-for-deletion",
    severity: Severity::High,
    title: Text::fixed(
        "削除予定のシークレットが使われていない",
        "Nobody reads a secret that is scheduled for deletion",
    ),
    remediation: Text::fixed(
        "まだ必要なら復元する: aws secretsmanager restore-secret --secret-id <ARN>。不要なら呼び出し元から参照を外す",
        "Restore it if it is still needed: aws secretsmanager restore-secret --secret-id <ARN>; otherwise mend the caller",
    ),
    runbook: "R04",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let mut by_target: BTreeMap<Target<'_>, Vec<&Read<'_>>> = BTreeMap::new();
    for read in view.recent.iter().filter(|read| is_refused(view, read)) {
        by_target.entry(read.target).or_default().push(read);
    }
    let told = |(target, reads): (Target<'_>, Vec<&Read<'_>>)| {
        let number = number(reads.iter().copied());
        let who = few(reads.iter().map(|read| &*read.access.principal));
        let last = reads[reads.len() - 1].access.at;
        let (subject, arn) = view.told(target);
        Unusual {
            severity: KIND.severity,
            subject,
            arn,
            detail: Text::new(
                format!("削除予定のため失敗した取得 {number} 回（{who}、最後 {last}）"),
                format!("{number} reads failed because it is scheduled for deletion (by {who}, the last at {last})"),
            ),
        }
    };
    Ok(Some(by_target.into_iter().map(told).collect()))
}

/// By AWS's words; and by the secret's own state, because Insights and old records may lack them.
fn is_refused(view: &View<'_>, read: &Read<'_>) -> bool {
    let deleted = matches!(read.target, Target::Secret(place) if view.secrets[place].deleted);
    let failed = read.access.error.as_deref().is_some_and(|code| !is_denial(code));
    read.access.marked_for_deletion || (deleted && failed)
}
