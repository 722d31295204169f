//! Each source: good, bad, without data, denied. What was not seen never passes.

use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput;
use aws_sdk_cloudtrail::types::Event as SdkEvent;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::types::MetricDataResult;
use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::operation::start_query::StartQueryOutput;
use aws_sdk_cloudwatchlogs::operation::stop_query::StopQueryOutput;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::Duration;

use super::*;
use crate::aws::mocked::aws;
use crate::model::Outcome;
use crate::runbook::access::AccessSettings;

fn settings() -> (Settings, AuditSettings) {
    (Settings::read(&|_| None).unwrap(), AuditSettings::read(&|_| None).unwrap())
}

fn times() -> (Timestamp, Timestamp, Instant) {
    let to: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    (to - SignedDuration::from_hours(24), to, Instant::now() + Duration::from_secs(60))
}

fn json_error(code: &'static str) -> impl Fn() -> Response {
    move || Response::new(400.try_into().unwrap(), format!(r#"{{"__type":"{code}","message":"no"}}"#).into())
}

fn field((name, value): &(&str, &str)) -> ResultField {
    ResultField::builder().field(*name).value(*value).build()
}

fn insights(status: QueryStatus, row: &'static [(&'static str, &'static str)]) -> aws_sdk_cloudwatchlogs::Client {
    let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query)
        .then_output(|| StartQueryOutput::builder().query_id("q").build());
    let rows = move || (!row.is_empty()).then(|| row.iter().map(field).collect::<Vec<_>>());
    let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results).then_output(move || {
        GetQueryResultsOutput::builder().status(status.clone()).set_results(Some(rows().into_iter().collect())).build()
    });
    let stop = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_output(|| StopQueryOutput::builder().build());
    mock_client!(aws_sdk_cloudwatchlogs, RuleMode::MatchAny, [&start, &get, &stop])
}

fn metrics(series: &'static [(&'static str, &'static [f64])]) -> aws_sdk_cloudwatch::Client {
    let rule = mock!(aws_sdk_cloudwatch::Client::get_metric_data).then_output(move || {
        let results = series
            .iter()
            .map(|(id, values)| MetricDataResult::builder().id(*id).set_values(Some(values.to_vec())).build());
        GetMetricDataOutput::builder().set_metric_data_results(Some(results.collect())).build()
    });
    mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&rule])
}

fn told(reply: Result<Reply, Gap>) -> (&'static str, String) {
    match reply {
        Ok(Reply::Good(text)) => ("good", text.en.into()),
        Ok(Reply::Bad(text)) => ("bad", text.en.into()),
        Ok(Reply::Partly(..)) => ("partly", String::new()),
        Ok(Reply::Found(_, found)) => (if found.is_empty() { "good" } else { "bad" }, format!("{}", found.len())),
        Err(gap) => ("gap", format!("{:?} {}", gap.reason, gap.what)),
    }
}

#[tokio::test(start_paused = true)]
async fn success_rate_is_held_to_the_limit() {
    let (_, audit) = settings();
    let (from, to, deadline) = times();
    for (row, want, detail) in [
        (
            &[("requests", "1000"), ("failures", "1")][..],
            "good",
            "99.900 % (at least 99.9 %): 1 of 1000 failed; source: /aws/cloudtrail",
        ),
        (
            &[("requests", "1000"), ("failures", "2")],
            "bad",
            "99.800 % (at least 99.9 %): 2 of 1000 failed; source: /aws/cloudtrail",
        ),
        (&[("requests", "0"), ("failures", "0")], "gap", "NoData logs:StartQuery"),
        (&[], "gap", "NoData logs:StartQuery"),
        (&[("requests", "1000")], "gap", "NoData logs:GetQueryResults"),
        (&[("requests", "many"), ("failures", "0")], "gap", "Malformed logs:GetQueryResults"),
    ] {
        let aws = aws().with_logs(insights(QueryStatus::Complete, row));
        let reply = told(success_rate(&aws, &audit, from, to, deadline).await);
        assert_eq!((reply.0, reply.1.as_str()), (want, detail), "{row:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_does_not_end_well_is_a_gap() {
    let (_, audit) = settings();
    let (from, to, deadline) = times();
    for (status, want) in [
        (QueryStatus::Failed, "Unavailable logs:GetQueryResults"),
        (QueryStatus::Timeout, "Unavailable logs:GetQueryResults"),
        (QueryStatus::Cancelled, "Unavailable logs:GetQueryResults"),
        (QueryStatus::Running, "Deadline logs:GetQueryResults"),
    ] {
        let aws = aws().with_logs(insights(status.clone(), &[("requests", "1"), ("failures", "0")]));
        assert_eq!(told(success_rate(&aws, &audit, from, to, deadline).await), ("gap", want.to_owned()), "{status}");
    }
    for (code, want) in [
        ("ResourceNotFoundException", "NotConfigured logs:StartQuery"),
        ("AccessDeniedException", "Denied logs:StartQuery"),
        ("MalformedQueryException", "Malformed logs:StartQuery"),
    ] {
        let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query).then_http_response(json_error(code));
        let aws = aws().with_logs(mock_client!(aws_sdk_cloudwatchlogs, RuleMode::MatchAny, [&start]));
        assert_eq!(told(success_rate(&aws, &audit, from, to, deadline).await), ("gap", want.to_owned()), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn error_rate_needs_a_denominator() {
    let (_, audit) = settings();
    let (from, to, deadline) = times();
    type Row = &'static [(&'static str, &'static str)];
    type Series = &'static [(&'static str, &'static [f64])];
    let cases: [(Row, Series, &str, &str); 5] = [
        (
            &[("errors", "1")],
            &[("q0", &[600.0, 400.0])],
            "good",
            "0.100 % (at most 0.1 %): 1 SecretServiceError in 1000 invocations; source: /aws/lambda/goal-mandala-prod-api",
        ),
        (
            &[("errors", "2")],
            &[("q0", &[1000.0])],
            "bad",
            "0.200 % (at most 0.1 %): 2 SecretServiceError in 1000 invocations; source: /aws/lambda/goal-mandala-prod-api",
        ),
        (
            &[],
            &[("q0", &[1000.0])],
            "good",
            "0.000 % (at most 0.1 %): 0 SecretServiceError in 1000 invocations; source: /aws/lambda/goal-mandala-prod-api",
        ),
        (&[("errors", "0")], &[("q0", &[])], "gap", "NoData cloudwatch:GetMetricData"),
        (&[("errors", "0")], &[], "gap", "NoData cloudwatch:GetMetricData"),
    ];
    for (row, series, want, detail) in cases {
        let aws = aws().with_logs(insights(QueryStatus::Complete, row)).with_cloudwatch(metrics(series));
        let reply = told(error_rate(&aws, &audit, from, to, deadline).await);
        assert_eq!((reply.0, reply.1.as_str()), (want, detail), "{row:?} {series:?}");
    }
    let audit = AuditSettings { app_log_group: "/ecs/app".into(), ..audit };
    let reply = told(error_rate(&aws(), &audit, from, to, deadline).await);
    assert_eq!(reply, ("gap", "NotConfigured SECRETS_OPS_APP_LOG_GROUP".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_judged_by_its_counters_before_its_mean() {
    let (settings, audit) = settings();
    let (from, to, deadline) = times();
    type Series = &'static [(&'static str, &'static [f64])];
    let cases: [(Series, &str, &str); 7] = [
        (
            &[("q0", &[80.0]), ("q1", &[20.0])],
            "good",
            "80.0 % (at least 80 %); source: GoalMandala/SecretsManager CacheHits 80, CacheMisses 20",
        ),
        (
            &[("q0", &[79.0]), ("q1", &[21.0])],
            "bad",
            "79.0 % (at least 80 %); source: GoalMandala/SecretsManager CacheHits 79, CacheMisses 21",
        ),
        (
            &[("q0", &[50.0, 50.0]), ("q2", &[1.0])],
            "good",
            "100.0 % (at least 80 %); source: GoalMandala/SecretsManager CacheHits 100, CacheMisses 0",
        ),
        (
            &[("q2", &[70.0, 90.0])],
            "good",
            "80.0 % (at least 80 %); source: GoalMandala/SecretsManager CacheHitRate (mean of means)",
        ),
        (
            &[("q2", &[70.0, 89.0])],
            "bad",
            "79.5 % (at least 80 %); source: GoalMandala/SecretsManager CacheHitRate (mean of means)",
        ),
        (&[("q0", &[0.0]), ("q1", &[0.0]), ("q2", &[99.0])], "gap", "NoData cloudwatch:GetMetricData"),
        (&[], "gap", "NoData cloudwatch:GetMetricData"),
    ];
    for (series, want, detail) in cases {
        let aws = aws().with_cloudwatch(metrics(series));
        let reply = told(cache_hit_rate(&aws, &settings, &audit, from, to, deadline).await);
        assert_eq!((reply.0, reply.1.as_str()), (want, detail), "{series:?}");
    }
}

fn read_by(arn: &str) -> SdkEvent {
    let json =
        format!(r#"{{"eventTime":"2026-11-21T12:00:00Z","userIdentity":{{"type":"AssumedRole","arn":"{arn}"}}}}"#);
    SdkEvent::builder().cloud_trail_event(json).build()
}

fn trail(rule: &Rule) -> Aws {
    aws().with_cloudtrail(mock_client!(aws_sdk_cloudtrail, RuleMode::MatchAny, [rule], |config| config
        .retry_config(RetryConfig::disabled())))
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_trail_says_nothing_good_of_the_whole() {
    let (settings, audit) = settings();
    let with = |access| AuditSettings { access, ..audit.clone() };
    let (from, to, deadline) = times();
    let endless = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_output(|| {
        LookupEventsOutput::builder().events(read_by("arn:aws:sts::1:assumed-role/app/s")).next_token("more").build()
    });
    let audit_small = with(AccessSettings { lookup_pages: 3, ..audit.access.clone() });
    let (reply, gaps) = access(&trail(&endless), &settings, &audit_small, from, to, deadline).await;
    assert_eq!((told(reply), gaps.len()), (("gap", "Truncated cloudtrail:LookupEvents".to_owned()), 0));
    assert_eq!(endless.num_calls(), 3, "no more than the budget");

    let bad = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_output(|| {
        LookupEventsOutput::builder().events(read_by("arn:aws:sts::1:assumed-role/app/s")).next_token("more").build()
    });
    let audit_strict = with(AccessSettings { lookup_pages: 3, burst_calls: 1, ..audit.access.clone() });
    let (reply, gaps) = access(&trail(&bad), &settings, &audit_strict, from, to, deadline).await;
    assert_eq!((told(reply).0, gaps.len()), ("bad", 1), "what was found is told, and that it is not all");

    let garbled = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_output(|| {
        LookupEventsOutput::builder().events(SdkEvent::builder().cloud_trail_event("{").build()).build()
    });
    let (reply, _) = access(&trail(&garbled), &settings, &audit, from, to, deadline).await;
    assert_eq!(told(reply), ("gap", "Malformed CloudTrail LookupEvents".to_owned()));

    let empty = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_output(|| LookupEventsOutput::builder().build());
    let (reply, _) = access(&trail(&empty), &settings, &audit, from, to, deadline).await;
    assert_eq!(told(reply), ("gap", "NoData CloudTrail LookupEvents".to_owned()));

    let denied =
        mock!(aws_sdk_cloudtrail::Client::lookup_events).then_http_response(json_error("AccessDeniedException"));
    let (reply, _) = access(&trail(&denied), &settings, &audit, from, to, deadline).await;
    assert_eq!(told(reply), ("gap", "Denied cloudtrail:LookupEvents".to_owned()));

    let fine = mock!(aws_sdk_cloudtrail::Client::lookup_events)
        .then_output(|| LookupEventsOutput::builder().events(read_by("arn:aws:sts::1:assumed-role/app/s")).build());
    let (reply, gaps) = access(&trail(&fine), &settings, &audit, from, to, deadline).await;
    assert_eq!((told(reply).0, gaps.len()), ("good", 0));
}

#[tokio::test]
async fn jobs_that_did_not_run_are_found() {
    use crate::aws::fake::{Fault, World, clients};
    let (settings, audit) = settings();
    let now = times().1;
    let (aws, shared) = clients(World::default());
    for (job, hours) in [("backup-daily", 26), ("rotation", 27)] {
        ledger::note(&aws, &settings.bucket, job, now - SignedDuration::from_hours(hours)).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let (reply, ages) = jobs(&aws, &settings, &audit, now, deadline).await;
    let Ok(Reply::Found(_, late)) = reply else { panic!() };
    let late: Vec<(&str, &str)> = late.iter().map(|(job, _, text)| (job.as_str(), text.en.as_ref())).collect();
    assert_eq!(
        late,
        [("backup-monthly", "has never succeeded"), ("rotation", "last succeeded 27 hours ago (limit 26)")]
    );
    assert_eq!(ages, [("backup-daily".to_owned(), 26), ("rotation".to_owned(), 27)]);

    shared.lock().unwrap().faults.push(Fault::of("GetObject", "", "AccessDenied", 403));
    let (reply, _) = jobs(&aws, &settings, &audit, now, deadline).await;
    assert_eq!(told(reply), ("gap", "Denied s3:GetObject".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_whole_list_with_everything_denied_has_no_pass() {
    use crate::aws::fake::{Fault, World, clients};
    let (settings, audit) = settings();
    let (fakes, _) =
        clients(World { faults: vec![Fault::of("GetObject", "", "AccessDenied", 403)], ..World::default() });
    let start =
        mock!(aws_sdk_cloudwatchlogs::Client::start_query).then_http_response(json_error("AccessDeniedException"));
    let lookup =
        mock!(aws_sdk_cloudtrail::Client::lookup_events).then_http_response(json_error("AccessDeniedException"));
    let metric = mock!(aws_sdk_cloudwatch::Client::get_metric_data)
        .then_http_response(|| Response::new(403.try_into().unwrap(), "".into()));
    let aws = fakes
        .with_logs(mock_client!(aws_sdk_cloudwatchlogs, RuleMode::MatchAny, [&start]))
        .with_cloudtrail(mock_client!(aws_sdk_cloudtrail, RuleMode::MatchAny, [&lookup]))
        .with_cloudwatch(mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&metric]));
    let (report, ages) = daily(&aws, &settings, &audit, times().1, times().2).await;
    assert!(report.items.iter().all(|item| item.outcome == Outcome::Unknown), "{report:#?}");
    assert_eq!((report.items.len(), report.gaps.len(), report.coverage.seen, ages.len()), (5, 5, 0, 0));
    assert_eq!(report.status(), crate::model::Status::Incomplete);
}
