//! R01-R03: three rates, each from one real source, over one day.

use jiff::Timestamp;
use tokio::time::Instant;

use super::Reply;
use crate::aws::Aws;
use crate::aws::cloudwatch::{self, Query};
use crate::aws::logs::{self, Row};
use crate::model::{Gap, GapReason, Text};
use crate::runbook::job::in_time;
use crate::settings::{AuditSettings, Settings};

/// Requests and failures come from the same records, so that the ratio is one. `count(errorCode)` counts the records
/// that have the field: CloudTrail writes it only on failures.
const READS: &str = r#"filter eventSource = "secretsmanager.amazonaws.com" and eventName = "GetSecretValue"
| stats count(*) as requests, count(errorCode) as failures"#;

const APP_ERRORS: &str = "filter @message like /ERROR/ and @message like /SecretServiceError/
| stats count(*) as errors";

pub(super) async fn success_rate(
    aws: &Aws,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Reply, Gap> {
    let group = &audit.trail_log_group;
    let rows = logs::query(aws, group, &logs::of_region(READS, aws.region()), from, to, deadline)
        .await
        .map_err(|error| error.gap(group))?;
    // Insights answers with no row at all where nothing matched.
    let (requests, failures) = match rows.as_slice() {
        [] => (0.0, 0.0),
        rows => (figure(rows, "requests", group)?, figure(rows, "failures", group)?),
    };
    if requests == 0.0 {
        let detail = format!(
            "{group} has no GetSecretValue in 24 hours, not even the canary's: does the trail deliver read events there?"
        );
        return Err(no_data("logs:StartQuery", group, detail));
    }
    let rate = 100.0 * (requests - failures) / requests;
    Ok(held(
        rate >= audit.success_min,
        format!("{rate:.3} % (≥ {} %): {requests} 回中 {failures} 回失敗。出典: {group}", audit.success_min),
        format!("{rate:.3} % (at least {} %): {failures} of {requests} failed; source: {group}", audit.success_min),
    ))
}

pub(super) async fn error_rate(
    aws: &Aws,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Reply, Gap> {
    let group = &audit.app_log_group;
    let Some(function) = group.strip_prefix("/aws/lambda/") else {
        return Err(Gap {
            what: "SECRETS_OPS_APP_LOG_GROUP".into(),
            subject: group.clone(),
            reason: GapReason::NotConfigured,
            detail: "not a function's log group, so that its invocations cannot be counted".into(),
        });
    };
    let rows = logs::query(aws, group, APP_ERRORS, from, to, deadline).await.map_err(|error| error.gap(group))?;
    // Insights answers with no row at all where nothing matched.
    let errors = if rows.is_empty() { 0.0 } else { figure(&rows, "errors", group)? };
    let invocations = Query {
        namespace: "AWS/Lambda".into(),
        metric: "Invocations".into(),
        statistic: "Sum",
        dimensions: vec![("FunctionName", function.to_owned())],
    };
    let invocations = total(&hourly(aws, &[invocations], from, to, deadline).await?[0]);
    if invocations == 0.0 {
        let detail = "AWS/Lambda Invocations has no data in 24 hours".to_owned();
        return Err(no_data("cloudwatch:GetMetricData", function, detail));
    }
    let rate = 100.0 * errors / invocations;
    Ok(held(
        rate <= audit.error_max,
        format!(
            "{rate:.3} % (≤ {} %): 呼び出し {invocations} 回に対し SecretServiceError {errors} 件。出典: {group}",
            audit.error_max
        ),
        format!(
            "{rate:.3} % (at most {} %): {errors} SecretServiceError in {invocations} invocations; source: {group}",
            audit.error_max
        ),
    ))
}

pub(super) async fn cache_hit_rate(
    aws: &Aws,
    settings: &Settings,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Reply, Gap> {
    let query = |metric: &str, statistic| Query {
        namespace: settings.namespace.clone(),
        metric: metric.to_owned(),
        statistic,
        dimensions: Vec::new(),
    };
    let queries = [query("CacheHits", "Sum"), query("CacheMisses", "Sum"), query("CacheHitRate", "Average")];
    let series = hourly(aws, &queries, from, to, deadline).await?;
    let nothing = |detail: String| no_data("cloudwatch:GetMetricData", &settings.namespace, detail);
    let (hits, misses) = (total(&series[0]), total(&series[1]));
    let (rate, source) = if hits + misses > 0.0 {
        (100.0 * hits / (hits + misses), format!("CacheHits {hits}, CacheMisses {misses}"))
    } else if !series[0].is_empty() || !series[1].is_empty() {
        return Err(nothing("the cache was not asked once in 24 hours".into()));
    } else if series[2].is_empty() {
        let detail =
            "CacheHits, CacheMisses and CacheHitRate have no data in 24 hours: does the application emit them?";
        return Err(nothing(detail.into()));
    } else {
        // Each instance's ratio weighs the same here, however few reads it had: less true than the counters.
        #[expect(clippy::cast_precision_loss, reason = "at most 24 points")]
        let mean = total(&series[2]) / series[2].len() as f64;
        (mean, "CacheHitRate (mean of means)".to_owned())
    };
    Ok(held(
        rate >= audit.cache_hit_min,
        format!("{rate:.1} % (≥ {} %)。出典: {} {source}", audit.cache_hit_min, settings.namespace),
        format!("{rate:.1} % (at least {} %); source: {} {source}", audit.cache_hit_min, settings.namespace),
    ))
}

fn held(good: bool, ja: String, en: String) -> Reply {
    if good { Reply::Good(Text::new(ja, en)) } else { Reply::Bad(Text::new(ja, en)) }
}

fn no_data(what: &str, subject: &str, detail: String) -> Gap {
    Gap { what: what.to_owned(), subject: subject.to_owned(), reason: GapReason::NoData, detail }
}

async fn hourly(
    aws: &Aws,
    queries: &[Query],
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Vec<Vec<f64>>, Gap> {
    let namespace = &queries[0].namespace;
    in_time(cloudwatch::hourly(aws, queries, from, to), "cloudwatch:GetMetricData", namespace, deadline).await
}

/// From zero up: the standard sum of nothing is -0, which people would read.
fn total(series: &[f64]) -> f64 {
    series.iter().fold(0.0, |sum, value| sum + value)
}

fn figure(rows: &[Row], column: &str, group: &str) -> Result<f64, Gap> {
    let cell = rows.first().and_then(|row| row.get(column));
    match cell.map(|text| text.parse::<f64>()) {
        Some(Ok(number)) => Ok(number),
        None => Err(no_data("logs:GetQueryResults", group, format!("the answer has no column {column}"))),
        Some(Err(_)) => Err(Gap {
            what: "logs:GetQueryResults".into(),
            subject: group.to_owned(),
            reason: GapReason::Malformed,
            detail: format!("column {column} is not a number"),
        }),
    }
}
