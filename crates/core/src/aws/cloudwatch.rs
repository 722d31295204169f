//! CloudWatch: sums and averages of metrics.

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use jiff::Timestamp;

use super::{Aws, AwsError, date_time};

/// A statistic of one metric.
#[derive(Clone, Debug)]
pub struct Query {
    /// Such as `AWS/Usage`.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// `Sum` or `Average`.
    pub statistic: &'static str,
    /// All of the metric's dimensions; a metric is found only by its exact set.
    pub dimensions: Vec<(&'static str, String)>,
}

/// The data points of each query over `[from, to)`, an hour each, in the order of the queries.
///
/// A metric that does not exist answers with no points: AWS does not tell it from one without data.
pub async fn hourly(aws: &Aws, queries: &[Query], from: Timestamp, to: Timestamp) -> Result<Vec<Vec<f64>>, AwsError> {
    let mut points = vec![Vec::new(); queries.len()];
    let mut token = None;
    loop {
        let answer = aws
            .cloudwatch()
            .get_metric_data()
            .start_time(date_time(from))
            .end_time(date_time(to))
            .set_metric_data_queries(Some(queries.iter().enumerate().map(to_sdk).collect()))
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("cloudwatch:GetMetricData", error))?;
        for result in answer.metric_data_results.unwrap_or_default() {
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

fn to_sdk((index, query): (usize, &Query)) -> MetricDataQuery {
    let dimensions = query.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.namespace)
        .metric_name(&query.metric)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(3600).stat(query.statistic).build();
    MetricDataQuery::builder().id(format!("q{index}")).metric_stat(stat).build()
}
