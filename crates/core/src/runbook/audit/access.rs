//! R04: what is unusual in a day's reads of secrets. Pure: events in, findings out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::aws::cloudtrail::{Event, Identity};
use crate::model::{Severity, Text};

/// The runbook's window for a burst.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// What is unusual: subject, severity and fact.
pub(super) fn unusual(events: &[Event], burst_calls: usize) -> Vec<(String, Severity, Text)> {
    let mut by_caller: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_caller.entry(caller(&event.user_identity)).or_default().push(event);
    }
    let mut found = Vec::new();
    for (caller, events) in by_caller {
        found.extend(denied(&events).map(|text| (caller.clone(), Severity::High, text)));
        found.extend(burst(&events, burst_calls).map(|text| (caller.clone(), Severity::Medium, text)));
        found.extend(root(&events).map(|text| (caller.clone(), Severity::Critical, text)));
    }
    found
}

/// The role rather than the session, so that one function's sessions count as one caller.
fn caller(identity: &Identity) -> String {
    let Some(arn) = &identity.arn else {
        let parts = [&identity.invoked_by, &identity.account_id, &identity.kind];
        return parts.into_iter().flatten().next().cloned().unwrap_or_else(|| "unknown".to_owned());
    };
    match arn.split_once(":assumed-role/") {
        Some((head, rest)) => {
            format!("{head}:assumed-role/{}", rest.split_once('/').map_or(rest, |(role, _)| role))
        }
        None => arn.clone(),
    }
}

/// CloudTrail writes AccessDenied, APIs AccessDeniedException.
fn denied(events: &[&Event]) -> Option<Text> {
    let is_denied = |event: &&&Event| event.error_code.as_deref().is_some_and(|code| code.starts_with("AccessDenied"));
    let number = events.iter().filter(is_denied).count();
    let mut sources: Vec<&str> =
        events.iter().filter(is_denied).map(|event| event.source.as_deref().unwrap_or("?")).collect();
    sources.sort_unstable();
    sources.dedup();
    let from = sources.join(", ");
    (number > 0).then(|| {
        Text::new(
            format!("拒否された取得 {number} 回（送信元 {from}）"),
            format!("{number} reads denied (from {from})"),
        )
    })
}

fn burst(events: &[&Event], limit: usize) -> Option<Text> {
    let mut times: Vec<Timestamp> = events.iter().filter_map(|event| event.event_time).collect();
    times.sort_unstable();
    let (mut first, mut most, mut since) = (0, 0, None);
    for (last, at) in times.iter().enumerate() {
        while at.duration_since(times[first]) >= WINDOW {
            first += 1;
        }
        if last - first + 1 > most {
            most = last - first + 1;
            since = Some(times[first]);
        }
    }
    let since = since.filter(|_| most > limit)?;
    Some(Text::new(
        format!("{since} から 5 分間に {most} 回の取得（上限 {limit} 回）"),
        format!("{most} reads within five minutes from {since} (limit {limit})"),
    ))
}

fn root(events: &[&Event]) -> Option<Text> {
    let number = events.iter().filter(|event| event.user_identity.kind.as_deref() == Some("Root")).count();
    (number > 0).then(|| {
        Text::new(format!("ルートユーザーによる取得 {number} 回"), format!("{number} reads by the account's root user"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    fn read_at(seconds: i64) -> Event {
        Event {
            event_time: Timestamp::from_second(seconds).ok(),
            user_identity: Identity {
                arn: Some("arn:aws:sts::123456789012:assumed-role/app/session".into()),
                ..Identity::default()
            },
            ..Event::default()
        }
    }

    #[test]
    fn a_burst_is_more_than_the_limit_within_five_minutes() {
        let steady = |number: i64, gap: i64| (0..number).map(|n| read_at(n * gap)).collect::<Vec<_>>();
        assert_eq!(unusual(&steady(100, 1), 100), [], "exactly the limit");
        assert_eq!(unusual(&steady(101, 1), 100).len(), 1, "one more");
        assert_eq!(unusual(&steady(1000, 3), 100), [], "100 in each window of 300 s");
        let mut edge = steady(100, 1);
        edge.push(read_at(300));
        assert_eq!(unusual(&edge, 100), [], "the window is half open: 0 s and 300 s are not in the same one");
        edge.push(read_at(299));
        assert_eq!(unusual(&edge, 100).len(), 1);
    }

    #[test]
    fn sessions_of_one_role_are_one_caller() {
        let mut events: Vec<Event> = (0..101).map(read_at).collect();
        for (n, event) in events.iter_mut().enumerate() {
            event.user_identity.arn = Some(format!("arn:aws:sts::123456789012:assumed-role/app/s{n}"));
        }
        let found = unusual(&events, 100);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "arn:aws:sts::123456789012:assumed-role/app");
    }

    #[test]
    fn denials_in_all_spellings_and_root_are_found() {
        let base = |code: &str, kind: &str, arn: &str| {
            event(&format!(
                r#"{{"eventTime":"2026-11-22T00:00:00Z","errorCode":"{code}","sourceIPAddress":"203.0.113.9",
                    "requestParameters":null,"userIdentity":{{"type":"{kind}","arn":"{arn}"}},"unknown":[1]}}"#
            ))
        };
        let events = [
            base("AccessDenied", "IAMUser", "arn:aws:iam::123456789012:user/eve"),
            base("AccessDeniedException", "IAMUser", "arn:aws:iam::123456789012:user/eve"),
            base("ResourceNotFoundException", "Root", "arn:aws:iam::123456789012:root"),
        ];
        let found = unusual(&events, 100);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0.as_str(), found[0].1), ("arn:aws:iam::123456789012:root", Severity::Critical));
        assert_eq!(found[1].2.en, "2 reads denied (from 203.0.113.9)");
    }

    #[test]
    fn records_with_almost_nothing_in_them_are_counted_all_the_same() {
        let bare = event(r#"{"errorCode":"AccessDenied"}"#);
        let service = event(r#"{"errorCode":"AccessDenied","userIdentity":{"invokedBy":"rds.amazonaws.com"}}"#);
        let found = unusual(&[bare, service], 100);
        let callers: Vec<&str> = found.iter().map(|(caller, _, _)| caller.as_str()).collect();
        assert_eq!(callers, ["rds.amazonaws.com", "unknown"]);
    }
}
