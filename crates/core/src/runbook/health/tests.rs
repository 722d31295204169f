use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use aws_sdk_secretsmanager::operation::describe_secret::{DescribeSecretError, DescribeSecretOutput};
use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::aws::mocked::aws;
use crate::model::{Coverage, Outcome};

const VALUE: &str = "CANARY-VALUE-DO-NOT-LEAK";

fn settings() -> HealthSettings {
    HealthSettings {
        secrets: vec!["hidden-name".into()],
        canary: "canary".into(),
        key: "alias/k".into(),
        cache_seconds: 5,
    }
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn described(name: &str) -> aws_sdk_secretsmanager::operation::describe_secret::builders::DescribeSecretOutputBuilder {
    DescribeSecretOutput::builder().name(name).version_ids_to_stages("v1", vec!["AWSCURRENT".into()])
}

fn key(state: KeyState) -> aws_sdk_kms::Client {
    let rule = mock!(aws_sdk_kms::Client::describe_key).then_output(move || {
        let key = KeyMetadata::builder().key_id("k").arn("arn:key/k").key_state(state.clone()).build().unwrap();
        DescribeKeyOutput::builder().key_metadata(key).build()
    });
    mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&rule])
}

async fn health(secret: DescribeSecretOutput, state: KeyState) -> Health {
    let describe = mock!(aws_sdk_secretsmanager::Client::describe_secret).then_output(move || secret.clone());
    let value = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_string(VALUE).build());
    let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&describe, &value]);
    run(&aws().with_secrets_manager(secrets).with_kms(key(state)), &settings(), now()).await
}

#[tokio::test]
async fn all_well_and_no_value_anywhere() {
    let health = health(described("hidden-name").build(), KeyState::Enabled).await;
    assert_eq!((health.state(), health.http_status()), (State::Pass, 200));
    for text in [health.to_json(true).to_string(), health.to_json(false).to_string(), format!("{health:?}")] {
        assert!(!text.contains(VALUE));
    }
    let report = health.to_report("ap-northeast-1");
    assert_eq!((report.status(), report.coverage), (crate::model::Status::Ok, Coverage { wanted: 3, seen: 3 }));
}

#[tokio::test]
async fn what_an_application_could_not_read_fails() {
    let deleted = described("hidden-name").deleted_date(aws_smithy_types::DateTime::from_secs(1)).build();
    let valueless = DescribeSecretOutput::builder().name("hidden-name").build();
    for (secret, state, want) in [
        (deleted, KeyState::Enabled, "scheduled for deletion; its value cannot be read"),
        (valueless, KeyState::Enabled, "no version is labelled AWSCURRENT; it has no value to read"),
        (described("hidden-name").build(), KeyState::Disabled, "the key's state is Disabled"),
        (described("hidden-name").build(), KeyState::PendingDeletion, "the key's state is PendingDeletion"),
    ] {
        let health = health(secret, state).await;
        assert_eq!(health.http_status(), 503);
        let outputs: Vec<&str> = health.probes.iter().filter_map(|probe| probe.output.as_deref()).collect();
        assert_eq!(outputs, [want]);
        assert_eq!(health.to_report("r").status(), crate::model::Status::Findings);
    }
}

#[tokio::test]
async fn the_public_answer_names_nothing() {
    let health = health(DescribeSecretOutput::builder().name("hidden-name").build(), KeyState::Enabled).await;
    let public = health.to_json(false).to_string();
    for hidden in ["hidden-name", "alias/k", "AWSCURRENT", "output", "componentId"] {
        assert!(!public.contains(hidden), "{hidden} in {public}");
    }
    let mut health = health;
    for probe in &mut health.probes {
        probe.millis = 7;
    }
    insta::assert_json_snapshot!("public", health.to_json(false));
    insta::assert_json_snapshot!("detail", health.to_json(true));
}

#[tokio::test]
async fn each_key_is_asked_for_once() {
    let describe = mock!(aws_sdk_secretsmanager::Client::describe_secret)
        .then_output(|| described("hidden-name").kms_key_id("arn:key/other").build());
    let value = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_string(VALUE).build());
    let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&describe, &value]);
    let rule = mock!(aws_sdk_kms::Client::describe_key).then_output(|| {
        let key = KeyMetadata::builder().key_id("k").arn("arn:key/k").key_state(KeyState::Enabled).build().unwrap();
        DescribeKeyOutput::builder().key_metadata(key).build()
    });
    let kms = mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&rule]);
    let settings = HealthSettings { secrets: vec!["hidden-name".into(), "two".into(), "three".into()], ..settings() };
    let health = run(&aws().with_secrets_manager(secrets).with_kms(kms), &settings, now()).await;
    assert_eq!(rule.num_calls(), 2, "the configured key and the one that all three secrets are under");
    assert_eq!(health.probes.len(), 3 + 1 + 2);
}

async fn with_errors(code: &'static str, status: u16) -> Health {
    let respond = move || {
        aws_smithy_runtime_api::http::Response::new(
            status.try_into().unwrap(),
            format!(r#"{{"__type":"{code}","message":"no"}}"#).into(),
        )
    };
    let describe = mock!(aws_sdk_secretsmanager::Client::describe_secret).then_http_response(respond);
    let value = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_string(VALUE).build());
    let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&describe, &value], |config| config
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled()));
    run(&aws().with_secrets_manager(secrets).with_kms(key(KeyState::Enabled)), &settings(), now()).await
}

#[tokio::test]
async fn what_was_not_seen_is_never_a_pass() {
    for (code, status, state, gap) in [
        ("AccessDeniedException", 400, State::Fail, Some(GapReason::Denied)),
        ("ThrottlingException", 400, State::Warn, Some(GapReason::Throttled)),
        ("InternalServiceError", 500, State::Fail, Some(GapReason::Unavailable)),
        ("ResourceNotFoundException", 400, State::Fail, None),
    ] {
        let health = with_errors(code, status).await;
        let probe = &health.probes[0];
        assert_eq!((probe.state, probe.gap), (state, gap), "{code}");
        let report = health.to_report("r");
        assert_eq!(report.items[0].outcome, if gap.is_some() { Outcome::Unknown } else { Outcome::Fail }, "{code}");
    }
}

#[tokio::test]
async fn the_cache_spares_calls_and_expires() {
    let describe =
        mock!(aws_sdk_secretsmanager::Client::describe_secret).then_output(|| described("hidden-name").build());
    let value = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_string(VALUE).build());
    let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&describe, &value]);
    let aws = aws().with_secrets_manager(secrets).with_kms(key(KeyState::Enabled));
    let mut cache = Cache::default();
    for (millis, calls) in [(0, 1), (4_999, 1), (5_000, 2), (5_001, 2), (-1, 3)] {
        let at = now() + jiff::SignedDuration::from_millis(millis);
        cache.get(&aws, &settings(), at).await;
        assert_eq!(value.num_calls(), calls, "after {millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_aws_is_answered_for_within_three_seconds() {
    let start = Instant::now();
    let (took, answer) = timed(std::future::pending::<Result<(), AwsError>>(), start + BUDGET).await;
    let probe = Probe::of(SECRET, "hidden-name", took, answer, |()| Ok(()));
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!((probe.state, probe.gap), (State::Fail, Some(GapReason::TimedOut)));
    assert_eq!(probe.output.as_deref(), Some("no answer within 2500 ms"));
}

#[test]
fn slow_is_a_warning() {
    for (millis, want) in [(1_000, State::Pass), (1_001, State::Warn)] {
        let probe = Probe::of(SECRET, "hidden-name", Duration::from_millis(millis), Ok(()), |()| Ok(()));
        assert_eq!(probe.state, want, "{millis}");
    }
}

#[tokio::test]
async fn the_error_that_a_value_gives_says_nothing_of_the_value() {
    let describe = mock!(aws_sdk_secretsmanager::Client::describe_secret)
        .then_error(|| DescribeSecretError::generic(ErrorMetadata::builder().code("AccessDeniedException").build()));
    let value = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
        GetSecretValueError::generic(ErrorMetadata::builder().code("DecryptionFailure").message("no").build())
    });
    let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&describe, &value]);
    let health = run(&aws().with_secrets_manager(secrets).with_kms(key(KeyState::Enabled)), &settings(), now()).await;
    let canary = health.probes.iter().find(|probe| probe.kind == CANARY).unwrap();
    assert_eq!(canary.output.as_deref(), Some("secretsmanager:GetSecretValue: DecryptionFailure: no"));
}
