//! The daily list: success rate, error rate, cache hit rate, unusual access, and whether the other jobs have run.

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::rates::{cache_hit_rate, error_rate, success_rate};
use super::{Question, Reply, Sheet};
use crate::aws::Aws;
use crate::model::{Accesses, Gap, Report, Severity, Text};
use crate::runbook::access::{gather, judge};
use crate::runbook::job::deadline_gap;
use crate::runbook::ledger;
use crate::settings::{AuditSettings, Settings};

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
        access(aws, settings, audit, from, now, deadline),
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

/// The reply, and gaps beside it: what was seen is told even where it is not all.
async fn access(
    aws: &Aws,
    settings: &Settings,
    audit: &AuditSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> (Result<Reply, Gap>, Vec<Gap>) {
    match gather(aws, &audit.access, from, to, deadline).await {
        Ok(accesses) => unusual(&accesses, settings, audit),
        Err(gap) => (Err(gap), vec![]),
    }
}

/// What can be told of a day without the days before it and without a list of the secrets: so the list stays cheap.
fn unusual(accesses: &Accesses, settings: &Settings, audit: &AuditSettings) -> (Result<Reply, Gap>, Vec<Gap>) {
    let (mut found, mut gaps, mut left) = (Vec::new(), accesses.gaps.clone(), Vec::new());
    for judged in judge(accesses, &[], &audit.access, accesses.from, &settings.time_zone) {
        match judged.answer {
            Ok(Some(unusual)) => found.extend(unusual.into_iter().map(|one| (one.subject, one.severity, one.detail))),
            Ok(None) => left.push(judged.kind.id),
            Err(gap) if gaps.contains(&gap) => {}
            Err(gap) => gaps.push(gap),
        }
    }
    if found.is_empty() && !gaps.is_empty() {
        // Nothing bad in a part says nothing of the whole.
        let first = gaps.remove(0);
        return (Err(first), gaps);
    }
    let reads: u64 = accesses.entries.iter().map(|access| access.count).sum();
    let (number, source, left) = (found.len(), &accesses.read_from, left.join(", "));
    let detail = Text::new(
        format!(
            "取得 {reads} 件を確認、異常 {number} 件。基準期間が要る {left} は access report で判定。出典: {source}"
        ),
        format!(
            "{reads} reads looked at, {number} unusual; {left} need a baseline: see access report; source: {source}"
        ),
    );
    (Ok(Reply::Found(detail, found)), gaps)
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
    let detail = match known.as_str() {
        "" => Text::fixed("まだ成功したジョブがありません", "none of them has succeeded yet"),
        _ => Text::new(format!("最後の成功から: {known}"), format!("since the last success: {known}")),
    };
    (Ok(Reply::Found(detail, late)), ages)
}

#[cfg(test)]
mod tests;
