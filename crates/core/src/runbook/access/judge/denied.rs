//! Who was refused a secret?

use std::collections::BTreeMap;

use super::view::{Read, View, number};
use super::{Answer, Kind, Unusual, clean, few};
use crate::model::{Severity, Text, is_denial};

pub(super) const KIND: Kind = Kind {
    id: "access-denied",
    severity: Severity::High,
    title: Text::fixed("拒否された取得がない", "No read is denied"),
    remediation: Text::fixed(
        "想定された呼び出し元なら権限を直し、想定外ならその認証情報を無効にして経路を調べる",
        "Mend the permission where the caller is meant to read; otherwise disable its credentials and find out how it came",
    ),
    runbook: "R41",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let mut by_principal: BTreeMap<&str, Vec<&Read<'_>>> = BTreeMap::new();
    for read in view.recent.iter().filter(|read| read.access.error.as_deref().is_some_and(is_denial)) {
        by_principal.entry(&read.access.principal).or_default().push(read);
    }
    let told = |(principal, reads): (&str, Vec<&Read<'_>>)| {
        let number = number(reads.iter().copied());
        let from = few(reads.iter().map(|read| read.access.source.as_deref().unwrap_or("?")));
        let secrets = view.names(reads.iter().map(|read| read.target));
        Unusual {
            severity: KIND.severity,
            subject: clean(principal),
            arn: None,
            detail: Text::new(
                format!("拒否された取得 {number} 回（送信元 {from}、対象 {secrets}）"),
                format!("{number} reads denied (from {from}; of {secrets})"),
            ),
        }
    };
    Ok(Some(by_principal.into_iter().map(told).collect()))
}
