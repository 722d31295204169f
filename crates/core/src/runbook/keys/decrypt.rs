//! Decryptions on behalf of Secrets Manager that failed, tied to secrets by their encryption context.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::audit::{Question, Reply};
use crate::aws::Aws;
use crate::aws::logs::{self, Row};
use crate::model::{DecryptFailure, DecryptFailures, Gap, GapReason, Reading, Record, Secret, Severity, Text};

/// Successes are counted too: without one, nobody could tell "no failures" from a trail that leaves KMS out. Failures come
/// first, so that a full answer has lost the others first.
const QUERY: &str = r#"filter eventSource = "kms.amazonaws.com" and eventName = "Decrypt" and userIdentity.invokedBy = "secretsmanager.amazonaws.com"
| fields requestParameters.encryptionContext.SecretARN as secret, errorCode as code
| stats count(*) as n, latest(errorMessage) as message by secret, code
| sort code desc
| limit 10000"#;

/// The most rows that Insights gives out.
const ROWS: usize = 10_000;

/// Asks Logs Insights on the trail's group: LookupEvents would take days in an account that decrypts much.
pub async fn failures(
    aws: &Aws,
    group: &str,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Reading<DecryptFailures> {
    let rows = logs::query(aws, group, &logs::of_region(QUERY, aws.region()), from, to, deadline)
        .await
        .map_err(|error| error.gap(group))?;
    let mut found = DecryptFailures {
        from,
        to,
        read_from: group.to_owned(),
        decryptions: 0,
        truncated: rows.len() >= ROWS,
        failures: Vec::new(),
    };
    for row in rows {
        take(row, group, &mut found)?;
    }
    Ok(found)
}

fn take(mut row: Row, group: &str, found: &mut DecryptFailures) -> Result<(), Gap> {
    let count = row.get("n").and_then(|n| n.parse::<u64>().ok()).ok_or_else(|| Gap {
        what: "logs:GetQueryResults".into(),
        subject: group.to_owned(),
        reason: GapReason::Malformed,
        detail: "a row of failed decryptions has no count".into(),
    })?;
    found.decryptions += count;
    let mut cell = |name: &str| row.remove(name).filter(|text| !text.is_empty());
    if let Some(code) = cell("code") {
        found.failures.push(DecryptFailure { secret_arn: cell("secret"), code, message: cell("message"), count });
    }
    Ok(())
}

/// Failures of a kind, and when the last of them was.
type Latest = (Option<Timestamp>, DecryptFailure);

/// The same from records in files.
pub fn failures_of(records: &[Record], from: Timestamp, to: Timestamp, read_from: &str) -> DecryptFailures {
    let mut decryptions = 0;
    let mut by_kind: BTreeMap<(Option<&str>, &str), Latest> = BTreeMap::new();
    for record in records.iter().filter(|record| is_ours(record, from, to)) {
        decryptions += 1;
        let Some(code) = record.error_code.as_deref() else { continue };
        let secret = record.secret_id();
        let (latest, failure) = by_kind.entry((secret, code)).or_insert_with(|| {
            let failure = DecryptFailure {
                secret_arn: secret.map(str::to_owned),
                code: code.to_owned(),
                message: None,
                count: 0,
            };
            (None, failure)
        });
        failure.count += 1;
        if record.event_time >= *latest {
            *latest = record.event_time;
            failure.message.clone_from(&record.error_message);
        }
    }
    DecryptFailures {
        from,
        to,
        read_from: read_from.to_owned(),
        decryptions,
        truncated: false,
        failures: by_kind.into_values().map(|(_, failure)| failure).collect(),
    }
}

fn is_ours(record: &Record, from: Timestamp, to: Timestamp) -> bool {
    record.event_source.as_deref() == Some("kms.amazonaws.com")
        && record.event_name.as_deref() == Some("Decrypt")
        && record.user_identity.invoked_by.as_deref() == Some("secretsmanager.amazonaws.com")
        && record.event_time.is_some_and(|at| (from..to).contains(&at))
}

pub(super) fn answer(failures: &Reading<DecryptFailures>, secrets: &[Secret]) -> (Question, Result<Reply, Gap>) {
    let question = Question {
        id: "key-decrypt-failures",
        runbook: "R43",
        title: Text::fixed("シークレットの復号の失敗", "Failed decryptions of secrets"),
        severity: Severity::High,
        remediation: Text::fixed(
            "DisabledException・KMSInvalidStateException ならキーの状態を、AccessDenied なら呼び出し元の kms:Decrypt とキーポリシーを確認する",
            "On DisabledException or KMSInvalidStateException look at the key's state, on AccessDenied at the caller's kms:Decrypt and the key's policy",
        ),
    };
    (question, failures.clone().and_then(|found| judge(&found, secrets)))
}

fn judge(found: &DecryptFailures, secrets: &[Secret]) -> Result<Reply, Gap> {
    let gap = |reason, detail: &str| Gap {
        what: "logs:StartQuery".into(),
        subject: found.read_from.clone(),
        reason,
        detail: detail.to_owned(),
    };
    if found.decryptions == 0 {
        let detail = "not one Decrypt on behalf of Secrets Manager: does the trail deliver KMS events there?";
        return Err(gap(GapReason::NoData, detail));
    }
    let by_arn: BTreeMap<&str, &str> =
        secrets.iter().map(|secret| (secret.arn.as_str(), secret.name.as_str())).collect();
    let told = found.failures.iter().map(|failure| {
        let arn = failure.secret_arn.as_deref().unwrap_or("?");
        let subject = by_arn.get(arn).copied().unwrap_or(arn).to_owned();
        let (code, count) = (&failure.code, failure.count);
        let message = failure.message.as_deref().map_or_else(String::new, |message| format!(": {message}"));
        let text = Text::new(
            format!("復号の失敗 {count} 回 {code}{message}"),
            format!("{count} decryptions failed with {code}{message}"),
        );
        (subject, Severity::High, text)
    });
    let told: Vec<_> = told.collect();
    let gaps = found.truncated.then(|| gap(GapReason::Truncated, "Insights gives out 10,000 rows; there were more"));
    let failed: u64 = found.failures.iter().map(|failure| failure.count).sum();
    let (all, group) = (found.decryptions, &found.read_from);
    Ok(Reply::of(
        Text::new(
            format!("復号 {all} 回中 {failed} 回失敗。出典: {group}"),
            format!("{failed} of {all} decryptions failed; source: {group}"),
        ),
        told,
        gaps.into_iter().collect(),
    ))
}
