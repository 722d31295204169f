use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::operation::start_query::StartQueryOutput;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;
use aws_sdk_kms::operation::get_key_last_usage::GetKeyLastUsageOutput;
use aws_sdk_kms::operation::get_key_rotation_status::GetKeyRotationStatusOutput;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::*;
use crate::aws::mocked;
use crate::model::{DecryptFailure, GapReason, Record, unread};

const ARN: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/11111111-1111-4111-8111-111111111111";
const ID: &str = "11111111-1111-4111-8111-111111111111";

fn kms() -> (Aws, [Rule; 3]) {
    let describe = mock!(aws_sdk_kms::Client::describe_key)
        .match_requests(|request| request.key_id() != Some("alias/denied"))
        .then_output(|| {
            let key = KeyMetadata::builder().key_id(ID).arn(ARN).key_state(KeyState::Enabled);
            DescribeKeyOutput::builder()
                .key_metadata(key.key_manager(KeyManagerType::Customer).build().unwrap())
                .build()
        });
    let denied = mock!(aws_sdk_kms::Client::describe_key)
        .match_requests(|request| request.key_id() == Some("alias/denied"))
        .then_http_response(|| {
            let body = r#"{"__type":"AccessDeniedException","message":"no"}"#;
            aws_smithy_runtime_api::http::Response::new(400.try_into().unwrap(), body.into())
        });
    let status = mock!(aws_sdk_kms::Client::get_key_rotation_status)
        .match_requests(|request| request.key_id() == Some(ARN))
        .then_output(|| GetKeyRotationStatusOutput::builder().key_rotation_enabled(true).build());
    let usage = mock!(aws_sdk_kms::Client::get_key_last_usage)
        .match_requests(|request| request.key_id() == Some(ARN))
        .then_output(|| GetKeyLastUsageOutput::builder().build());
    let client = mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&describe, &denied, &status, &usage]);
    (mocked::aws().with_kms(client), [describe, status, usage])
}

fn soon() -> Instant {
    Instant::now() + tokio::time::Duration::from_secs(60)
}

#[tokio::test]
async fn a_key_of_several_names_is_asked_once() {
    let (aws, [describe, status, usage]) = kms();
    let alias_arn = "arn:aws:kms:ap-northeast-1:123456789012:alias/x";
    let names: BTreeSet<String> =
        [ARN, ID, "alias/x", alias_arn, "alias/denied"].map(str::to_owned).into_iter().collect();
    let keys = gather(&aws, &names, soon()).await;
    assert_eq!(keys.len(), 5);
    for name in [ARN, ID, "alias/x", alias_arn] {
        let key = keys[name].as_ref().unwrap();
        assert_eq!((key.arn.as_str(), &key.rotation), (ARN, &Ok(Some(true))), "{name}");
        assert_eq!(key.last_use.as_ref().unwrap_err().reason, GapReason::Malformed);
    }
    assert_eq!(keys["alias/denied"].as_ref().unwrap_err().reason, GapReason::Denied);
    assert_eq!((status.num_calls(), usage.num_calls()), (1, 1));
    assert_eq!(describe.num_calls(), 1, "every other name could be told from the first answer");
    assert_eq!(
        serde_json::from_str::<BTreeMap<String, Reading<KeyFacts>>>(&serde_json::to_string(&keys).unwrap()).unwrap(),
        keys
    );
}

#[tokio::test]
async fn keys_of_other_places_are_other_keys() {
    let (aws, [describe, ..]) = kms();
    let names =
        ["alias/x", "arn:aws:kms:us-east-1:123456789012:alias/x", "arn:aws:kms:ap-northeast-1:210987654321:alias/x"];
    gather(&aws, &names.map(str::to_owned).into_iter().collect(), soon()).await;
    assert_eq!(describe.num_calls(), 3);
}

fn key(change: fn(&mut KeyFacts)) -> KeyFacts {
    let mut key = KeyFacts {
        arn: ARN.into(),
        state: "Enabled".into(),
        customer_managed: true,
        deletion_date: None,
        rotation: Ok(Some(true)),
        last_use: Ok(LastUse::At("2026-11-21T00:00:00Z".parse().unwrap())),
    };
    change(&mut key);
    key
}

fn window() -> (Timestamp, Timestamp) {
    ("2026-11-15T00:00:00Z".parse().unwrap(), "2026-11-22T00:00:00Z".parse().unwrap())
}

fn decryptions(failures: Vec<DecryptFailure>) -> DecryptFailures {
    let (from, to) = window();
    DecryptFailures { from, to, read_from: "g".into(), decryptions: 10, truncated: false, failures }
}

/// What is bad or cannot be told, with the English text of the first finding.
fn told(key: Reading<KeyFacts>, failures: Reading<DecryptFailures>) -> Vec<String> {
    let secret =
        Secret { name: "s".into(), arn: "arn-of-s".into(), kms_key_id: Some("alias/x".into()), ..Secret::default() };
    answers(&[("alias/x".to_owned(), key)].into(), &failures, &[secret])
        .into_iter()
        .filter_map(|(question, reply)| match reply {
            Ok(Reply::Found(_, found)) if found.is_empty() => None,
            Ok(Reply::Found(_, found)) => {
                Some(format!("{} {} {}: {}", question.id, found[0].1.name(), found[0].0, found[0].2.en))
            }
            Ok(Reply::Partly(_, found, gaps)) => {
                Some(format!("{} {} found, {} gaps", question.id, found.len(), gaps.len()))
            }
            Ok(other) => panic!("{other:?}"),
            Err(gap) => Some(format!("{} {:?}", question.id, gap.reason)),
        })
        .collect()
}

#[test]
fn health_rotation_and_use_are_three_questions() {
    let one = |change| told(Ok(key(change)), Ok(decryptions(vec![])));
    assert_eq!(one(|_| {}), [""; 0]);
    assert_eq!(
        one(|key| key.state = "Disabled".into()),
        [format!("key-health critical {ARN}: is Disabled; 1 secrets cannot be read: s")]
    );
    assert_eq!(
        one(|key| {
            key.state = "PendingDeletion".into();
            key.deletion_date = "2026-12-01T00:00:00Z".parse().ok();
        }),
        [format!(
            "key-health critical {ARN}: is PendingDeletion, to be deleted at 2026-12-01T00:00:00Z; 1 secrets cannot be read: s"
        )]
    );
    assert_eq!(one(|key| key.state.clear()).len(), 1, "a state that KMS does not tell is not a good one");
    assert_eq!(one(|key| key.rotation = Ok(None)), [""; 0], "imported material");
    assert_eq!(
        one(|key| key.rotation = Ok(Some(false))),
        [format!("key-material-rotates medium {ARN}: KMS does not change its material: rotation is off")]
    );
    assert_eq!(one(|key| key.rotation = Err(unread("x"))), ["key-material-rotates 0 found, 1 gaps"]);
    assert_eq!(one(|key| key.last_use = Err(unread("x"))), ["key-usage 0 found, 1 gaps"]);
    assert!(one(|key| key.last_use = Ok(LastUse::NotSince(Timestamp::UNIX_EPOCH)))[0].starts_with("key-usage low"));
}

#[test]
fn a_key_that_could_not_be_read_passes_nothing() {
    let gap = || Gap { reason: GapReason::Denied, ..unread("kms:DescribeKey") };
    assert_eq!(
        told(Err(gap()), Err(gap())),
        ["key-health Denied", "key-material-rotates Denied", "key-usage Denied", "key-decrypt-failures Denied"]
    );
    let none = answers(&BTreeMap::new(), &Err(gap()), &[]);
    assert!(none.into_iter().all(|(_, reply)| reply.is_err()), "no key at all is not a pass");
}

#[test]
fn failures_are_told_by_the_secrets_name() {
    let failure = |secret: Option<&str>| DecryptFailure {
        secret_arn: secret.map(str::to_owned),
        code: "DisabledException".into(),
        message: Some("is disabled".into()),
        count: 3,
    };
    let one = |secret| told(Ok(key(|_| {})), Ok(decryptions(vec![failure(secret)])));
    assert_eq!(
        one(Some("arn-of-s")),
        ["key-decrypt-failures high s: 3 decryptions failed with DisabledException: is disabled"]
    );
    assert_eq!(one(None), ["key-decrypt-failures high ?: 3 decryptions failed with DisabledException: is disabled"]);
    let blind = DecryptFailures { decryptions: 0, ..decryptions(vec![]) };
    assert_eq!(told(Ok(key(|_| {})), Ok(blind)), ["key-decrypt-failures NoData"], "not even one success");
    let cut = DecryptFailures { truncated: true, ..decryptions(vec![]) };
    assert_eq!(told(Ok(key(|_| {})), Ok(cut)), ["key-decrypt-failures 0 found, 1 gaps"]);
}

fn record(secret: &str, code: &str, at: &str) -> Record {
    let code = if code.is_empty() { "null".to_owned() } else { format!("\"{code}\"") };
    serde_json::from_str(&format!(
        r#"{{"eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventTime":"{at}","errorCode":{code},
            "errorMessage":"at {at}","userIdentity":{{"invokedBy":"secretsmanager.amazonaws.com"}},
            "requestParameters":{{"encryptionContext":{{"SecretARN":"{secret}"}}}}}}"#
    ))
    .unwrap()
}

#[test]
fn files_are_counted_in_the_window_and_by_secret() {
    let (from, to) = window();
    let mut other = record("a", "AccessDenied", "2026-11-16T00:00:00Z");
    other.user_identity.invoked_by = None;
    let records = [
        record("a", "", "2026-11-16T00:00:00Z"),
        record("a", "DisabledException", "2026-11-17T00:00:00Z"),
        record("a", "DisabledException", "2026-11-16T00:00:00Z"),
        record("b", "DisabledException", "2026-11-15T00:00:00Z"),
        record("b", "DisabledException", "2026-11-14T23:59:59Z"),
        record("b", "DisabledException", "2026-11-22T00:00:00Z"),
        other,
        serde_json::from_str(r#"{"eventSource":null}"#).unwrap(),
    ];
    let found = failures_of(&records, from, to, "files");
    let told: Vec<_> = found
        .failures
        .iter()
        .map(|one| (one.secret_arn.as_deref().unwrap(), one.count, one.message.as_deref().unwrap()))
        .collect();
    assert_eq!(told, [("a", 2, "at 2026-11-17T00:00:00Z"), ("b", 1, "at 2026-11-15T00:00:00Z")]);
    assert_eq!(found.decryptions, 4);
}

fn insights(rows: Vec<Vec<(&'static str, &'static str)>>) -> Aws {
    let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query)
        .then_output(|| StartQueryOutput::builder().query_id("q").build());
    let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results).then_output(move || {
        let field = |(name, value): &(&str, &str)| ResultField::builder().field(*name).value(*value).build();
        let rows = rows.iter().map(|row| row.iter().map(field).collect::<Vec<_>>()).collect();
        GetQueryResultsOutput::builder().status(QueryStatus::Complete).set_results(Some(rows)).build()
    });
    mocked::aws().with_logs(mock_client!(aws_sdk_cloudwatchlogs, RuleMode::MatchAny, [&start, &get]))
}

#[tokio::test(start_paused = true)]
async fn insights_counts_successes_too() {
    let (from, to) = window();
    let aws = insights(vec![
        vec![("secret", "a"), ("code", "DisabledException"), ("n", "3"), ("message", "m")],
        vec![("secret", "a"), ("n", "40")],
        vec![("secret", "b"), ("code", ""), ("n", "2")],
    ]);
    let found = failures(&aws, "g", from, to, soon()).await.unwrap();
    assert_eq!((found.decryptions, found.failures.len(), found.truncated), (45, 1, false));
    assert_eq!((found.failures[0].count, found.failures[0].code.as_str()), (3, "DisabledException"));
    let odd = failures(&insights(vec![vec![("secret", "a")]]), "g", from, to, soon()).await;
    assert_eq!(odd.unwrap_err().reason, GapReason::Malformed);
    let none = failures(&insights(vec![]), "g", from, to, soon()).await.unwrap();
    assert_eq!(none.decryptions, 0);
}
