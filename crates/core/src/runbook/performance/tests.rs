use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::types::{MetricDataResult, StatusCode};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::aws::mocked;

const NOW: &str = "2026-11-22T09:30:15Z";

type Series = &'static [(usize, &'static [f64])];

async fn gathered(series: Series, status: Option<StatusCode>) -> PerformanceFacts {
    let rule = mock!(aws_sdk_cloudwatch::Client::get_metric_data)
        .match_requests(|request| {
            let queries = request.metric_data_queries();
            let stat = |index: usize| queries[index].metric_stat().unwrap();
            let dimensions = stat(9).metric().unwrap().dimensions();
            queries.len() == 10
                && queries.iter().all(|one| one.metric_stat().unwrap().period() == Some(7 * 86_400))
                && stat(4).stat() == Some("p99")
                && stat(4).metric().unwrap().namespace() == Some("GoalMandala/SecretsManager")
                && stat(4).metric().unwrap().dimensions().is_empty()
                && dimensions[0].value() == Some("goal-mandala-prod-api")
                && request.end_time().unwrap().secs() % 3600 == 0
                && request.end_time().unwrap().secs() - request.start_time().unwrap().secs() == 7 * 86_400
        })
        .then_output(move || {
            let results = series.iter().map(|(id, values)| {
                MetricDataResult::builder()
                    .id(format!("q{id}"))
                    .set_status_code(status.clone())
                    .set_values(Some(values.to_vec()))
                    .build()
            });
            GetMetricDataOutput::builder().set_metric_data_results(Some(results.collect())).build()
        });
    let aws = mocked::aws().with_cloudwatch(mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&rule]));
    let settings = PerformanceSettings::read(&|_| None).unwrap();
    gather(&aws, &settings, 7, NOW.parse().unwrap(), Instant::now() + tokio::time::Duration::from_secs(60)).await
}

fn told(facts: &PerformanceFacts) -> Vec<(&'static str, String)> {
    answers(facts, 100.0)
        .into_iter()
        .map(|(question, reply)| match reply {
            Ok(Reply::Good(text)) => (question.id, format!("good: {}", text.en)),
            Ok(Reply::Bad(text)) => (question.id, format!("bad: {}", text.en)),
            Err(gap) => (question.id, format!("{:?}", gap.reason)),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn one_period_gives_percentiles_and_the_mean_is_held_to_the_limit() {
    let facts = gathered(
        &[(0, &[4.0]), (1, &[100.0]), (2, &[40.0]), (3, &[90.0]), (4, &[120.5]), (5, &[2.0]), (6, &[7.0])],
        None,
    )
    .await;
    assert_eq!(
        told(&facts),
        [
            (
                "retrieval-latency",
                "good: mean 100.0 ms (at most 100 ms), p50 40.0 ms, p95 90.0 ms, p99 120.5 ms, 4 values \
                 (2026-11-15T09:00:00Z to 2026-11-22T09:00:00Z); source: GoalMandala/SecretsManager SecretRetrievalLatency"
                    .to_owned()
            ),
            (
                "function-duration",
                "good: mean 7.0 ms, p50 -, p95 -, p99 -, 2 values (2026-11-15T09:00:00Z to 2026-11-22T09:00:00Z); \
                 source: AWS/Lambda Duration goal-mandala-prod-api"
                    .to_owned()
            ),
        ]
    );
    assert_eq!(table(&facts).unwrap().rows.len(), 2);
    let slow = gathered(&[(0, &[4.0]), (1, &[100.1])], None).await;
    assert!(told(&slow)[0].1.starts_with("bad: mean 100.1 ms"));
}

#[tokio::test]
async fn parts_are_weighed_and_their_highest_percentile_is_a_bound() {
    let facts = gathered(&[(0, &[1.0, 3.0]), (1, &[10.0, 50.0]), (3, &[12.0, 90.0])], None).await;
    assert!(
        told(&facts)[0].1.starts_with("good: mean 40.0 ms (at most 100 ms), p50 -, p95 ≤ 90.0 ms, p99 -, 4 values")
    );
}

#[tokio::test]
async fn without_data_there_is_no_zero() {
    let facts = gathered(&[], None).await;
    assert_eq!(told(&facts), [("retrieval-latency", "NoData".into()), ("function-duration", "NoData".into())]);
    assert_eq!(table(&facts), None);
    let odd = gathered(&[(0, &[4.0]), (1, &[]), (5, &[0.0]), (6, &[0.0])], None).await;
    assert_eq!(told(&odd), [("retrieval-latency", "Malformed".into()), ("function-duration", "NoData".into())]);
    for status in [StatusCode::PartialData, StatusCode::InternalError, StatusCode::Forbidden] {
        let part = gathered(&[(0, &[4.0]), (1, &[7.0])], Some(status)).await;
        assert_eq!(told(&part), [("retrieval-latency", "Malformed".into()), ("function-duration", "Malformed".into())]);
    }
}
