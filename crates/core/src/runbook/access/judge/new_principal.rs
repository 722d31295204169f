//! Who reads a secret that never read it before?

use std::collections::{BTreeMap, HashSet};

use super::view::{Read, View, number};
use super::{Answer, Kind, Unusual, few};
use crate::model::{Severity, Text};

pub(super) const KIND: Kind = Kind {
    id: "access-new-principal",
    severity: Severity::Medium,
    title: Text::fixed("既存シークレットを新しい主体が取得していない", "No new principal reads an old secret"),
    remediation: Text::fixed(
        "変更作業（デプロイ・権限追加）と突き合わせ、予定にない主体なら権限を外しシークレットをローテーションする",
        "Compare with planned changes; where the principal is not part of one, take its permission away and rotate the secret",
    ),
    runbook: "R04",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let Some(baseline) = view.baseline_of_secrets()? else { return Ok(None) };
    // Who was refused has not become known by it.
    let read = |read: &&Read<'_>| read.access.error.is_none();
    let known: HashSet<_> = view.past.iter().filter(read).map(|read| (read.target, &*read.access.principal)).collect();
    let mut by_secret: BTreeMap<usize, Vec<&Read<'_>>> = BTreeMap::new();
    for read in view.recent.iter().filter(read) {
        if let Some(secret) = view.old_secret(read.target, baseline)
            && !known.contains(&(read.target, &*read.access.principal))
        {
            by_secret.entry(secret).or_default().push(read);
        }
    }
    let told = |(secret, reads): (usize, Vec<&Read<'_>>)| {
        let number = number(reads.iter().copied());
        let who = few(reads.iter().map(|read| &*read.access.principal));
        let from = few(reads.iter().map(|read| read.access.source.as_deref().unwrap_or("?")));
        let first = reads[0].access.at;
        Unusual {
            severity: KIND.severity,
            subject: view.secrets[secret].name.to_owned(),
            arn: Some(view.secrets[secret].arn.to_owned()),
            detail: Text::new(
                format!("{baseline} からの基準期間にない主体: {who}（取得 {number} 回、最初 {first}、送信元 {from}）"),
                format!(
                    "not once in the baseline from {baseline}: {who} ({number} reads, the first at {first}, from {from})"
                ),
            ),
        }
    };
    Ok(Some(by_secret.into_iter().map(told).collect()))
}
