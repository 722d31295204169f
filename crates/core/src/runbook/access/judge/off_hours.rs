//! Do people read secrets when nobody works?

use std::collections::BTreeMap;

use super::view::{Read, View, number};
use super::{Answer, Kind, Unusual, clean, few};
use crate::model::{Severity, Text};

pub(super) const KIND: Kind = Kind {
    id: "access-off-hours",
    severity: Severity::Low,
    title: Text::fixed("業務時間外に人がシークレットを取得していない", "People read secrets in business hours only"),
    remediation: Text::fixed(
        "当番や障害対応の記録と突き合わせ、覚えがなければ本人の認証情報を無効にする",
        "Compare with the on-call and incident log; if nobody knows of it, disable that person's credentials",
    ),
    runbook: "R04",
};

pub(super) fn judge(view: &View<'_>) -> Answer {
    let hours = view.settings.hours;
    let mut by_principal: BTreeMap<&str, Vec<&Read<'_>>> = BTreeMap::new();
    // Who was refused is told as such.
    let at_night = |read: &&Read<'_>| {
        read.access.by_person && read.access.error.is_none() && !hours.contain(read.access.at, view.zone)
    };
    for read in view.recent.iter().filter(at_night) {
        by_principal.entry(&read.access.principal).or_default().push(read);
    }
    let told = |(principal, reads): (&str, Vec<&Read<'_>>)| {
        let number = number(reads.iter().copied());
        let first = reads[0].access.at.to_zoned(view.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let from = few(reads.iter().map(|read| read.access.source.as_deref().unwrap_or("?")));
        let secrets = view.names(reads.iter().map(|read| read.target));
        Unusual {
            severity: KIND.severity,
            subject: clean(principal),
            arn: None,
            detail: Text::new(
                format!("業務時間（平日 {hours}）外の取得 {number} 回（最初 {first}、送信元 {from}、対象 {secrets}）"),
                format!(
                    "{number} reads outside of Monday to Friday {hours} (the first {first}; from {from}; of {secrets})"
                ),
            ),
        }
    };
    Ok(Some(by_principal.into_iter().map(told).collect()))
}
