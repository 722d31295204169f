//! CloudWatch: sums and averages of metrics.

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode};
use jiff::Timestamp;

use super::{Aws, AwsError, date_time};

/// A statistic of one metric.
#[derive(Clone, Debug)]
pub struct Query {
    /// Such as `AWS/Usage`.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// `Sum`, `Average`, `SampleCount` or a percentile such as `p99`.
    pub statistic: &'static str,
    /// All of the metric's dimensions; a metric is found only by its exact set.
    pub dimensions: Vec<(&'static str, String)>,
}

/// The data points of each query over `[from, to)`, an hour each, in the order of the queries.
///
/// A metric that does not exist answers with no points: AWS does not tell it from one without data.
pub async fn hourly(aws: &Aws, queries: &[Query], from: Timestamp, to: Timestamp) -> Result<Vec<Vec<f64>>, AwsError> {
    every(aws, queries, 3600, from, to).await
}

/// The same, in data points of `period` seconds: a multiple of 60, of 300 for what is older than 15 days, of 3,600 for
/// what is older than 63 days. CloudWatch lays periods on a grid of its own and may split one.
pub async fn every(
    aws: &Aws,
    queries: &[Query],
    period: i32,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Vec<f64>>, AwsError> {
    const OPERATION: &str = "cloudwatch:GetMetricData";
    let mut points = vec![Vec::new(); queries.len()];
    let mut token = None;
    loop {
        let answer = aws
            .cloudwatch()
            .get_metric_data()
            .start_time(date_time(from))
            .end_time(date_time(to))
            .set_metric_data_queries(Some(queries.iter().enumerate().map(|query| to_sdk(query, period)).collect()))
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("cloudwatch:GetMetricData", error))?;
        let last = answer.next_token.as_deref().is_none_or(str::is_empty);
        for result in answer.metric_data_results.unwrap_or_default() {
            match result.status_code {
                Some(StatusCode::InternalError | StatusCode::Forbidden) => {
                    return Err(AwsError::garbled(OPERATION, "CloudWatch could not evaluate a metric"));
                }
                Some(StatusCode::PartialData) if last => {
                    return Err(AwsError::garbled(OPERATION, "CloudWatch gave only a part of a metric's data"));
                }
                _ => {}
            }
            let index = result.id.as_deref().and_then(|id| id.strip_prefix('q')).and_then(|n| n.parse::<usize>().ok());
            if let Some(series) = index.and_then(|index| points.get_mut(index)) {
                series.extend(result.values.unwrap_or_default());
            }
        }
        token = answer.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(points);
        }
    }
}

fn to_sdk((index, query): (usize, &Query), period: i32) -> MetricDataQuery {
    let dimensions = query.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.namespace)
        .metric_name(&query.metric)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(period).stat(query.statistic).build();
    MetricDataQuery::builder().id(format!("q{index}")).metric_stat(stat).build()
}
