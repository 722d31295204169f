//! Every source: whole, in part, denied, late. What was not seen is never taken for nothing.

use aws_sdk_cloudtrail::operation::describe_trails::DescribeTrailsOutput;
use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput;
use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector, AdvancedFieldSelector, Event, EventSelector, ReadWriteType, Trail,
};
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
use crate::aws::retries_of_a_job;

const FAULTS: [(u16, &str, GapReason); 5] = [
    (400, r#"{"__type":"AccessDeniedException","message":"no"}"#, GapReason::Denied),
    (400, r#"{"__type":"ThrottlingException","message":"slower"}"#, GapReason::Throttled),
    (500, "{}", GapReason::Unavailable),
    (503, "", GapReason::Unavailable),
    (200, r#"{"Events":[{"CloudTr"#, GapReason::Malformed),
];

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window() -> (Timestamp, Timestamp) {
    (moment("2026-11-21T00:00:00Z"), moment("2026-11-22T00:00:00Z"))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn settings(pages: usize, source: Source) -> AccessSettings {
    AccessSettings { lookup_pages: pages, source, ..AccessSettings::read(&|_| None).unwrap() }
}

fn answer(status: u16, body: &'static str) -> impl Fn() -> Response {
    move || Response::new(status.try_into().unwrap(), body.into())
}

fn trail_of(rules: &[&Rule]) -> Aws {
    aws().with_cloudtrail(mock_client!(aws_sdk_cloudtrail, RuleMode::MatchAny, rules, |config| config
        .retry_config(RetryConfig::disabled())))
}

/// A page of one event at the hour, and where it goes on.
fn page(hour: u32, next: Option<&str>) -> LookupEventsOutput {
    let json = format!(
        r#"{{"eventID":"00000000-0000-4000-8000-0000000000{hour:02}","eventTime":"2026-11-21T{hour:02}:00:00Z","errorCode":"AccessDenied"}}"#
    );
    let event = Event::builder().cloud_trail_event(json).build();
    LookupEventsOutput::builder().events(event).set_next_token(next.map(str::to_owned)).build()
}

fn of(
    name: &'static str,
    token: Option<&'static str>,
) -> impl Fn(&aws_sdk_cloudtrail::operation::lookup_events::LookupEventsInput) -> bool {
    move |input| input.lookup_attributes()[0].attribute_value() == name && input.next_token() == token
}

fn empty(name: &'static str) -> Rule {
    mock!(aws_sdk_cloudtrail::Client::lookup_events)
        .match_requests(of(name, None))
        .then_output(|| LookupEventsOutput::builder().build())
}

#[tokio::test]
async fn a_fault_on_the_first_page_leaves_nothing_and_on_a_later_one_a_part() {
    let (from, to) = window();
    let own = settings(40, Source::Lookup);
    for (status, body, reason) in FAULTS {
        let first = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_http_response(answer(status, body));
        let gap = gather(&trail_of(&[&first]), &own, from, to, soon()).await.unwrap_err();
        assert_eq!((gap.what.as_str(), gap.subject.as_str()), ("cloudtrail:LookupEvents", "GetSecretValue"));
        assert_eq!(gap.reason, reason, "{status} {body}");

        let batch = empty("BatchGetSecretValue");
        let good = mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("GetSecretValue", None))
            .then_output(|| page(20, Some("two")));
        let bad = mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("GetSecretValue", Some("two")))
            .then_http_response(answer(status, body));
        let found = gather(&trail_of(&[&good, &bad, &batch]), &own, from, to, soon()).await.unwrap();
        assert_eq!((found.entries.len(), found.gaps.len(), found.gaps[0].reason), (1, 1, reason), "{status} {body}");
        assert_eq!(found.whole_from(), moment("2026-11-21T20:00:00Z"));
        assert!(found.gaps[0].detail.ends_with("reads before 2026-11-21T20:00:00Z were not all seen"));

        let whole = mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("GetSecretValue", None))
            .then_output(|| page(20, None));
        let bad = mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("BatchGetSecretValue", None))
            .then_http_response(answer(status, body));
        let found = gather(&trail_of(&[&whole, &bad]), &own, from, to, soon()).await.unwrap();
        assert_eq!((found.truncated_at, found.gaps[0].subject.as_str()), (Some(to), "BatchGetSecretValue"));
    }
}

#[tokio::test]
async fn both_names_are_read_back_evenly_within_one_budget() {
    let (from, to) = window();
    let get = |token, hour, next| {
        mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("GetSecretValue", token))
            .then_output(move || page(hour, next))
    };
    let (one, two) = (get(None, 10, Some("g2")), get(Some("g2"), 8, Some("g3")));
    let batch = |token, hour, next| {
        mock!(aws_sdk_cloudtrail::Client::lookup_events)
            .match_requests(of("BatchGetSecretValue", token))
            .then_output(move || page(hour, next))
    };
    let (three, four) = (batch(None, 20, Some("b2")), batch(Some("b2"), 9, Some("b3")));
    let aws = trail_of(&[&one, &two, &three, &four]);
    let found = gather(&aws, &settings(4, Source::Lookup), from, to, soon()).await.unwrap();
    let calls = [&one, &two, &three, &four].map(|rule| rule.num_calls());
    assert_eq!(calls, [1, 1, 1, 1], "the name that lags behind comes next");
    assert_eq!((found.entries.len(), found.truncated_at), (4, Some(moment("2026-11-21T09:00:00Z"))));
    assert_eq!(found.gaps[0].reason, GapReason::Truncated);
    assert_eq!(found.entries[0].event, "GetSecretValue", "the list's own name, where the record has none");
    assert!(found.entries.is_sorted_by_key(|read| read.at), "oldest first");

    let whole = mock!(aws_sdk_cloudtrail::Client::lookup_events).then_output(|| LookupEventsOutput::builder().build());
    let found = gather(&trail_of(&[&whole]), &settings(2, Source::Lookup), from, to, soon()).await.unwrap();
    assert_eq!((whole.num_calls(), found.truncated_at, found.gaps.len()), (2, None, 0), "exactly the budget is enough");
    let found = gather(&trail_of(&[&whole]), &settings(1, Source::Lookup), from, to, soon()).await.unwrap();
    assert_eq!((found.truncated_at, found.gaps.len()), (Some(to), 1), "nobody looked for refused batches");
}

#[tokio::test]
async fn a_record_counts_once_and_one_that_cannot_be_read_is_counted() {
    let (from, to) = window();
    let get =
        mock!(aws_sdk_cloudtrail::Client::lookup_events).match_requests(of("GetSecretValue", None)).then_output(|| {
            let odd = |text: &str| Event::builder().cloud_trail_event(text).build();
            let at = aws_smithy_types::DateTime::from_secs(moment("2026-11-21T05:00:00Z").as_second());
            let listed_time = Event::builder().event_time(at).cloud_trail_event("{}").build();
            LookupEventsOutput::builder()
                .set_events(Some([page(3, None).events.unwrap(), page(3, None).events.unwrap()].concat()))
                .events(odd("{"))
                .events(odd("{}"))
                .events(Event::builder().build())
                .events(listed_time)
                .build()
        });
    let batch = empty("BatchGetSecretValue");
    let found = gather(&trail_of(&[&get, &batch]), &settings(9, Source::Lookup), from, to, soon()).await.unwrap();
    assert_eq!((found.entries.len(), found.unreadable, found.truncated_at), (2, 3, None));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_told() {
    let (from, to) = window();
    let slow = mock!(aws_sdk_cloudtrail::Client::lookup_events)
        .sequence()
        .http_response(answer(400, r#"{"__type":"ThrottlingException"}"#))
        .repeatedly()
        .build();
    let client =
        mock_client!(aws_sdk_cloudtrail, RuleMode::MatchAny, [&slow], |config| config.retry_config(retries_of_a_job()));
    let aws = aws().with_cloudtrail(client);
    let deadline = Instant::now() + Duration::from_secs(5);
    let gap = gather(&aws, &settings(40, Source::Lookup), from, to, deadline).await.unwrap_err();
    assert_eq!((gap.reason, gap.subject.as_str()), (GapReason::Deadline, "GetSecretValue"));
}

fn row(cells: &[(&str, &str)]) -> Vec<ResultField> {
    cells.iter().map(|(name, value)| ResultField::builder().field(*name).value(*value).build()).collect()
}

const START: fn() -> StartQueryOutput = || StartQueryOutput::builder().query_id("q").build();

fn logs_of(start: &Rule, get: &Rule, stop: &Rule) -> Aws {
    aws().with_logs(mock_client!(aws_sdk_cloudwatchlogs, RuleMode::MatchAny, [start, get, stop], |config| config
        .retry_config(RetryConfig::disabled())))
}

fn insights_source() -> AccessSettings {
    settings(40, Source::Insights("/trail".into()))
}

#[tokio::test(start_paused = true)]
async fn rows_of_insights_are_reads_of_five_minutes() {
    let (from, to) = window();
    let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query)
        .match_requests(|input| {
            let query = input.query_string().unwrap_or_default();
            input.log_group_name() == Some("/trail") && query.contains("bin(5m)") && query.contains("limit 10000")
        })
        .then_output(START);
    let stop = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_output(|| StopQueryOutput::builder().build());
    let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results).then_output(|| {
        let full = row(&[
            ("bin(5m)", "2026-11-21 12:05:00.000"),
            ("eventName", "GetSecretValue"),
            ("requestParameters.secretId", "a"),
            ("userIdentity.arn", "arn:aws:sts::1:assumed-role/app/s1"),
            ("userIdentity.type", "AssumedRole"),
            ("sourceIPAddress", "203.0.113.9"),
            ("userAgent", "sdk"),
            ("errorCode", "InvalidRequestException"),
            ("marked", "1"),
            ("n", "7"),
            ("began", "2026-11-21 12:05:01.000"),
        ]);
        let bare = row(&[("bin(5m)", "2026-11-20 23:55:00.000"), ("eventName", "GetSecretValue"), ("n", "2")]);
        let bad = [
            row(&[("eventName", "GetSecretValue"), ("n", "2")]),
            row(&[("bin(5m)", "yesterday"), ("eventName", "GetSecretValue"), ("n", "2")]),
            row(&[("bin(5m)", "2026-11-21 12:05:00.000"), ("eventName", "GetSecretValue"), ("n", "many")]),
        ];
        let rows = [vec![full, bare], bad.to_vec()].concat();
        GetQueryResultsOutput::builder().status(QueryStatus::Complete).set_results(Some(rows)).build()
    });
    let aws = logs_of(&start, &get, &stop);
    let found = gather(&aws, &insights_source(), from, to, soon()).await.unwrap();
    assert_eq!((found.entries.len(), found.unreadable, found.truncated_at), (2, 3, None));
    assert_eq!(found.read_from, "Logs Insights /trail");
    let (bare, full) = (&found.entries[0], &found.entries[1]);
    assert_eq!((bare.at, bare.count, bare.principal.as_str(), bare.secret_id.as_deref()), (from, 2, "unknown", None));
    assert_eq!((full.at, full.count), (moment("2026-11-21T12:05:00Z"), 7));
    assert_eq!(full.principal, "arn:aws:sts::1:assumed-role/app", "the role and not the session");
    assert_eq!((full.secret_id.as_deref(), full.marked_for_deletion, stop.num_calls()), (Some("a"), true, 0));
}

#[tokio::test(start_paused = true)]
async fn as_many_rows_as_insights_gives_are_not_all() {
    let (from, to) = window();
    let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query).then_output(START);
    let stop = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_output(|| StopQueryOutput::builder().build());
    for (number, want) in [(9_999, None), (10_000, Some(moment("2026-11-21T12:10:00Z")))] {
        let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results).then_output(move || {
            let one = row(&[("bin(5m)", "2026-11-21 12:05:00.000"), ("eventName", "GetSecretValue"), ("n", "1")]);
            let rows = vec![one; number];
            GetQueryResultsOutput::builder().status(QueryStatus::Complete).set_results(Some(rows)).build()
        });
        let found = gather(&logs_of(&start, &get, &stop), &insights_source(), from, to, soon()).await.unwrap();
        assert_eq!((found.truncated_at, found.gaps.len()), (want, usize::from(want.is_some())), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_fails_is_named_and_does_not_go_on() {
    let (from, to) = window();
    let start = mock!(aws_sdk_cloudwatchlogs::Client::start_query).then_output(START);
    for (status, reason, words, stopped) in [
        (QueryStatus::Failed, GapReason::Unavailable, "ended as Failed", 0),
        (QueryStatus::Timeout, GapReason::Unavailable, "ended as Timeout", 0),
        (QueryStatus::Cancelled, GapReason::Unavailable, "ended as Cancelled", 0),
        (QueryStatus::UnknownValue, GapReason::Unavailable, "ended as Unknown", 0),
        (QueryStatus::Running, GapReason::Deadline, "has been stopped", 1),
    ] {
        let stop = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_output(|| StopQueryOutput::builder().build());
        let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results)
            .then_output(move || GetQueryResultsOutput::builder().status(status.clone()).build());
        let gap = gather(&logs_of(&start, &get, &stop), &insights_source(), from, to, soon()).await.unwrap_err();
        assert_eq!((gap.reason, gap.subject.as_str(), stop.num_calls()), (reason, "/trail", stopped), "{words}");
        assert!(gap.detail.contains(words), "{gap}");
    }
    for (status, body, reason) in FAULTS {
        let stop = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_output(|| StopQueryOutput::builder().build());
        let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results).then_http_response(answer(status, body));
        let gap = gather(&logs_of(&start, &get, &stop), &insights_source(), from, to, soon()).await.unwrap_err();
        assert_eq!((gap.reason, gap.what.as_str()), (reason, "logs:GetQueryResults"));
        assert_eq!(stop.num_calls(), 1, "it would go on and cost");

        let never = mock!(aws_sdk_cloudwatchlogs::Client::start_query).then_http_response(answer(status, body));
        let gap = gather(&logs_of(&never, &get, &stop), &insights_source(), from, to, soon()).await.unwrap_err();
        assert_eq!((gap.reason, gap.what.as_str(), stop.num_calls()), (reason, "logs:StartQuery", 1));
    }
    let refused = mock!(aws_sdk_cloudwatchlogs::Client::stop_query).then_http_response(answer(500, "{}"));
    let get = mock!(aws_sdk_cloudwatchlogs::Client::get_query_results)
        .then_output(|| GetQueryResultsOutput::builder().status(QueryStatus::Running).build());
    let gap = gather(&logs_of(&start, &get, &refused), &insights_source(), from, to, soon()).await.unwrap_err();
    assert_eq!(gap.reason, GapReason::Deadline, "even where it cannot be stopped");
}

const T: &str = "arn:aws:cloudtrail:ap-northeast-1:1:trail/t";

fn listed(trails: &'static [(&'static str, bool, &'static str)]) -> Rule {
    mock!(aws_sdk_cloudtrail::Client::describe_trails).then_output(move || {
        let trail = |(arn, multi, home): &(&str, bool, &str)| {
            Trail::builder()
                .trail_arn(*arn)
                .is_multi_region_trail(*multi)
                .home_region(*home)
                .cloud_watch_logs_log_group_arn("arn:aws:logs:ap-northeast-1:1:log-group:/aws/cloudtrail:x:*")
                .build()
        };
        DescribeTrailsOutput::builder().set_trail_list(Some(trails.iter().map(trail).collect())).build()
    })
}

fn running() -> Rule {
    mock!(aws_sdk_cloudtrail::Client::get_trail_status)
        .then_output(|| GetTrailStatusOutput::builder().is_logging(true).latest_delivery_error("").build())
}

fn selected(output: GetEventSelectorsOutput) -> Rule {
    mock!(aws_sdk_cloudtrail::Client::get_event_selectors).then_output(move || output.clone())
}

fn basic(kind: Option<ReadWriteType>, management: Option<bool>, without: &[&str]) -> EventSelector {
    let without = without.iter().map(|source| (*source).to_owned()).collect();
    EventSelector::builder()
        .set_read_write_type(kind)
        .set_include_management_events(management)
        .set_exclude_management_event_sources(Some(without))
        .build()
}

type Condition = (&'static str, &'static str, &'static [&'static str]);

fn advanced(conditions: &[Condition]) -> AdvancedEventSelector {
    let condition = |(field, operator, values): &Condition| {
        let values = Some(values.iter().map(|value| (*value).to_owned()).collect());
        let builder = AdvancedFieldSelector::builder().field(*field);
        match *operator {
            "is" => builder.set_equals(values),
            "not" => builder.set_not_equals(values),
            "begins" => builder.set_starts_with(values),
            "ends" => builder.set_ends_with(values),
            "not-begins" => builder.set_not_starts_with(values),
            _ => builder.set_not_ends_with(values),
        }
        .build()
        .unwrap()
    };
    AdvancedEventSelector::builder()
        .set_field_selectors(Some(conditions.iter().map(condition).collect()))
        .build()
        .unwrap()
}

/// `r` reads, `s` those of Secrets Manager, `k` those of KMS.
async fn sees(output: GetEventSelectorsOutput) -> String {
    let (list, status, selectors) = (listed(&[(T, true, "us-east-1")]), running(), selected(output));
    let found = trails(&trail_of(&[&list, &status, &selectors]), soon()).await.unwrap().remove(0);
    assert_eq!((found.logging, found.delivery_error, found.log_group), (true, None, Some("/aws/cloudtrail:x".into())));
    match found.unread {
        Some(gap) => gap.reason.to_string(),
        None => [
            ("r", found.reads),
            ("s", found.reads && !found.secrets_excluded),
            ("k", found.reads && !found.kms_excluded),
        ]
        .into_iter()
        .filter_map(|(letter, is)| is.then_some(letter))
        .collect(),
    }
}

#[tokio::test]
async fn what_selectors_let_through() {
    let kms = &["kms.amazonaws.com"][..];
    let output = GetEventSelectorsOutput::builder;
    for (selectors, want) in [
        (vec![basic(Some(ReadWriteType::All), Some(true), &[])], "rsk"),
        (vec![basic(None, None, &[])], "rsk"),
        (vec![basic(Some(ReadWriteType::ReadOnly), Some(true), &[])], "rsk"),
        (vec![basic(Some(ReadWriteType::WriteOnly), Some(true), &[])], ""),
        (vec![basic(Some(ReadWriteType::All), Some(false), &[])], ""),
        (vec![basic(Some(ReadWriteType::All), Some(true), kms)], "rs"),
        (vec![basic(Some(ReadWriteType::All), None, kms), basic(None, None, &[])], "rsk"),
        (vec![], "unexpected answer"),
    ] {
        assert_eq!(sees(output().set_event_selectors(Some(selectors.clone())).build()).await, want, "{selectors:?}");
    }
    let management: Condition = ("eventCategory", "is", &["Management"]);
    let secrets = &["secretsmanager.amazonaws.com"];
    let cases: [(&[Condition], &str); 14] = [
        (&[management], "rsk"),
        (&[("eventCategory", "is", &["Data"])], ""),
        (&[("eventCategory", "is", &["Data", "Management"])], "rsk"),
        (&[management, ("readOnly", "is", &["true"])], "rsk"),
        (&[management, ("readOnly", "is", &["false"])], ""),
        (&[management, ("eventSource", "not", &["kms.amazonaws.com", "rdsdata.amazonaws.com"])], "rs"),
        (&[management, ("eventSource", "not", secrets)], "rk"),
        (&[management, ("eventSource", "is", secrets)], "rs"),
        (&[management, ("eventSource", "begins", &["k"])], "rk"),
        (&[management, ("eventSource", "not-begins", &["secrets"])], "rk"),
        (&[management, ("eventSource", "ends", &[".amazonaws.com"])], "rsk"),
        (&[management, ("eventSource", "not-ends", &[".amazonaws.com"])], ""),
        (&[management, ("userIdentity.arn", "not", &["arn:aws:iam::1:role/app"])], ""),
        (&[("eventSource", "not", &["kms.amazonaws.com"])], ""),
    ];
    for (conditions, want) in cases {
        let selectors = Some(vec![advanced(conditions)]);
        assert_eq!(sees(output().set_advanced_event_selectors(selectors).build()).await, want, "{conditions:?}");
    }
    let both =
        [advanced(&[management, ("eventSource", "not", secrets)]), advanced(&[("eventCategory", "is", &["Data"])])];
    assert_eq!(sees(output().set_advanced_event_selectors(Some(both.to_vec())).build()).await, "rk");
}

#[tokio::test]
async fn trails_of_other_regions_alone_are_none_of_ours() {
    const TRAILS: &[(&str, bool, &str)] =
        &[(T, false, "ap-northeast-1"), ("far", false, "us-east-1"), ("all", true, "us-east-1")];
    let (list, status) = (listed(TRAILS), running());
    let selectors = selected(GetEventSelectorsOutput::builder().event_selectors(basic(None, None, &[])).build());
    let found = trails(&trail_of(&[&list, &status, &selectors]), soon()).await.unwrap();
    assert_eq!(found.iter().map(|trail| trail.arn.as_str()).collect::<Vec<_>>(), [T, "all"]);
}

#[tokio::test]
async fn a_trail_that_cannot_be_read_is_a_gap_and_no_pass() {
    let list = || listed(&[(T, true, "us-east-1")]);
    let fine = || selected(GetEventSelectorsOutput::builder().event_selectors(basic(None, None, &[])).build());
    for (status, body, reason) in FAULTS {
        let bad = mock!(aws_sdk_cloudtrail::Client::describe_trails).then_http_response(answer(status, body));
        let gap = trails(&trail_of(&[&bad]), soon()).await.unwrap_err();
        assert_eq!((gap.what.as_str(), gap.reason), ("cloudtrail:DescribeTrails", reason), "{status} {body}");

        let (list, bad, selectors) = (
            list(),
            mock!(aws_sdk_cloudtrail::Client::get_trail_status).then_http_response(answer(status, body)),
            fine(),
        );
        let found = trails(&trail_of(&[&list, &bad, &selectors]), soon()).await.unwrap();
        let gap = found[0].unread.clone().unwrap();
        assert_eq!((gap.what.as_str(), gap.reason), ("cloudtrail:GetTrailStatus", reason), "{status} {body}");
        let bad = mock!(aws_sdk_cloudtrail::Client::get_event_selectors).then_http_response(answer(status, body));
        let found = trails(&trail_of(&[&list, &running(), &bad]), soon()).await.unwrap();
        let gap = found[0].unread.clone().unwrap();
        assert_eq!((gap.what.as_str(), gap.subject.as_str(), gap.reason), ("cloudtrail:GetEventSelectors", T, reason));
        assert_eq!(crate::runbook::access::blind(&Ok(found)).1.len(), 1);
    }
}
