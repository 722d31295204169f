use super::*;
use crate::checks::tests::{FUNCTION, fine};
use crate::model::{Invoker, Record, RotationEvent, RotationFunction, RotationRules, RotationStep, Rotations, Version};

const POLICY: PolicyDays = PolicyDays { max_age: 90, due_within: 1, grace: 1, pending_hours: 24 };
const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:s-AbCdEf";

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T00:00:00Z")
}

fn rotated(last: &str, next: &str) -> Secret {
    Secret {
        name: "s".into(),
        arn: ARN.into(),
        rotation_enabled: Some(true),
        created_date: Some(at("2020-01-01T00:00:00Z")),
        last_rotated_date: Some(at(last)),
        next_rotation_date: Some(at(next)),
        ..Secret::default()
    }
}

fn judged(secret: &Secret, surroundings: &Surroundings) -> Result<RotationVerdict, Gap> {
    judge_rotation(secret, "ap-northeast-1", POLICY, surroundings, now())
}

fn judge(secret: &Secret) -> &'static str {
    judged(secret, &fine()).unwrap().word()
}

fn events(events: &[(&str, RotationStep)]) -> Surroundings {
    let events = events.iter().map(|(time, step)| RotationEvent {
        at: at(time),
        step: *step,
        secret_id: ARN.into(),
        error: Some(format!("error of {time}")),
    });
    Surroundings { rotations: Ok(Rotations::new(at("2026-08-24T00:00:00Z"), now(), events)), ..fine() }
}

/// A current version of that date.
fn written(secret: Secret, date: &str) -> Secret {
    let version = Version { version_id: "v1".into(), created_date: Some(at(date)), ..Version::default() };
    let stages = [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into();
    Secret { versions: vec![version], version_ids_to_stages: stages, ..secret }
}

fn waiting_since(secret: Secret, date: &str) -> Secret {
    let mut secret = secret;
    secret.version_ids_to_stages.insert("v2".into(), vec!["AWSPENDING".into()]);
    secret.versions.push(Version { version_id: "v2".into(), created_date: Some(at(date)), ..Version::default() });
    secret
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
fn it_is_overdue_only_when_the_window_has_closed() {
    let rules = |duration: Option<&str>| RotationRules {
        schedule_expression: Some("cron(0 16 21 * ? *)".into()),
        duration: duration.map(Into::into),
        ..RotationRules::default()
    };
    for (rules, next, want) in [
        (rules(None), "2026-11-21T16:00:00Z", "due"),
        (rules(Some("8h")), "2026-11-21T16:00:00Z", "due"),
        (rules(Some("7h")), "2026-11-21T16:00:00Z", "overdue"),
        (rules(None), "2026-11-21T15:59:59Z", "overdue"),
    ] {
        let secret = Secret { rotation_rules: Some(rules.clone()), ..rotated("2026-10-21T16:30:00Z", next) };
        assert_eq!(judge(&secret), want, "{rules:?} {next}");
    }
    // AWS gives no date: the plan follows from the rules.
    let dateless = Secret {
        next_rotation_date: None,
        rotation_rules: Some(rules(None)),
        ..rotated("2026-10-21T16:30:00Z", "2026-11-21T16:00:00Z")
    };
    assert_eq!(judged(&dateless, &fine()).unwrap(), RotationVerdict::Due { next: now() }, "open until midnight");
    let early = Secret { last_rotated_date: Some(at("2026-10-21T15:59:59Z")), ..dateless.clone() };
    assert_eq!(
        judged(&early, &fine()).unwrap(),
        RotationVerdict::Overdue { days: 31, limit: OverdueBy::Schedule },
        "one by hand, a second before the window, leaves that window to come"
    );
    let odd = Secret {
        rotation_rules: Some(RotationRules { schedule_expression: Some("cron(x)".into()), ..RotationRules::default() }),
        ..dateless
    };
    assert_eq!(judged(&odd, &fine()).unwrap_err().reason, GapReason::Malformed);
}

#[test]
fn policy_is_judged_to_the_second_and_yields_to_a_longer_interval() {
    let far = "2027-06-01T00:00:00Z";
    for (last, want) in [("2026-08-24T00:00:00Z", "on-time"), ("2026-08-23T23:59:59Z", "overdue")] {
        assert_eq!(judge(&rotated(last, far)), want, "{last}");
        assert_eq!(judge(&written(rotated("2026-11-01T00:00:00Z", far), last)), want, "the value decides, {last}");
    }
    let old = "2026-08-23T23:59:59Z";
    assert_eq!(judge(&written(rotated(old, far), "2026-11-01T00:00:00Z")), "on-time", "written by hand since");
    let mut yearly = rotated(old, far);
    yearly.rotation_rules = Some(RotationRules { automatically_after_days: Some(365), ..Default::default() });
    assert_eq!(judge(&yearly), "on-time", "its own interval is longer");
}

#[test]
fn overdue_counts_whole_days() {
    for (next, want) in [("2026-11-21T00:00:01Z", 0), ("2026-11-21T00:00:00Z", 1), ("2026-11-12T00:00:00Z", 10)] {
        let verdict = judged(&rotated("2026-11-01T00:00:00Z", next), &fine()).unwrap();
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
    assert_eq!(judged(&secret, &fine()).unwrap_err().reason, GapReason::Malformed);
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
fn a_version_waits_and_then_is_stuck() {
    let fresh = || written(rotated("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"), "2026-11-01T00:00:00Z");
    let mut done = fresh();
    done.version_ids_to_stages = [("v1".to_owned(), vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()])].into();
    assert_eq!(judge(&done), "on-time", "a finished rotation may leave the label on the current version");
    for (date, want) in [("2026-11-21T00:00:00Z", "pending"), ("2026-11-20T23:59:59Z", "stuck-pending")] {
        assert_eq!(judge(&waiting_since(fresh(), date)), want, "{date}");
    }
    // The version's date was not read, and the start of the attempt was.
    let mut undated = waiting_since(fresh(), "2026-11-21T00:00:00Z");
    undated.versions.clear();
    assert_eq!(judged(&undated, &fine()).unwrap_err().what, "secretsmanager:ListSecretVersionIds");
    for (started, want) in [("2026-11-21T00:00:00Z", "pending"), ("2026-11-20T23:59:59Z", "stuck-pending")] {
        let known = events(&[(started, RotationStep::Started)]);
        assert_eq!(judged(&undated, &known).unwrap().word(), want, "{started}");
    }
    undated.next_rotation_date = Some(at("2026-11-21T00:00:00Z"));
    assert_eq!(judge(&undated), "overdue", "which is so, stuck or not");
}

#[test]
fn the_last_finished_attempt_decides() {
    use RotationStep::{Abandoned, Failed, Started, Succeeded};
    let secret = rotated("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let failing = |since: &str, last: &str| RotationVerdict::Failing {
        since: at(since),
        error: Some(format!("error of {last}")),
    };
    let (first, second, third) = ("2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z", "2026-11-20T03:00:00Z");
    for (seen, want) in [
        (vec![(first, Failed)], Some(failing(first, first))),
        (vec![(first, Started), (first, Failed)], Some(failing(first, first))),
        (vec![(second, Failed), (first, Failed)], Some(failing(first, second))),
        (vec![(first, Failed), (second, Started)], Some(failing(first, first))),
        (vec![(first, Failed), (second, Succeeded)], None),
        (vec![(first, Failed), (second, Succeeded), (third, Failed)], Some(failing(third, third))),
        (vec![(first, Failed), (second, Abandoned)], Some(RotationVerdict::Abandoned { since: at(second) })),
        (vec![(first, Abandoned), (second, Failed)], Some(failing(second, second))),
        (vec![("2026-11-01T00:00:00Z", Failed)], None),
        (vec![("2026-11-01T00:00:01Z", Failed)], Some(failing("2026-11-01T00:00:01Z", "2026-11-01T00:00:01Z"))),
        (vec![(first, Started)], None),
    ] {
        let verdict = judged(&secret, &events(&seen)).unwrap();
        let on_time = RotationVerdict::OnTime { next: Some(at("2026-12-01T00:00:00Z")) };
        assert_eq!(verdict, want.unwrap_or(on_time), "{seen:?}");
    }
    // Of a secret that had this name before.
    let young = Secret { created_date: Some(at("2026-11-20T01:00:01Z")), last_rotated_date: None, ..secret.clone() };
    assert_eq!(judged(&young, &events(&[(first, Failed)])).unwrap().word(), "new");
    let unread = Surroundings { rotations: Err(crate::model::unread("cloudtrail:LookupEvents")), ..fine() };
    assert_eq!(judged(&secret, &unread).unwrap().word(), "on-time", "by its dates");
}

#[test]
fn the_cause_comes_before_what_follows_from_it() {
    let all = Secret {
        rotation_lambda_arn: Some(FUNCTION.into()),
        ..waiting_since(
            written(rotated("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), "2026-01-01T00:00:00Z"),
            "2026-11-01T00:00:00Z",
        )
    };
    let mut around = events(&[("2026-11-20T01:00:00Z", RotationStep::Failed)]);
    around.functions.insert(FUNCTION.into(), Ok(RotationFunction::Missing));
    assert_eq!(judged(&all, &around).unwrap(), RotationVerdict::LambdaMissing { arn: FUNCTION.into() });
    let there = |state: &str, invocable| RotationFunction::There {
        state: Some(state.into()),
        role: None,
        invocable: Ok(invocable),
    };
    for (function, state) in
        [(there("Active", vec![]), None), (there("Failed", vec![Invoker::default()]), Some("Failed".to_owned()))]
    {
        around.functions.insert(FUNCTION.into(), Ok(function));
        let want = RotationVerdict::LambdaNotInvocable { arn: FUNCTION.into(), state };
        assert_eq!(judged(&all, &around).unwrap(), want);
    }
    around.functions.clear();
    assert_eq!(judged(&all, &around).unwrap().word(), "failing", "a function that was not looked at is no verdict");
    around.rotations = fine().rotations;
    assert_eq!(judged(&all, &around).unwrap().word(), "stuck-pending");
    let settled = Secret { versions: vec![], version_ids_to_stages: Default::default(), ..all };
    assert_eq!(judged(&settled, &around).unwrap().word(), "overdue");
}

#[test]
fn records_of_rotations_and_of_nothing_else() {
    let record = |json: &str| serde_json::from_str::<Record>(json).unwrap();
    let full = r#"{"eventTime":"2026-11-22T02:17:48Z","eventSource":"secretsmanager.amazonaws.com","eventName":"RotationFailed",
        "errorMessage":"Error when executing\n lambda","additionalEventData":{"SecretId":"s"}}"#;
    let want = RotationEvent {
        at: at("2026-11-22T02:17:48Z"),
        step: RotationStep::Failed,
        secret_id: "s".into(),
        error: Some("Error when executing lambda".into()),
    };
    assert_eq!(rotation_event(&record(full)), Some(want));
    for name in ["TestRotationFailed", "TestRotationSucceeded", "RotateSecret", "rotationfailed", ""] {
        assert_eq!(rotation_event(&record(&full.replace("RotationFailed", name))), None, "{name}");
    }
    for (from, to) in [
        ("secretsmanager.amazonaws.com", "other.amazonaws.com"),
        ("2026-11-22T02:17:48Z", "yesterday"),
        ("SecretId", "Nothing"),
    ] {
        assert_eq!(rotation_event(&record(&full.replace(from, to))), None, "{to}");
    }
    let long = full.replace("lambda", &"あ\\u0007".repeat(500));
    let error = rotation_event(&record(&long)).unwrap().error.unwrap();
    assert!(error.chars().count() == LONGEST && !error.contains(char::is_control), "{error}");
}

const LONGEST: usize = 300;

#[test]
fn the_rate_of_no_rotation_is_no_rate() {
    use RotationStep::{Abandoned, Failed, Started, Succeeded};
    let rate = |seen: &[(&str, RotationStep)]| success_rate(events(seen).rotations.as_ref().unwrap());
    let t = "2026-11-20T01:00:00Z";
    assert_eq!(rate(&[]).percent(), None);
    assert_eq!(rate(&[(t, Started), (t, Abandoned)]).percent(), None);
    let some = rate(&[(t, Succeeded), (t, Succeeded), (t, Succeeded), (t, Failed), (t, Abandoned), (t, Started)]);
    assert_eq!((some.succeeded, some.failed, some.abandoned, some.percent()), (3, 1, 1, Some(75.0)));
    // Only of the time of which both were read.
    let mut cut = events(&[(t, Failed), ("2026-11-21T00:00:00Z", Succeeded)]).rotations.unwrap();
    cut.successes_truncated_at = Some(at("2026-11-21T00:00:00Z"));
    assert_eq!((success_rate(&cut).from, success_rate(&cut).percent()), (at("2026-11-21T00:00:00Z"), Some(100.0)));
}

#[test]
fn a_secret_finds_its_events_by_every_id() {
    let event = |id: &str, second: i64| RotationEvent {
        at: Timestamp::from_second(second).unwrap(),
        step: RotationStep::Failed,
        secret_id: id.into(),
        error: None,
    };
    let partial = ARN.strip_suffix("-AbCdEf").unwrap();
    let rotations =
        Rotations::new(now(), now(), [event(ARN, 3), event("s", 1), event(partial, 2), event("t", 4), event("", 5)]);
    let seconds = |name, arn| rotations.of(name, arn).iter().map(|event| event.at.as_second()).collect::<Vec<_>>();
    assert_eq!(seconds("s", ARN), [1, 2, 3]);
    assert_eq!(seconds("t", ""), [4, 5]);
    assert_eq!(seconds("x", "short"), [0; 0]);
}
