//! Has the account's root user read secrets?

use std::collections::BTreeMap;

use super::view::View;
use super::{Answer, Kind, Unusual, clean, few};
use crate::model::{Access, Severity, Text};

pub(super) const KIND: Kind = Kind {
    id: "access-root",
    severity: Severity::Critical,
    title: Text::fixed("ルートユーザーがシークレットを取得していない", "The root user reads no secret"),
    remediation: Text::fixed(
        "本人の操作か確認し、違えばルートの認証情報を直ちに変更する。ルートのアクセスキーは削除する",
        "Ask whether it was meant; if not, change root's credentials at once. Delete root's access keys",
    ),
    runbook: "R04",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let mut by_principal: BTreeMap<&str, Vec<&Access>> = BTreeMap::new();
    for access in view.recent_calls.iter().filter(|access| access.kind.as_deref() == Some("Root")) {
        by_principal.entry(&access.principal).or_default().push(access);
    }
    let told = |(principal, calls): (&str, Vec<&Access>)| {
        let number: u64 = calls.iter().map(|access| access.count).sum();
        let from = few(calls.iter().map(|access| access.source.as_deref().unwrap_or("?")));
        Unusual {
            severity: KIND.severity,
            subject: clean(principal),
            arn: None,
            detail: Text::new(
                format!("ルートユーザーによる取得 {number} 回（送信元 {from}）"),
                format!("{number} reads by the account's root user (from {from})"),
            ),
        }
    };
    Ok(Some(by_principal.into_iter().map(told).collect()))
}
