use serde_json::{Value, json};
use tokio::time::Duration;

use super::*;
use crate::aws::Class;
use crate::aws::fake::{Fault, Shared, World, clients};
use crate::model::{Coverage, Outcome, Record, RotationRules, Secret, Status, Version};

const FUNCTION: &str = "arn:aws:lambda:ap-northeast-1:123456789012:function:rot";

fn rotation() -> RotationSettings {
    RotationSettings::read(&|_| None).unwrap()
}

fn settings() -> Settings {
    let topic = "arn:aws:sns:ap-northeast-1:123456789012:alerts";
    Settings::read(&|name| match name {
        "SECRETS_OPS_TOPIC_ARN" => Some(topic.to_owned()),
        "SECRETS_OPS_LANG" => Some("en".to_owned()),
        _ => None,
    })
    .unwrap()
}

fn named(names: &[&str], faults: Vec<Fault>) -> World {
    World { secrets: names.iter().map(|name| (*name).to_owned()).collect(), faults, ..World::default() }
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Three secrets that rotate with one function, each rotated on the first of the month and next due in December.
fn estate(faults: Vec<Fault>, trail: Vec<Value>) -> World {
    let mut world = World { faults, trail, ..World::default() };
    world.estate.functions.insert(FUNCTION.to_owned());
    for name in ["a", "b", "c"] {
        let secret = Secret {
            name: name.into(),
            rotation_enabled: Some(true),
            rotation_lambda_arn: Some(FUNCTION.into()),
            rotation_rules: Some(RotationRules { automatically_after_days: Some(30), ..RotationRules::default() }),
            last_rotated_date: at("2026-11-01T00:00:00Z"),
            next_rotation_date: at("2026-12-01T23:59:59Z"),
            version_ids_to_stages: [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into(),
            versions: vec![Version {
                version_id: "v1".into(),
                created_date: at("2026-11-01T00:00:00Z"),
                ..Version::default()
            }],
            ..Secret::default()
        };
        world.estate.add(secret, None);
    }
    world
}

fn record(name: &str, secret: &str, time: &str) -> Value {
    json!({"eventSource": "secretsmanager.amazonaws.com", "eventName": name, "eventTime": time,
        "eventID": format!("{name}-{secret}-{time}"), "errorMessage": "Error during setSecret step",
        "additionalEventData": {"SecretId": crate::aws::fake::arn(secret)}})
}

fn verdicts(report: &Report) -> Vec<(&str, &str, Outcome)> {
    report.items.iter().map(|item| (item.subject.as_str(), item.verdict, item.outcome)).collect()
}

fn calls(shared: &Shared, operation: &str) -> usize {
    shared.lock().unwrap().calls.get(operation).copied().unwrap_or_default()
}

#[tokio::test]
async fn every_secret_gets_a_verdict() {
    let (aws, shared) = clients(named(&["c", "a", "b"], vec![]));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!(verdicts(&report), ["a", "b", "c"].map(|name| (name, "disabled", Outcome::Fail)));
    assert_eq!((report.status(), report.coverage), (Status::Findings, Coverage { wanted: 3, seen: 3 }));
    assert_eq!(calls(&shared, "ListSecrets"), 2, "a page of two and a page of one");
    assert_eq!((calls(&shared, "ListSecretVersionIds"), calls(&shared, "GetPolicy")), (0, 0), "nothing rotates");
}

#[tokio::test]
async fn all_sources_are_read_once_and_joined() {
    let trail = vec![
        record("RotationStarted", "a", "2026-11-20T00:00:00Z"),
        record("RotationFailed", "a", "2026-11-20T00:01:00Z"),
        record("RotationFailed", "a", "2026-11-20T00:01:00Z"),
        record("TestRotationFailed", "b", "2026-11-20T00:01:00Z"),
        record("RotationSucceeded", "b", "2026-11-01T00:00:00Z"),
        record("RotationAbandoned", "c", "2026-11-21T00:00:00Z"),
    ];
    let (aws, shared) = clients(estate(vec![], trail));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!(
        verdicts(&report),
        [("a", "failing", Outcome::Fail), ("b", "on-time", Outcome::Pass), ("c", "abandoned", Outcome::Fail)]
    );
    assert_eq!((report.status(), report.gaps.len()), (Status::Findings, 0));
    let findings: Vec<_> = report.findings.iter().map(|finding| (finding.check, finding.subject.as_str())).collect();
    assert_eq!(findings, [("rotation-succeeding", "a"), ("rotation-succeeding", "c")]);
    assert_eq!((calls(&shared, "GetFunctionConfiguration"), calls(&shared, "GetPolicy")), (1, 1), "one function");
    assert_eq!((calls(&shared, "ListSecretVersionIds"), calls(&shared, "DescribeSecret")), (3, 0));
    // A page each, two of RotationFailed.
    assert_eq!(calls(&shared, "LookupEvents"), 5);
    assert_eq!(
        report.extras.tables[0].rows,
        [["2026-08-24T00:00:00Z", "2026-11-22T00:00:00Z", "1", "1", "1", "50.0"].map(str::to_owned).to_vec()],
        "a record that came twice counts once"
    );
}

#[tokio::test]
async fn the_answer_has_the_figures_of_the_rate_only_where_there_is_one() {
    let trail = vec![record("RotationSucceeded", "b", "2026-11-01T00:00:00Z")];
    for (trail, want) in
        [(trail, Some(1)), (vec![], None), (vec![record("RotationAbandoned", "b", "2026-11-01T00:00:00Z")], None)]
    {
        let (aws, _) = clients(estate(vec![], trail));
        let answer = run(&aws, &settings(), &rotation(), now(), soon()).await.unwrap();
        assert_eq!(answer.counts.get(SUCCEEDED).copied(), want);
        assert_eq!(answer.counts.get(FAILED_ATTEMPTS).copied(), want.map(|_| 0));
    }
    let denied = Fault::of("LookupEvents", "", "AccessDeniedException", 400);
    let (aws, _) = clients(estate(vec![denied], vec![record("RotationSucceeded", "b", "2026-11-01T00:00:00Z")]));
    let answer = run(&aws, &settings(), &rotation(), now(), soon()).await.unwrap();
    assert_eq!((answer.counts.get(SUCCEEDED), answer.status), (None, Status::Incomplete));
}

/// Each source refuses in turn: nothing of it turns into a pass, and what the others say is still told.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_a_gap_and_no_pass() {
    for (operation, about, code, status, reason, unknown) in [
        ("LookupEvents", "", "AccessDeniedException", 400, GapReason::Denied, 3),
        ("LookupEvents", "RotationStarted", "InvalidLookupAttributesException", 400, GapReason::Malformed, 3),
        ("LookupEvents", "RotationFailed", "ThrottlingException", 400, GapReason::Deadline, 3),
        ("ListSecretVersionIds", ":secret:b-", "AccessDeniedException", 400, GapReason::Denied, 1),
        ("ListSecretVersionIds", ":secret:b-", "ResourceNotFoundException", 400, GapReason::Vanished, 1),
        ("ListSecretVersionIds", ":secret:b-", "ThrottlingException", 400, GapReason::Deadline, 1),
        ("ListSecretVersionIds", ":secret:b-", "InternalServiceError", 500, GapReason::Deadline, 1),
        ("GetFunctionConfiguration", "", "AccessDeniedException", 403, GapReason::Denied, 3),
        ("GetFunctionConfiguration", "", "ServiceException", 500, GapReason::Deadline, 3),
        ("GetPolicy", "", "AccessDeniedException", 403, GapReason::Denied, 3),
    ] {
        let fault = Fault::of(operation, about, code, status);
        let (aws, _) = clients(estate(vec![fault], vec![]));
        let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
        let case = format!("{operation} {code}");
        assert_eq!((report.status(), report.gaps.len()), (Status::Incomplete, 1), "{case} {:?}", report.gaps);
        assert_eq!((report.gaps[0].reason, report.findings.len()), (reason, 0), "{case}");
        assert_eq!(report.coverage, Coverage { wanted: 3, seen: 3 - unknown }, "{case}");
        let seen = report.items.iter().filter(|item| item.outcome == Outcome::Unknown && item.verdict == "on-time");
        assert_eq!(seen.count() as u64, unknown, "{case}: told by its dates, and yet unknown");
    }
}

#[tokio::test]
async fn a_function_that_is_gone_is_no_gap() {
    let mut world = estate(vec![], vec![]);
    world.estate.functions.clear();
    let (aws, _) = clients(world);
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!(verdicts(&report), ["a", "b", "c"].map(|name| (name, "lambda-missing", Outcome::Fail)));
    assert_eq!(report.status(), Status::Findings);
    let (aws, _) = clients(estate(vec![Fault::of("GetPolicy", "", "ResourceNotFoundException", 404)], vec![]));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!(verdicts(&report), ["a", "b", "c"].map(|name| (name, "lambda-not-invocable", Outcome::Fail)));
}

#[tokio::test]
async fn a_record_that_names_nobody_may_be_anybodys_failure() {
    let mut odd = record("RotationFailed", "a", "2026-11-20T00:00:00Z");
    odd["additionalEventData"] = Value::Null;
    let (aws, _) = clients(estate(vec![], vec![odd]));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!(verdicts(&report), ["a", "b", "c"].map(|name| (name, "on-time", Outcome::Unknown)));
    assert_eq!((report.gaps.len(), report.gaps[0].reason), (1, GapReason::Malformed));
}

#[tokio::test]
async fn failures_come_out_of_the_page_budget_first() {
    let day = |day: u32| format!("2026-11-{day:02}T00:00:00Z");
    let mut trail: Vec<Value> = (2..=20).map(|n| record("RotationSucceeded", "b", &day(n))).collect();
    trail.extend((2..=4).map(|n| record("RotationFailed", "x", &day(n))));
    let (aws, shared) = clients(World { trail, ..World::default() });
    let from = at("2026-08-24T00:00:00Z").unwrap();
    // Three of failures, one that finds no abandoned one, and four of nineteen successes.
    let found = events(&aws, from, now(), 8, soon()).await.unwrap();
    assert_eq!(calls(&shared, "LookupEvents"), 8);
    assert_eq!((found.truncated_at, found.successes_truncated_at), (None, Some(now())), "starts were not looked up");
    let found = events(&aws, from, now(), 2, soon()).await.unwrap();
    assert_eq!(found.truncated_at, Some(now()), "abandoned ones were not looked up");
    let found = events(&aws, from, now(), 24, soon()).await.unwrap();
    assert_eq!((found.truncated_at, found.successes_truncated_at), (None, None));
    assert_eq!(found.events.values().map(Vec::len).sum::<usize>(), 22);
}

#[tokio::test]
async fn half_a_list_is_an_error() {
    let denied = Fault::of("ListSecrets", "2", "AccessDeniedException", 400);
    let (aws, _) = clients(named(&["a", "b", "c"], vec![denied]));
    let JobError::Aws(error) = check(&aws, &rotation(), now(), soon()).await.unwrap_err() else { panic!() };
    assert_eq!((error.operation, error.class), ("secretsmanager:ListSecrets", Class::Denied));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_a_gap() {
    let slow = Fault::of("ListSecrets", "2", "ThrottlingException", 400);
    let (aws, _) = clients(named(&["a", "b", "c"], vec![slow]));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!((report.items.len(), report.gaps[0].reason), (2, GapReason::Deadline));
    assert_eq!((report.status(), report.coverage), (Status::Incomplete, Coverage { wanted: 3, seen: 2 }));
}

#[tokio::test]
async fn no_secret_at_all_is_not_all_well() {
    let (aws, _) = clients(named(&[], vec![]));
    let report = check(&aws, &rotation(), now(), soon()).await.unwrap();
    assert_eq!((report.status(), report.gaps[0].reason), (Status::Incomplete, GapReason::NoData));
}

async fn told(world: World, record: &Value) -> (Answer, Vec<(String, String)>, Shared) {
    let (aws, shared) = clients(world);
    let record: Record = serde_json::from_value(record.clone()).unwrap();
    let answer = run_failed(&aws, &settings(), &rotation(), Some(&record), now(), soon()).await.unwrap();
    let notices = shared.lock().unwrap().notices.clone();
    (answer, notices, shared)
}

#[tokio::test]
async fn a_failed_rotation_is_told_at_once_with_its_secret_its_error_and_what_to_do() {
    let failed = record("RotationFailed", "b", "2026-11-21T23:00:00Z");
    let (answer, notices, shared) = told(estate(vec![], vec![]), &failed).await;
    assert_eq!((answer.status, answer.artefacts.len(), notices.len()), (Status::Findings, 2, 1));
    let (subject, body) = &notices[0];
    assert!(subject.contains("rotation-failed"), "{subject}");
    for part in ["b", "2026-11-21 23:00 UTC", "Error during setSecret step", "aws logs tail", "rotate-secret"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert_eq!((calls(&shared, "ListSecrets"), calls(&shared, "LookupEvents")), (0, 0), "one secret, and no search");
    let abandoned = record("RotationAbandoned", "b", "2026-11-21T23:00:00Z");
    let (_, notices, _) = told(estate(vec![], vec![]), &abandoned).await;
    assert!(notices[0].1.contains("abandoned"), "{}", notices[0].1);
}

#[tokio::test]
async fn a_failed_rotation_is_told_whatever_else_cannot_be_read() {
    let failed = record("RotationFailed", "b", "2026-11-21T23:00:00Z");
    for fault in [
        Fault::of("DescribeSecret", "", "AccessDeniedException", 400),
        Fault::of("DescribeSecret", "", "ResourceNotFoundException", 400),
        Fault::of("ListSecretVersionIds", "", "AccessDeniedException", 400),
        Fault::of("GetFunctionConfiguration", "", "AccessDeniedException", 403),
    ] {
        let case = format!("{fault:?}");
        let (answer, notices, _) = told(estate(vec![fault], vec![]), &failed).await;
        assert_eq!((answer.status, notices.len()), (Status::Incomplete, 1), "{case}");
        assert!(notices[0].1.contains("Error during setSecret step"), "{case}: {}", notices[0].1);
    }
    let mut nobodys = failed.clone();
    nobodys["additionalEventData"] = Value::Null;
    let (answer, notices, _) = told(estate(vec![], vec![]), &nobodys).await;
    assert_eq!((answer.status, notices.len()), (Status::Incomplete, 1), "it does not say whose, and is told");
}

#[tokio::test]
async fn a_managed_secret_is_told_too_and_one_that_has_been_rotated_since_is_not() {
    let failed = record("RotationFailed", "b", "2026-11-21T23:00:00Z");
    let mut world = estate(vec![], vec![]);
    world.estate.secrets.get_mut("b").unwrap().secret.owning_service = Some("rds".into());
    assert_eq!(told(world, &failed).await.1.len(), 1);
    for (rotated, notices) in [("2026-11-21T22:59:59Z", 1), ("2026-11-21T23:00:00Z", 0)] {
        let mut world = estate(vec![], vec![]);
        world.estate.secrets.get_mut("b").unwrap().secret.last_rotated_date = at(rotated);
        assert_eq!(told(world, &failed).await.1.len(), notices, "{rotated}");
    }
}

#[tokio::test]
async fn a_test_of_rotation_is_no_rotation() {
    for name in ["TestRotationFailed", "RotationSucceeded", "RotationStarted"] {
        let (answer, notices, shared) = told(estate(vec![], vec![]), &record(name, "b", "2026-11-21T23:00:00Z")).await;
        assert_eq!((answer.status, answer.success, answer.artefacts.len(), notices.len()), (Status::Ok, true, 0, 0));
        assert_eq!(calls(&shared, "DescribeSecret"), 0, "{name}");
    }
    let (aws, _) = clients(estate(vec![], vec![]));
    let error = run_failed(&aws, &settings(), &rotation(), None, now(), soon()).await.unwrap_err();
    assert_eq!(error.error_type(), "SecretsOps.BadEvent");
}
