//! What CloudTrail knows of reads, by LookupEvents within a budget of pages or by Logs Insights; and the trails themselves.

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::collect::Collector;
use super::settings::{AccessSettings, Source};
use crate::aws::logs::{self, Row};
use crate::aws::{Aws, AwsError, cloudtrail, secrets_manager};
use crate::model::{Access, Accesses, Gap, GapReason, Identity, Reading, Record, Secret, TrailFacts, access};
use crate::runbook::job::{deadline_gap, in_time};

/// What Insights answers at most in one page, and what we ask for.
const MOST_ROWS: usize = 10_000;

/// Reads of secrets in `[from, to)`, from the source that the settings name. CloudTrail is up to 15 minutes late.
///
/// # Errors
/// Nothing at all could be read. What could be read in part comes with [`Accesses::truncated_at`] and the reason.
pub async fn gather(
    aws: &Aws,
    settings: &AccessSettings,
    from: Timestamp,
    to: Timestamp,
    deadline: Instant,
) -> Reading<Accesses> {
    match &settings.source {
        Source::Lookup => {
            let kept = from.max(to - SignedDuration::from_hours(24 * DAYS_KEPT));
            let mut found = lookup(aws, settings.lookup_pages, kept, to, deadline).await?;
            if kept > from {
                found.from = from;
                found.truncated_at.get_or_insert(kept);
                let detail = format!("CloudTrail keeps {DAYS_KEPT} days; reads before {kept} were not seen");
                found.gaps.push(gap("cloudtrail:LookupEvents", "", GapReason::Truncated, detail));
            }
            Ok(found)
        }
        Source::Insights(group) => insights(aws, group, from, to, deadline).await,
    }
}

/// Events that LookupEvents can still find.
const DAYS_KEPT: i64 = 90;

/// The events of one name, newest first.
struct Stream {
    name: &'static str,
    token: Option<String>,
    /// How far back it has been read.
    reached: Timestamp,
    ended: bool,
}

/// Both streams are read back evenly, so that the budget reaches as far as it can for the two together.
async fn lookup(aws: &Aws, pages: usize, from: Timestamp, to: Timestamp, deadline: Instant) -> Reading<Accesses> {
    let stream = |name| Stream { name, token: None, reached: to, ended: false };
    let mut streams = [stream("GetSecretValue"), stream("BatchGetSecretValue")];
    let mut found = Collector::new(from, to);
    let mut read = 0;
    let stopped = loop {
        let Some(stream) = behind(&mut streams) else { break None };
        if read == pages {
            let detail = format!("the budget of {pages} pages is used up (SECRETS_OPS_LOOKUP_PAGES)");
            break Some(gap("cloudtrail:LookupEvents", stream.name, GapReason::Truncated, detail));
        }
        let page = cloudtrail::lookup_page(aws, stream.name, from, to, stream.token.take());
        let page = match timeout_at(deadline, page).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => break Some(error.gap(stream.name)),
            Err(_) => {
                let detail = "still reading at the deadline".to_owned();
                break Some(Gap { subject: stream.name.to_owned(), ..deadline_gap("cloudtrail:LookupEvents", detail) });
            }
        };
        read += 1;
        found.unreadable(page.unreadable);
        page.events.iter().for_each(|record| found.take(record));
        stream.reached = page.events.iter().filter_map(|record| record.event_time).fold(stream.reached, Timestamp::min);
        stream.token = page.next;
        stream.ended = stream.token.is_none();
    };
    let Some(mut stopped) = stopped else {
        return Ok(found.finish("CloudTrail LookupEvents".to_owned(), None, vec![]).0);
    };
    if read == 0 {
        return Err(stopped);
    }
    let reached = behind(&mut streams).map_or(to, |stream| stream.reached);
    stopped.detail = format!("{}; reads before {reached} were not all seen", stopped.detail);
    Ok(found.finish("CloudTrail LookupEvents".to_owned(), Some(reached), vec![stopped]).0)
}

/// The stream that has been read back least; none once all have ended.
fn behind(streams: &mut [Stream]) -> Option<&mut Stream> {
    // The first of equals: GetSecretValue.
    streams.iter_mut().rev().filter(|stream| !stream.ended).max_by_key(|stream| stream.reached)
}

/// A batch counts only where it failed as a whole, as [`crate::model::is_read`] has it.
fn insights_query() -> String {
    format!(
        r#"fields strcontains(errorMessage, "marked for deletion") as marked
| filter eventSource = "secretsmanager.amazonaws.com"
    and (eventName = "GetSecretValue" or (eventName = "BatchGetSecretValue" and ispresent(errorCode)))
| stats count(*) as n, min(@timestamp) as began by bin(5m), eventName, requestParameters.secretId, userIdentity.arn,
    userIdentity.type, userIdentity.invokedBy, userIdentity.accountId, sourceIPAddress, userAgent, errorCode, marked
| sort began desc
| limit {MOST_ROWS}"#
    )
}

async fn insights(aws: &Aws, group: &str, from: Timestamp, to: Timestamp, deadline: Instant) -> Reading<Accesses> {
    let rows = logs::query(aws, group, &logs::of_region(&insights_query(), aws.region()), from, to, deadline)
        .await
        .map_err(|error| error.gap(group))?;
    let mut found = Collector::new(from, to);
    let full = rows.len() >= MOST_ROWS;
    let mut oldest = to;
    for row in rows {
        match summed(row) {
            Some(read) => {
                oldest = oldest.min(read.at);
                // The first five minutes may have begun before the window.
                found.add(Access { at: read.at.max(from), ..read });
            }
            None => found.unreadable(1),
        }
    }
    let read_from = format!("Logs Insights {group}");
    if !full {
        return Ok(found.finish(read_from, None, vec![]).0);
    }
    // Of the oldest five minutes, some rows may be missing.
    let reached = (oldest + SignedDuration::from_mins(5)).min(to);
    let detail =
        format!("Insights gave the {MOST_ROWS} rows that it gives at most; reads before {reached} were not all seen");
    let gap = gap("logs:GetQueryResults", group, GapReason::Truncated, detail);
    Ok(found.finish(read_from, Some(reached), vec![gap]).0)
}

/// A row as the reads of five minutes; none where it lacks its time or its number.
fn summed(mut row: Row) -> Option<Access> {
    let (_, bin) = row.iter().find(|(name, _)| name.starts_with("bin("))?;
    // Insights writes times in UTC, without saying so.
    let at = bin.parse::<civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let count = row.get("n")?.parse().ok()?;
    let marked = row.get("marked").is_some_and(|marked| marked == "1" || marked == "true");
    let mut cell = |name: &str| row.remove(name).filter(|text| !text.is_empty());
    let record = Record {
        event_time: Some(at),
        event_name: cell("eventName"),
        source: cell("sourceIPAddress"),
        user_agent: cell("userAgent"),
        error_code: cell("errorCode"),
        error_message: marked.then(|| "marked for deletion".to_owned()),
        user_identity: Identity {
            kind: cell("userIdentity.type"),
            arn: cell("userIdentity.arn"),
            invoked_by: cell("userIdentity.invokedBy"),
            account_id: cell("userIdentity.accountId"),
        },
        request_parameters: json!({ "secretId": cell("requestParameters.secretId") }),
        ..Record::default()
    };
    Some(Access { count, ..access(&record)? })
}

/// The trails that log events of our Region. One whose state could not be read says so itself.
///
/// # Errors
/// The list of trails could not be read.
pub async fn trails(aws: &Aws, deadline: Instant) -> Reading<Vec<TrailFacts>> {
    let mut trails = in_time(cloudtrail::describe_trails(aws), "cloudtrail:DescribeTrails", "", deadline).await?;
    for trail in &mut trails {
        let read = timeout_at(deadline, read_trail(aws, trail)).await;
        let late = || {
            let gap = deadline_gap("cloudtrail:GetTrailStatus", "not answered before the deadline".to_owned());
            Gap { subject: trail.arn.clone(), ..gap }
        };
        trail.unread = read.unwrap_or_else(|_| Some(late()));
    }
    Ok(trails)
}

/// Every secret that ListSecrets shows, those scheduled for deletion among them.
///
/// # Errors
/// A list that fails: half a list would make strangers of the rest.
pub async fn secrets(aws: &Aws) -> Result<Vec<Secret>, AwsError> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let page = secrets_manager::list_page(aws, token).await?;
        all.extend(page.secrets);
        token = page.next;
        if token.is_none() {
            return Ok(all);
        }
    }
}

async fn read_trail(aws: &Aws, trail: &mut TrailFacts) -> Option<Gap> {
    if let Err(error) = cloudtrail::read_status(aws, trail).await {
        return Some(error.gap(&trail.arn));
    }
    match cloudtrail::read_selectors(aws, trail).await {
        Ok(true) => None,
        Ok(false) => {
            let detail = "the answer has no selectors".to_owned();
            Some(gap("cloudtrail:GetEventSelectors", &trail.arn, GapReason::Malformed, detail))
        }
        Err(error) => Some(error.gap(&trail.arn)),
    }
}

fn gap(what: &str, subject: &str, reason: GapReason, detail: String) -> Gap {
    Gap { what: what.to_owned(), subject: subject.to_owned(), reason, detail }
}

#[cfg(test)]
mod tests;
