//! Does anybody read far more often than ever before?

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::view::{Read, Target, View};
use super::{Answer, Kind, Unusual, clean};
use crate::model::{Access, Severity, Text};

pub(super) const KIND: Kind = Kind {
    id: "access-burst",
    severity: Severity::Medium,
    title: Text::fixed("取得回数が急増していない", "No burst of reads"),
    remediation: Text::fixed(
        "呼び出し元の不具合（キャッシュ切れ・再起動の繰り返し）か持ち出しかを確認する",
        "Is it a fault of the caller (a cache that is off, restarts in a loop), or somebody carrying secrets away?",
    ),
    runbook: "R04",
};

/// The runbook's window.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// So much more than ever before is a burst.
const TIMES: u64 = 3;
/// Below this, three times as much is no burst but a restart.
const FLOOR: u64 = 20;

/// Reads of one principal, or of one secret by it.
type Series<'a> = BTreeMap<(&'a str, Option<Target<'a>>), Vec<&'a Access>>;

pub(super) fn judge(view: &View<'_>) -> Answer {
    // A baseline that is too short leaves the runbook's limit.
    let baseline = view.baseline().ok().flatten();
    let past = if baseline.is_some() { series(&view.past_calls, &view.past) } else { Series::new() };
    let most_before: HashMap<_, u64> =
        past.into_iter().filter_map(|(key, calls)| Some((key, busiest(&calls)?.0))).collect();
    let mut found = Vec::new();
    let mut told: HashSet<&str> = HashSet::new();
    let mut of_secrets: BTreeMap<Target<'_>, Unusual> = BTreeMap::new();
    // Principals come before their secrets, as `None` comes first.
    for (key, calls) in series(&view.recent_calls, &view.recent) {
        let (principal, target) = key;
        let before = most_before.get(&key).copied();
        let limit = before.map_or(view.settings.burst_calls, |most| FLOOR.max(TIMES.saturating_mul(most)));
        let Some((most, since)) = busiest(&calls).filter(|(most, _)| *most > limit) else { continue };
        let (ja, en) = limit_text(limit, before);
        let name = clean(principal);
        match target {
            None => {
                told.insert(principal);
                found.push(Unusual {
                    severity: KIND.severity,
                    subject: name,
                    arn: None,
                    detail: Text::new(
                        format!("{since} から 5 分間に {most} 回の取得（上限 {ja}）"),
                        format!("{most} reads within five minutes from {since} (limit {en})"),
                    ),
                });
            }
            // What is told of the principal is not told again for each of its secrets.
            Some(_) if told.contains(principal) => {}
            Some(target) => {
                let (subject, arn) = view.told(target);
                of_secrets.entry(target).or_insert_with(|| Unusual {
                    severity: KIND.severity,
                    subject,
                    arn,
                    detail: Text::new(
                        format!("{name} が {since} から 5 分間に {most} 回取得（上限 {ja}）"),
                        format!("{name} read it {most} times within five minutes from {since} (limit {en})"),
                    ),
                });
            }
        }
    }
    found.extend(of_secrets.into_values());
    Ok(Some(found))
}

fn limit_text(limit: u64, before: Option<u64>) -> (String, String) {
    match before {
        Some(most) => (
            format!("{limit} 回 = 基準期間の最多 {most} 回の {TIMES} 倍、最低 {FLOOR} 回"),
            format!("{limit}: {TIMES} times the {most} of its busiest five minutes before, at least {FLOOR}"),
        ),
        None => (format!("{limit} 回 = SECRETS_OPS_BURST_CALLS"), format!("{limit}: SECRETS_OPS_BURST_CALLS")),
    }
}

fn series<'a>(calls: &[&'a Access], reads: &[Read<'a>]) -> Series<'a> {
    let mut series = Series::new();
    for access in calls {
        series.entry((access.principal.as_str(), None)).or_default().push(access);
    }
    for read in reads.iter().filter(|read| read.target != Target::Unnamed) {
        series.entry((read.access.principal.as_str(), Some(read.target))).or_default().push(read.access);
    }
    series
}

/// The most calls within five minutes, and since when. `calls` are oldest first. Sums of five minutes, as Insights gives
/// them, never share a window, because two of them begin five minutes apart.
fn busiest(calls: &[&Access]) -> Option<(u64, Timestamp)> {
    let mut window: VecDeque<&Access> = VecDeque::new();
    let (mut sum, mut best) = (0_u64, None);
    for access in calls {
        while let Some(first) = window.front().filter(|first| access.at.duration_since(first.at) >= WINDOW) {
            sum = sum.saturating_sub(first.count);
            window.pop_front();
        }
        sum = sum.saturating_add(access.count);
        window.push_back(access);
        let since = window.front().map_or(access.at, |first| first.at);
        if best.is_none_or(|(most, _)| sum > most) {
            best = Some((sum, since));
        }
    }
    best
}
