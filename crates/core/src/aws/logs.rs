//! CloudWatch Logs Insights: one query, from start to rows.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::QueryStatus;
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Aws, AwsError, Class};
use crate::model::{Gap, GapReason};

/// Why a query gave no rows.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Insights ended it without a result: `Failed`, `Cancelled`, `Timeout` or `Unknown`.
    #[error("logs:GetQueryResults: the query ended as {0}")]
    Ended(String),
    /// It was still running at the deadline, and has been told to stop.
    #[error("logs:GetQueryResults: the query was still running at the deadline and has been stopped")]
    Deadline,
}

impl QueryError {
    /// What could not be read, as a report shows it.
    pub fn gap(&self, log_group: &str) -> Gap {
        let ended = |reason| Gap {
            what: "logs:GetQueryResults".to_owned(),
            subject: log_group.to_owned(),
            reason,
            detail: self.to_string(),
        };
        match self {
            // A log group that is not there is a setting, not something that went away.
            Self::Aws(error) if error.class == Class::NotFound => {
                Gap { reason: GapReason::NotConfigured, ..error.gap(log_group) }
            }
            Self::Aws(error) => error.gap(log_group),
            Self::Ended(_) => ended(GapReason::Unavailable),
            Self::Deadline => ended(GapReason::Deadline),
        }
    }
}

/// The query about the records of one Region: a trail may bring those of all Regions to one group.
pub fn of_region(query: &str, region: &str) -> String {
    query.replacen("filter ", &format!("filter awsRegion = \"{region}\" and "), 1)
}

/// One row, by column.
pub type Row = BTreeMap<String, String>;

/// Runs `query` over `[from, to)` of a log group and waits for its end.
///
/// Insights bills by the bytes scanned. A group that does not exist is a `ResourceNotFoundException`.
pub async fn query(
    aws: &Aws,
    log_group: &str,
    query: &str,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Result<Vec<Row>, QueryError> {
    let start = aws
        .logs()
        .start_query()
        .log_group_name(log_group)
        .query_string(query)
        .start_time(from.as_second())
        // Insights includes the end; our windows exclude it.
        .end_time(to.as_second() - 1)
        .send();
    let started = timeout_at(deadline, start)
        .await
        .map_err(|_| QueryError::Deadline)?
        .map_err(|error| AwsError::new("logs:StartQuery", error))?;
    let id = started.query_id.unwrap_or_default();
    let answer = timeout_at(deadline, rows(aws, &id)).await.unwrap_or(Err(QueryError::Deadline));
    if matches!(answer, Err(QueryError::Deadline | QueryError::Aws(_))) {
        stop(aws, &id).await;
    }
    answer
}

/// Asks until the query has ended.
async fn rows(aws: &Aws, id: &str) -> Result<Vec<Row>, QueryError> {
    let mut pause = Duration::from_millis(250);
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
        let answer = aws
            .logs()
            .get_query_results()
            .query_id(id)
            .send()
            .await
            .map_err(|error| AwsError::new("logs:GetQueryResults", error))?;
        match answer.status {
            Some(QueryStatus::Complete) => {
                return Ok(answer.results.unwrap_or_default().into_iter().map(row).collect());
            }
            Some(QueryStatus::Scheduled | QueryStatus::Running) => {}
            other => {
                return Err(QueryError::Ended(other.map_or_else(|| "Unknown".to_owned(), |s| s.as_str().to_owned())));
            }
        }
    }
}

fn row(fields: Vec<aws_sdk_cloudwatchlogs::types::ResultField>) -> Row {
    fields.into_iter().filter_map(|field| Some((field.field?, field.value?))).collect()
}

/// A query left running goes on billing; if it cannot be stopped, Insights ends it by itself after 60 minutes.
async fn stop(aws: &Aws, id: &str) {
    match timeout(Duration::from_millis(500), aws.logs().stop_query().query_id(id).send()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            let error = AwsError::new("logs:StopQuery", error);
            tracing::warn!(%error, query = id, "a query could not be stopped");
        }
        Err(_) => tracing::warn!(query = id, "a query could not be stopped in time"),
    }
}
