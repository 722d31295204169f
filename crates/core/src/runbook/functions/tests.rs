use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::aws::mocked;

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn healthy() -> FunctionFacts {
    FunctionFacts {
        arn: "arn:aws:lambda:ap-northeast-1:123456789012:function:api".into(),
        runtime: Some("nodejs24.x".into()),
        role: Some(ROLE.into()),
        kms_key: Some("arn:aws:kms:ap-northeast-1:123456789012:key/k".into()),
        traced: true,
        in_vpc: true,
        state: Some("Active".into()),
        variables: vec!["DB_SECRET_ARN".into(), "LOG_LEVEL".into()],
        variables_error: None,
    }
}

/// The ids of the lines that are bad (`!`) or cannot be told (`?`).
fn told(reading: Reading<Option<FunctionFacts>>, by_role: Reading<&[&str]>, now: &str) -> Vec<String> {
    let by_role = by_role.map(|names| [(ROLE.to_owned(), names.iter().map(|one| (*one).to_owned()).collect())].into());
    let facts = FunctionsFacts { functions: [("api".to_owned(), reading)].into(), by_role };
    answers(&facts, now.parse().unwrap())
        .into_iter()
        .filter_map(|(question, reply)| match reply {
            Ok(Reply::Found(_, found)) if found.is_empty() => None,
            Ok(Reply::Found(..)) => Some(format!("!{}", question.id)),
            _ => Some(format!("?{}", question.id)),
        })
        .collect()
}

const NOW: &str = "2026-11-22T00:00:00Z";

#[test]
fn each_line_of_r45_has_its_own_reason() {
    let one = |change: fn(&mut FunctionFacts)| {
        let mut function = healthy();
        change(&mut function);
        told(Ok(Some(function)), Ok(&["api"]), NOW)
    };
    assert_eq!(one(|_| {}), [""; 0]);
    assert_eq!(one(|f| f.runtime = None), [""; 0], "a container image");
    assert_eq!(one(|f| f.runtime = Some("nodejs99.x".into())), ["?function-runtime"]);
    assert_eq!(one(|f| f.runtime = Some("python3.9".into())), ["!function-runtime"]);
    assert_eq!(one(|f| f.kms_key = None), ["!function-key"]);
    assert_eq!(
        one(|f| {
            f.kms_key = None;
            f.variables.clear();
        }),
        [""; 0],
        "nothing to encrypt"
    );
    assert_eq!(one(|f| f.traced = false), ["!function-tracing"]);
    assert_eq!(one(|f| f.in_vpc = false), ["!function-vpc"]);
    assert_eq!(one(|f| f.variables.push("DB_PASSWORD".into())), ["!function-variables"]);
    assert_eq!(one(|f| f.variables_error = Some("AccessDenied".into())), ["?function-variables"]);
    assert_eq!(one(|f| f.role = None), ["?function-role"]);
    assert_eq!(told(Ok(Some(healthy())), Ok(&["api", "other"]), NOW), ["!function-role"]);
    assert_eq!(told(Ok(Some(healthy())), Ok(&["other"]), NOW), ["!function-role"]);
}

#[test]
fn what_could_not_be_read_is_told_in_every_line() {
    let gap = crate::model::unread("lambda:ListFunctions");
    assert_eq!(told(Ok(Some(healthy())), Err(gap.clone()), NOW), ["?function-role"]);
    assert_eq!(told(Ok(None), Ok(&[]), NOW).len(), 6);
    assert_eq!(told(Err(gap), Ok(&[]), NOW).iter().filter(|id| id.starts_with('?')).count(), 6);
    let facts = FunctionsFacts { functions: BTreeMap::new(), by_role: Ok(BTreeMap::new()) };
    assert!(answers(&facts, NOW.parse().unwrap()).iter().all(|(_, reply)| reply.is_err()), "nobody was asked");
}

#[test]
fn a_gap_of_one_function_does_not_hide_the_finding_of_another() {
    let bad = FunctionFacts { traced: false, ..healthy() };
    let facts = FunctionsFacts {
        functions: [("a".to_owned(), Ok(Some(bad))), ("b".to_owned(), Ok(None))].into(),
        by_role: Ok(BTreeMap::new()),
    };
    let answers = answers(&facts, NOW.parse().unwrap());
    let (_, tracing) = answers.into_iter().find(|(question, _)| question.id == "function-tracing").unwrap();
    let Ok(Reply::Partly(_, found, gaps)) = tracing else { panic!("{tracing:?}") };
    assert_eq!((found.len(), gaps.len()), (1, 1));
    assert_eq!((gaps[0].subject.as_str(), gaps[0].reason), ("b", GapReason::NotConfigured));
}

#[test]
fn a_runtime_ends_on_its_day_and_is_told_ninety_days_before() {
    // nodejs22.x: 2027-04-30.
    let severity = |now: &str| {
        let function = FunctionFacts { runtime: Some("nodejs22.x".into()), ..healthy() };
        runtimes::judge(&function, now.parse().unwrap()).unwrap().map(|(severity, _)| severity)
    };
    assert_eq!(severity("2027-01-29T23:59:59Z"), None);
    assert_eq!(severity("2027-01-30T00:00:00Z"), Some(Severity::Medium));
    assert_eq!(severity("2027-04-29T23:59:59Z"), Some(Severity::Medium));
    assert_eq!(severity("2027-04-30T00:00:00Z"), Some(Severity::High));
}

#[test]
fn names_that_say_they_hold_a_secret() {
    for (name, want) in [
        ("DB_PASSWORD", true),
        ("db_passwd", true),
        ("JWT_SECRET", true),
        ("SECRET_KEY", true),
        ("GITHUB_TOKEN", true),
        ("STRIPE_API_KEY", true),
        ("STRIPE_APIKEY", true),
        ("TLS_PRIVATE_KEY", true),
        ("DB_CREDENTIALS", true),
        ("AWS_ACCESS_KEY_ID", true),
        ("OUR_SECRET_ACCESS_KEY_ID", true),
        ("DB_SECRET_ARN", false),
        ("DB_SECRET_NAME", false),
        ("DB_SECRET_ID", false),
        ("SECRETS_PREFIX", false),
        ("TOKEN_TTL", false),
        ("LOG_LEVEL", false),
        ("SECRET_ARN_OLD", true),
    ] {
        assert_eq!(may_be_secret(name), want, "{name}");
    }
}

#[tokio::test]
async fn a_denied_function_is_a_gap_and_a_missing_one_is_none() {
    let denied = mock!(aws_sdk_lambda::Client::get_function_configuration)
        .match_requests(|request| request.function_name() == Some("a"))
        .then_http_response(|| {
            let mut reply = aws_smithy_runtime_api::http::Response::new(403.try_into().unwrap(), "{}".into());
            reply.headers_mut().insert("x-amzn-errortype", "AccessDeniedException");
            reply
        });
    let gone = mock!(aws_sdk_lambda::Client::get_function_configuration)
        .match_requests(|request| request.function_name() == Some("b"))
        .then_http_response(|| {
            let mut reply = aws_smithy_runtime_api::http::Response::new(404.try_into().unwrap(), "{}".into());
            reply.headers_mut().insert("x-amzn-errortype", "ResourceNotFoundException");
            reply
        });
    let list = mock!(aws_sdk_lambda::Client::list_functions)
        .then_output(|| aws_sdk_lambda::operation::list_functions::ListFunctionsOutput::builder().build());
    let aws = mocked::aws().with_lambda(mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&denied, &gone, &list]));
    let names = ["a".to_owned(), "b".to_owned()].into();
    let facts = gather(&aws, &names, Instant::now() + tokio::time::Duration::from_secs(60)).await;
    assert_eq!(facts.functions["a"].as_ref().unwrap_err().reason, GapReason::Denied);
    assert_eq!(facts.functions["b"], Ok(None));
    let saved = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<FunctionsFacts>(&saved).unwrap(), facts);
}
