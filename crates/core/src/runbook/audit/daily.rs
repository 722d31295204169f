//! The daily list: success rate, error rate, cache hit rate, unusual access, and whether the other jobs have run.

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::access::unusual;
use super::{Question, Reply, Sheet};
use crate::aws::cloudwatch::{self, Query};
use crate::aws::logs::{self, QueryError, Row};
use crate::aws::{Aws, Class, cloudtrail};
use crate::model::{Gap, GapReason, Report, Severity, Text};
use crate::runbook::job::deadline_gap;
use crate::runbook::ledger;
use crate::settings::{AuditSettings, Settings};

/// Requests and failures come from the same records, so that the ratio is one. `count(errorCode)` counts the records
/// that have the field: CloudTrail writes it only on failures.
const READS: &str = r#"filter eventSource = "secretsmanager.amazonaws.com" and eventName = "GetSecretValue"
| stats count(*) as requests, count(errorCode) as failures"#;

const APP_ERRORS: &str = "filter @message like /ERROR/ and @message like /SecretServiceError/
| stats count(*) as errors";

/// Goes through the list for the 24 hours before `now`. Also the age in hours of each watched job's last success.
pub async fn daily(
    aws: &Aws,
    settings: &Settings,
    audit: &AuditSettings,
    now: Timestamp,
    deadline: Instant,
) -> (Report, Vec<(String, i64)>) {
    let from = now - SignedDuration::from_hours(24);
    let mut sheet = Sheet::default();
    let (success, errors, hits, access, jobs) = tokio::join!(
        success_rate(aws, audit, from, now, deadline),
        error_rate(aws, audit, from, now, deadline),
        cache_hit_rate(aws, settings, audit, from, now, deadline),
        access(aws, audit, from, now, deadline),
        jobs(aws, settings, audit, now, deadline),
    );
    sheet.answer(
        Question {
            id: "success-rate",
            runbook: "R01",
            title: Text::fixed("シークレット取得成功率", "Success rate of reads"),
            severity: Severity::High,
            remediation: Text::fixed(
                "CloudTrail の errorCode を確認し、権限・キー・シークレットの状態のどれが原因かを調べる",
                "Look at errorCode in CloudTrail: is it a permission, a key or the secret's state?",
            ),
        },
        success,
    );
    sheet.answer(
        Question {
            id: "error-rate",
            runbook: "R02",
            title: Text::fixed("アプリケーションのエラー率", "Error rate of the application"),
            severity: Severity::High,
            remediation: Text::fixed(
                "アプリケーションのログで SecretServiceError の原因を確認する",
                "Look for the cause of SecretServiceError in the application's log",
            ),
        },
        errors,
    );
    sheet.answer(
        Question {
            id: "cache-hit-rate",
            runbook: "R03",
            title: Text::fixed("キャッシュヒット率", "Cache hit rate"),
            severity: Severity::Low,
            remediation: Text::fixed(
                "キャッシュの TTL と容量、関数の再起動頻度を確認する",
                "Look at the cache's TTL and size, and at how often the function restarts",
            ),
        },
        hits,
    );
    let (access, gaps) = access;
    sheet.gaps.extend(gaps);
    sheet.answer(
        Question {
            id: "unusual-access",
            runbook: "R04",
            title: Text::fixed("異常なアクセスパターン", "Unusual access"),
            severity: Severity::High,
            remediation: Text::fixed(
                "呼び出し元が想定どおりか所有者に確認し、想定外ならその認証情報を無効にしてシークレットをローテーションする",
                "Ask the caller's owner whether this is expected; if not, disable the credentials and rotate the secret",
            ),
        },
        access,
    );
    let (jobs, ages) = jobs;
    sheet.answer(
        Question {
            id: "jobs-succeeded",
            runbook: "R48",
            title: Text::fixed("定期ジョブの成功", "Scheduled jobs have succeeded"),
            severity: Severity::High,
            remediation: Text::fixed(
                "該当する関数のログとスケジュールを確認し、手動で一度実行する",
                "Look at the function's log and its schedule, and run it once by hand",
            ),
        },
        jobs,
    );
    let title = Text::fixed("日次チェックリスト", "Daily checklist");
    (sheet.into_report("secrets-ops/audit-daily/v1", title, aws.region(), now), ages)
}

async fn success_rate(
    aws: &Aws,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Reply, Gap> {
    let group = &audit.trail_log_group;
    let rows = logs::query(aws, group, READS, from, to, deadline).await.map_err(|error| query_gap(&error, group))?;
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

async fn error_rate(
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
    let rows =
        logs::query(aws, group, APP_ERRORS, from, to, deadline).await.map_err(|error| query_gap(&error, group))?;
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

async fn cache_hit_rate(
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

/// The reply, and gaps beside it: what was seen is told even where it is not all.
async fn access(
    aws: &Aws,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> (Result<Reply, Gap>, Vec<Gap>) {
    let gap = |reason, detail: String| Gap {
        what: "cloudtrail:LookupEvents".into(),
        subject: "GetSecretValue".into(),
        reason,
        detail,
    };
    let lookup = cloudtrail::lookup(aws, "GetSecretValue", from, to, audit.lookup_pages);
    let found = match timeout_at(deadline, lookup).await {
        Err(_) => {
            return (Err(deadline_gap("cloudtrail:LookupEvents", "still reading at the deadline".into())), vec![]);
        }
        Ok(Err(error)) => return (Err(error.gap("GetSecretValue")), vec![]),
        Ok(Ok(found)) => found,
    };
    if found.events.is_empty() && found.unreadable == 0 {
        let detail = "no GetSecretValue in 24 hours, not even the canary's: is it the right Region and account?";
        return (Err(gap(GapReason::NoData, detail.into())), vec![]);
    }
    let mut gaps = Vec::new();
    if found.truncated {
        let oldest = found.events.iter().filter_map(|event| event.event_time).min();
        let oldest = oldest.map_or_else(|| "?".to_owned(), |at| at.to_string());
        gaps.push(gap(
            GapReason::Truncated,
            format!(
                "{} events read, back to {oldest}; the rest of the 24 hours was not (SECRETS_OPS_LOOKUP_PAGES)",
                found.events.len()
            ),
        ));
    }
    if found.unreadable > 0 {
        gaps.push(gap(GapReason::Malformed, format!("{} records could not be parsed", found.unreadable)));
    }
    let unusual = unusual(&found.events, audit.burst_calls);
    let detail = Text::new(
        format!("取得 {} 件を確認、異常 {} 件。出典: CloudTrail", found.events.len(), unusual.len()),
        format!("{} reads looked at, {} unusual; source: CloudTrail", found.events.len(), unusual.len()),
    );
    if unusual.is_empty() && !gaps.is_empty() {
        // Nothing bad in a part says nothing of the whole.
        let first = gaps.remove(0);
        return (Err(first), gaps);
    }
    (Ok(Reply::Found(detail, unusual)), gaps)
}

async fn jobs(
    aws: &Aws,
    settings: &Settings,
    audit: &AuditSettings,
    now: Timestamp,
    deadline: Instant,
) -> (Result<Reply, Gap>, Vec<(String, i64)>) {
    let mut ages = Vec::new();
    let mut late = Vec::new();
    for job in &audit.watched_jobs {
        let hours = match timeout_at(deadline, ledger::hours_since(aws, &settings.bucket, job, now)).await {
            Err(_) => return (Err(deadline_gap("s3:GetObject", "still reading at the deadline".into())), ages),
            Ok(Err(error)) => return (Err(error.gap(job)), ages),
            Ok(Ok(hours)) => hours,
        };
        let limit = ledger::longest_interval(job).unwrap_or(i64::MAX);
        match hours {
            None => {
                late.push((job.clone(), Severity::High, Text::fixed("一度も成功していません", "has never succeeded")))
            }
            Some(hours) if hours > limit => late.push((
                job.clone(),
                Severity::High,
                Text::new(
                    format!("最後の成功は {hours} 時間前（上限 {limit} 時間）"),
                    format!("last succeeded {hours} hours ago (limit {limit})"),
                ),
            )),
            Some(_) => {}
        }
        ages.extend(hours.map(|hours| (job.clone(), hours)));
    }
    let known: Vec<String> = ages.iter().map(|(job, hours)| format!("{job} {hours} h")).collect();
    let known = known.join(", ");
    let detail = Text::new(format!("最後の成功から: {known}"), format!("since the last success: {known}"));
    (Ok(Reply::Found(detail, late)), ages)
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
    match timeout_at(deadline, cloudwatch::hourly(aws, queries, from, to)).await {
        Err(_) => Err(deadline_gap("cloudwatch:GetMetricData", "still reading at the deadline".into())),
        Ok(points) => points.map_err(|error| error.gap(&queries[0].namespace)),
    }
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

fn query_gap(error: &QueryError, group: &str) -> Gap {
    match error {
        // A log group that is not there is a setting, not something that went away.
        QueryError::Aws(error) if error.class == Class::NotFound => {
            Gap { reason: GapReason::NotConfigured, ..error.gap(group) }
        }
        QueryError::Aws(error) => error.gap(group),
        QueryError::Ended(_) => Gap {
            what: "logs:GetQueryResults".into(),
            subject: group.to_owned(),
            reason: GapReason::Unavailable,
            detail: error.to_string(),
        },
        QueryError::Deadline => {
            Gap { subject: group.to_owned(), ..deadline_gap("logs:GetQueryResults", error.to_string()) }
        }
    }
}

#[cfg(test)]
mod tests;
