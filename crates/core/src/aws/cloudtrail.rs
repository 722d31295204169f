//! CloudTrail LookupEvents: management events of the last 90 days, at two calls a second for the whole account.

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Aws, AwsError, date_time};

/// One event, as far as access analysis needs it. CloudTrail leaves out what it does not know.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// When.
    pub event_time: Option<Timestamp>,
    /// An address, or the name of an AWS service.
    #[serde(rename = "sourceIPAddress")]
    pub source: Option<String>,
    /// Present on failures: `AccessDenied`, `ResourceNotFoundException`, ...
    pub error_code: Option<String>,
    /// Who.
    pub user_identity: Identity,
    /// `null` on some denials.
    pub request_parameters: Option<Value>,
}

/// The caller, as CloudTrail writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// `AssumedRole`, `IAMUser`, `Root`, `AWSService`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Absent for some AWS services.
    pub arn: Option<String>,
    /// The service on whose behalf, or instead of an ARN.
    pub invoked_by: Option<String>,
    /// Some identities have nothing else.
    pub account_id: Option<String>,
}

/// Events and what is missing from them.
#[derive(Debug, Default)]
pub struct Lookup {
    /// Newest first.
    pub events: Vec<Event>,
    /// Records that could not be parsed.
    pub unreadable: u64,
    /// Whether the page budget ended before the window did.
    pub truncated: bool,
}

/// Reads events of one name in `[from, to)`, at most `max_pages` pages of 50.
pub async fn lookup(
    aws: &Aws,
    event_name: &str,
    from: Timestamp,
    to: Timestamp,
    max_pages: usize,
) -> Result<Lookup, AwsError> {
    let by_name = LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::EventName)
        .attribute_value(event_name)
        .build()
        .map_err(|error| AwsError::new("cloudtrail:LookupEvents", invalid(error)))?;
    let mut found = Lookup::default();
    let mut token = None;
    for _ in 0..max_pages {
        aws.paces.lookup_events.wait().await;
        let page = aws
            .cloudtrail()
            .lookup_events()
            .lookup_attributes(by_name.clone())
            .start_time(date_time(from))
            .end_time(date_time(to))
            .max_results(50)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("cloudtrail:LookupEvents", error))?;
        for event in page.events.unwrap_or_default() {
            match event.cloud_trail_event.as_deref().map(serde_json::from_str) {
                Some(Ok(event)) => found.events.push(event),
                _ => found.unreadable += 1,
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
    found.truncated = true;
    Ok(found)
}

fn invalid(
    error: aws_smithy_types::error::operation::BuildError,
) -> aws_smithy_runtime_api::client::result::SdkError<
    aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError,
    aws_smithy_runtime_api::http::Response,
> {
    aws_smithy_runtime_api::client::result::SdkError::construction_failure(error)
}
