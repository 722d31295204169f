//! CloudTrail: management events of the last 90 days, and what the account's trails log.

use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType};
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey, Trail};
use jiff::Timestamp;

use super::{Aws, AwsError, date_time, timestamp};
use crate::model::{Record, TrailFacts};

/// One page of LookupEvents.
#[derive(Debug, Default)]
pub struct Page {
    /// Newest first.
    pub events: Vec<Record>,
    /// Records that could not be parsed.
    pub unreadable: u64,
    /// Absent on the last page. A page may be empty and not be the last.
    pub next: Option<String>,
}

/// Reads the page at `token` of the events of one name in `[from, to)`: 50 events, two pages a second for the whole account.
pub async fn lookup_page(
    aws: &Aws,
    event_name: &str,
    from: Timestamp,
    to: Timestamp,
    token: Option<String>,
) -> Result<Page, AwsError> {
    let by_name = LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::EventName)
        .attribute_value(event_name)
        .build()
        .map_err(|error| AwsError::new("cloudtrail:LookupEvents", invalid(error)))?;
    aws.paces.lookup_events.wait().await;
    let page = aws
        .cloudtrail()
        .lookup_events()
        .lookup_attributes(by_name)
        .start_time(date_time(from))
        .end_time(date_time(to))
        .max_results(50)
        .set_next_token(token)
        .send()
        .await
        .map_err(|error| AwsError::new("cloudtrail:LookupEvents", error))?;
    let mut found = Page { next: page.next_token.filter(|token| !token.is_empty()), ..Page::default() };
    for event in page.events.unwrap_or_default() {
        match record(&event, event_name) {
            Some(record) => found.events.push(record),
            None => found.unreadable += 1,
        }
    }
    Ok(found)
}

/// Events of several pages, and what is missing from them.
#[derive(Debug, Default)]
pub struct Lookup {
    /// Newest first.
    pub events: Vec<Record>,
    /// Records that could not be parsed.
    pub unreadable: u64,
    /// Whether the page budget ended before the window did.
    pub truncated: bool,
    /// Pages that were read.
    pub pages: usize,
}

/// Reads the events of one name in `[from, to)`, at most `max_pages` pages of them.
pub async fn lookup(
    aws: &Aws,
    event_name: &str,
    from: Timestamp,
    to: Timestamp,
    max_pages: usize,
) -> Result<Lookup, AwsError> {
    let mut found = Lookup::default();
    let mut token = None;
    while found.pages < max_pages {
        let page = lookup_page(aws, event_name, from, to, token).await?;
        found.pages += 1;
        found.events.extend(page.events);
        found.unreadable += page.unreadable;
        token = page.next;
        if token.is_none() {
            return Ok(found);
        }
    }
    found.truncated = true;
    Ok(found)
}

/// The record, with what only the list around it says filled in.
fn record(event: &Event, name: &str) -> Option<Record> {
    let mut record: Record = serde_json::from_str(event.cloud_trail_event()?).ok()?;
    record.event_name.get_or_insert_with(|| name.to_owned());
    record.event_time = record.event_time.or_else(|| event.event_time().and_then(timestamp));
    record.event_id = record.event_id.or_else(|| event.event_id().map(str::to_owned));
    Some(record)
}

fn invalid(
    error: aws_smithy_types::error::operation::BuildError,
) -> aws_smithy_runtime_api::client::result::SdkError<
    aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError,
    aws_smithy_runtime_api::http::Response,
> {
    aws_smithy_runtime_api::client::result::SdkError::construction_failure(error)
}

/// The trails that log events of our Region, those of other Regions and of the organization among them; what they log is
/// not filled in yet.
pub async fn describe_trails(aws: &Aws) -> Result<Vec<TrailFacts>, AwsError> {
    let answer = aws
        .cloudtrail()
        .describe_trails()
        .include_shadow_trails(true)
        .send()
        .await
        .map_err(|error| AwsError::new("cloudtrail:DescribeTrails", error))?;
    let here = |trail: &Trail| {
        trail.is_multi_region_trail() == Some(true) || trail.home_region().is_none_or(|region| region == aws.region())
    };
    Ok(answer.trail_list.unwrap_or_default().into_iter().filter(here).map(described).collect())
}

fn described(trail: Trail) -> TrailFacts {
    TrailFacts {
        multi_region: trail.is_multi_region_trail() == Some(true),
        log_group: trail.cloud_watch_logs_log_group_arn().and_then(log_group),
        arn: trail.trail_arn.or(trail.name).unwrap_or_default(),
        ..TrailFacts::default()
    }
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*`
fn log_group(arn: &str) -> Option<String> {
    let name = arn.splitn(7, ':').nth(6)?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned())
}

/// Fills in whether the trail runs, and how its last delivery went.
pub async fn read_status(aws: &Aws, trail: &mut TrailFacts) -> Result<(), AwsError> {
    let status = aws
        .cloudtrail()
        .get_trail_status()
        .name(&trail.arn)
        .send()
        .await
        .map_err(|error| AwsError::new("cloudtrail:GetTrailStatus", error))?;
    trail.logging = status.is_logging() == Some(true);
    let errors = [status.latest_delivery_error, status.latest_cloud_watch_logs_delivery_error];
    trail.delivery_error = errors.into_iter().flatten().find(|error| !error.is_empty());
    Ok(())
}

/// Fills in which events the trail logs; `false`: it has no selectors at all, which AWS never answers.
pub async fn read_selectors(aws: &Aws, trail: &mut TrailFacts) -> Result<bool, AwsError> {
    let answer = aws
        .cloudtrail()
        .get_event_selectors()
        .trail_name(&trail.arn)
        .send()
        .await
        .map_err(|error| AwsError::new("cloudtrail:GetEventSelectors", error))?;
    let logs = |source| logs_reads_of(&answer, source);
    let (secrets, kms) = (logs("secretsmanager.amazonaws.com"), logs("kms.amazonaws.com"));
    trail.reads = secrets || kms || logs("sts.amazonaws.com");
    trail.secrets_excluded = trail.reads && !secrets;
    trail.kms_excluded = trail.reads && !kms;
    Ok(!answer.event_selectors().is_empty() || !answer.advanced_event_selectors().is_empty())
}

/// Whether any selector takes all read events of management of a service.
fn logs_reads_of(answer: &GetEventSelectorsOutput, source: &str) -> bool {
    let basic = |selector: &EventSelector| {
        selector.include_management_events() != Some(false)
            && selector.read_write_type() != Some(&ReadWriteType::WriteOnly)
            && !selector.exclude_management_event_sources().iter().any(|excluded| excluded == source)
    };
    let advanced = |selector: &AdvancedEventSelector| {
        let management = |field: &AdvancedFieldSelector| field.field() == "eventCategory";
        selector.field_selectors().iter().any(management)
            && selector.field_selectors().iter().all(|field| takes(field, source))
    };
    answer.event_selectors().iter().any(basic) || answer.advanced_event_selectors().iter().any(advanced)
}

/// Whether a condition holds for every read event of management of a service. One on a field that differs from event to
/// event, such as the caller, leaves some of them out.
fn takes(condition: &AdvancedFieldSelector, source: &str) -> bool {
    let value = match condition.field() {
        "eventCategory" => "Management",
        "readOnly" => "true",
        "eventSource" => source,
        _ => return false,
    };
    let (is, begins, ends) = (condition.equals(), condition.starts_with(), condition.ends_with());
    let wanted = is.iter().any(|text| value == text)
        || begins.iter().any(|text| value.starts_with(text.as_str()))
        || ends.iter().any(|text| value.ends_with(text.as_str()));
    let unwanted = condition.not_equals().iter().any(|text| value == text)
        || condition.not_starts_with().iter().any(|text| value.starts_with(text.as_str()))
        || condition.not_ends_with().iter().any(|text| value.ends_with(text.as_str()));
    (wanted || (is.is_empty() && begins.is_empty() && ends.is_empty())) && !unwanted
}
