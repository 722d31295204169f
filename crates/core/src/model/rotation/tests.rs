use super::*;
use crate::model::RotationRules;

const POLICY: PolicyDays = PolicyDays { max_age: 90, due_within: 1, grace: 1 };

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T00:00:00Z")
}

fn rotated(last: &str, next: &str) -> Secret {
    Secret {
        name: "s".into(),
        rotation_enabled: Some(true),
        created_date: Some(at("2020-01-01T00:00:00Z")),
        last_rotated_date: Some(at(last)),
        next_rotation_date: Some(at(next)),
        ..Secret::default()
    }
}

fn judge(secret: &Secret) -> &'static str {
    judge_rotation(secret, "ap-northeast-1", POLICY, now()).unwrap().word()
}

#[test]
fn schedule_is_judged_to_the_second() {
    for (next, want) in [
        ("2026-11-21T23:59:59Z", "overdue"),
        ("2026-11-22T00:00:00Z", "due"),
        ("2026-11-22T00:00:01Z", "due"),
        ("2026-11-23T00:00:00Z", "due"),
        ("2026-11-23T00:00:01Z", "on-time"),
    ] {
        assert_eq!(judge(&rotated("2026-11-01T00:00:00Z", next)), want, "{next}");
    }
}

#[test]
fn policy_is_judged_to_the_second_and_yields_to_a_longer_interval() {
    let far = "2027-06-01T00:00:00Z";
    assert_eq!(judge(&rotated("2026-08-24T00:00:00Z", far)), "on-time", "exactly 90 days");
    assert_eq!(judge(&rotated("2026-08-23T23:59:59Z", far)), "overdue", "a second more");
    let mut yearly = rotated("2026-08-23T23:59:59Z", far);
    yearly.rotation_rules = Some(RotationRules { automatically_after_days: Some(365), ..Default::default() });
    assert_eq!(judge(&yearly), "on-time", "its own interval is longer");
}

#[test]
fn overdue_counts_whole_days() {
    for (next, want) in [("2026-11-21T00:00:01Z", 0), ("2026-11-21T00:00:00Z", 1), ("2026-11-12T00:00:00Z", 10)] {
        let verdict = judge_rotation(&rotated("2026-11-01T00:00:00Z", next), "ap-northeast-1", POLICY, now()).unwrap();
        assert_eq!(verdict, RotationVerdict::Overdue { days: want, limit: OverdueBy::Schedule }, "{next}");
    }
}

#[test]
fn never_is_not_long_ago() {
    let mut secret = Secret { name: "s".into(), rotation_enabled: Some(true), ..Secret::default() };
    for (created, want) in [("2026-11-21T00:00:00Z", "new"), ("2026-11-20T23:59:59Z", "never-ran")] {
        secret.created_date = Some(at(created));
        assert_eq!(judge(&secret), want, "{created}");
    }
    secret.next_rotation_date = Some(at("2026-12-01T00:00:00Z"));
    assert_eq!(judge(&secret), "new", "AWS planned its first rotation for later");
    secret.next_rotation_date = Some(at("2026-11-21T23:59:59Z"));
    assert_eq!(judge(&secret), "never-ran", "more than overdue: it has never worked");
    secret.next_rotation_date = None;
    secret.created_date = None;
    let gap = judge_rotation(&secret, "ap-northeast-1", POLICY, now()).unwrap_err();
    assert_eq!(gap.reason, GapReason::Malformed);
}

#[test]
fn who_rotates_decides_before_when() {
    let late = rotated("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z");
    assert_eq!(judge(&late), "overdue");
    assert_eq!(judge(&Secret { primary_region: Some("us-east-1".into()), ..late.clone() }), "replica");
    assert_eq!(judge(&Secret { primary_region: Some("ap-northeast-1".into()), ..late.clone() }), "overdue");
    assert_eq!(judge(&Secret { owning_service: Some("rds".into()), ..late.clone() }), "managed");
    assert_eq!(judge(&Secret { deleted_date: Some(now()), ..late.clone() }), "pending-deletion");
    assert_eq!(judge(&Secret { rotation_enabled: Some(false), ..late.clone() }), "disabled");
    let exempt = |key: &str, value: &str| Secret {
        rotation_enabled: None,
        tags: [(key.to_owned(), value.to_owned())].into(),
        ..late.clone()
    };
    assert_eq!(judge(&exempt("secrets-ops:rotation", "not-required")), "not-required");
    assert_eq!(judge(&exempt("secrets-ops:rotation", "required")), "disabled");
    let on = Secret { rotation_enabled: Some(true), ..exempt("secrets-ops:rotation", "not-required") };
    assert_eq!(judge(&on), "overdue", "what is on must work, needed or not");
    assert_eq!(judge(&Secret { rotation_enabled: None, ..late }), "disabled");
}

#[test]
fn a_pending_version_matters_only_beside_the_current_one() {
    let mut secret = rotated("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    secret.version_ids_to_stages = [("v1".to_owned(), vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()])].into();
    assert_eq!(judge(&secret), "on-time", "a finished rotation may leave the label on the current version");
    secret.version_ids_to_stages =
        [("v1".to_owned(), vec!["AWSCURRENT".to_owned()]), ("v2".to_owned(), vec!["AWSPENDING".to_owned()])].into();
    assert_eq!(judge(&secret), "pending");
}
