//! CloudTrail's records, as far as they say who did what to which secret. CloudTrail leaves out, or writes as `null`,
//! what it does not know; nothing here may be taken for granted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Gap;

/// One record, in CloudTrail's own form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// When.
    #[serde(deserialize_with = "lenient")]
    pub event_time: Option<Timestamp>,
    /// The account whose trail it is: the secret's, not always the caller's.
    #[serde(deserialize_with = "lenient")]
    pub recipient_account_id: Option<String>,
    /// Such as `secretsmanager.amazonaws.com`.
    #[serde(deserialize_with = "lenient")]
    pub event_source: Option<String>,
    /// Such as `GetSecretValue` or `RotationFailed`.
    #[serde(deserialize_with = "lenient")]
    pub event_name: Option<String>,
    /// Unique; the same record may be delivered twice.
    #[serde(rename = "eventID", deserialize_with = "lenient")]
    pub event_id: Option<String>,
    /// Where.
    #[serde(rename = "awsRegion", deserialize_with = "lenient")]
    pub region: Option<String>,
    /// An address, or the name of an AWS service.
    #[serde(rename = "sourceIPAddress", deserialize_with = "lenient")]
    pub source: Option<String>,
    /// Whatever the caller chose to send.
    #[serde(deserialize_with = "lenient")]
    pub user_agent: Option<String>,
    /// Present on failures: `AccessDenied`, `ResourceNotFoundException`, ...
    #[serde(deserialize_with = "lenient")]
    pub error_code: Option<String>,
    /// AWS's words; a rotation event has them without a code.
    #[serde(deserialize_with = "lenient")]
    pub error_message: Option<String>,
    /// Who.
    #[serde(deserialize_with = "lenient")]
    pub user_identity: Identity,
    /// `null` on some denials.
    pub request_parameters: Value,
    /// `null` for reads.
    pub response_elements: Value,
    /// Where rotation events name the secret.
    pub additional_event_data: Value,
    /// Where some events of managed rotation name it.
    pub service_event_details: Value,
}

/// The caller, as CloudTrail writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// `AssumedRole`, `IAMUser`, `Root`, `AWSService`, ...
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    /// Absent for some AWS services.
    #[serde(deserialize_with = "lenient")]
    pub arn: Option<String>,
    /// The service on whose behalf, or instead of an ARN.
    #[serde(deserialize_with = "lenient")]
    pub invoked_by: Option<String>,
    /// Some identities have nothing else.
    #[serde(deserialize_with = "lenient")]
    pub account_id: Option<String>,
}

/// A field of another type than CloudTrail documents, or `null`, counts as absent: one odd field must not cost the record.
fn lenient<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = Value::deserialize(input)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl Record {
    /// The secret as the record names it, by name, partial or full ARN: the first of the places where AWS writes it.
    /// `aRN` is how CloudTrail spelled it before February 2024.
    pub fn secret_id(&self) -> Option<&str> {
        [
            (&self.additional_event_data, "SecretId"),
            (&self.service_event_details, "secretId"),
            (&self.response_elements, "arn"),
            (&self.response_elements, "aRN"),
            (&self.response_elements, "ARN"),
            (&self.request_parameters, "secretId"),
        ]
        .into_iter()
        .find_map(|(place, key)| place.get(key)?.as_str())
        .or_else(|| self.request_parameters.get("encryptionContext")?.get("SecretARN")?.as_str())
        .filter(|id| !id.is_empty())
    }

    /// The caller: the role rather than the session, so that one function's sessions count as one.
    pub fn principal(&self) -> String {
        let identity = &self.user_identity;
        let Some(arn) = &identity.arn else {
            let parts = [&identity.invoked_by, &identity.account_id, &identity.kind];
            return parts.into_iter().flatten().next().cloned().unwrap_or_else(|| "unknown".to_owned());
        };
        match arn.split_once(":assumed-role/") {
            Some((head, rest)) => {
                format!("{head}:assumed-role/{}", rest.split_once('/').map_or(rest, |(role, _)| role))
            }
            None => arn.clone(),
        }
    }

    /// CloudTrail writes `AccessDenied`, APIs `AccessDeniedException`.
    pub fn is_denied(&self) -> bool {
        self.error_code.as_deref().is_some_and(is_denial)
    }
}

/// Whether an error code says that permission was missing, in any of AWS's spellings.
pub fn is_denial(code: &str) -> bool {
    code.starts_with("AccessDenied")
        || code.starts_with("Client.UnauthorizedOperation")
        || code == "UnauthorizedOperation"
}

/// Whether the record is of a read of secrets, which [`access`] makes one of unless it has no time.
///
/// A batch that succeeds writes a GetSecretValue record for each of its secrets, so that BatchGetSecretValue counts only
/// where it failed as a whole (API reference of BatchGetSecretValue).
pub fn is_read(record: &Record) -> bool {
    let source = record.event_source.as_deref();
    source.is_none_or(|source| source == "secretsmanager.amazonaws.com")
        && match record.event_name.as_deref() {
            Some("GetSecretValue") => true,
            Some("BatchGetSecretValue") => record.error_code.is_some(),
            _ => false,
        }
}

/// The read of a secret that the record tells of; none for other events, and for one without a time.
pub fn access(record: &Record) -> Option<Access> {
    let at = record.event_time.filter(|_| is_read(record))?;
    let listed = record.request_parameters.get("secretIdList").and_then(Value::as_array);
    let listed = listed.map(|ids| ids.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
    let message = record.error_message.as_deref().unwrap_or_default();
    let identity = &record.user_identity;
    Some(Access {
        at,
        count: 1,
        event: record.event_name.clone().unwrap_or_default(),
        secret_id: record.secret_id().or(listed.as_deref()).filter(|id| !id.is_empty()).map(clipped),
        principal: clipped(&record.principal()),
        kind: identity.kind.as_deref().map(clipped),
        by_person: is_person(identity),
        source: record.source.as_deref().map(clipped),
        user_agent: record.user_agent.as_deref().map(clipped),
        error: record.error_code.as_deref().map(clipped),
        marked_for_deletion: message.contains("marked for deletion"),
    })
}

/// Whether a person is behind it, as far as the identity shows: no role of a program has a session that is named like a
/// mail address, or a name that IAM Identity Center gives.
fn is_person(identity: &Identity) -> bool {
    match identity.kind.as_deref() {
        Some("IAMUser" | "Root" | "FederatedUser" | "IdentityCenterUser") => true,
        Some("AssumedRole") | None => {
            let role = identity.arn.as_deref().and_then(|arn| arn.split_once(":assumed-role/"));
            role.is_some_and(|(_, role)| {
                role.starts_with("AWSReservedSSO_") || role.split_once('/').is_some_and(|(_, session)| is_mail(session))
            })
        }
        Some(_) => false,
    }
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
}

/// The longest text that is kept of a record; AWS's own limit for an ARN.
const LONGEST: usize = 2048;

/// A record from a file may hold anything of any length.
fn clipped(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// One step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationStep {
    /// RotationStarted.
    Started,
    /// RotationSucceeded.
    Succeeded,
    /// RotationFailed.
    Failed,
    /// RotationAbandoned.
    Abandoned,
}

/// A rotation event of one secret. Events of tests (`TestRotation...`) are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationEvent {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub step: RotationStep,
    /// The secret as the record names it.
    pub secret_id: String,
    /// AWS's words on a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The rotation events of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotations {
    /// The window's start.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// Where the budget ended before the window's start: how far back failures were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_at: Option<Timestamp>,
    /// The same of successes and starts, of which there are far more; no failure hides behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes_truncated_at: Option<Timestamp>,
    /// Records that could not be parsed, or that name no secret.
    pub unreadable: u64,
    /// By the secret as the records name it, so that ten thousand secrets find theirs at once.
    pub events: BTreeMap<String, Vec<RotationEvent>>,
}

impl Rotations {
    /// All events of a window, in whatever order.
    pub fn new(from: Timestamp, to: Timestamp, events: impl IntoIterator<Item = RotationEvent>) -> Self {
        let mut by_id: BTreeMap<String, Vec<RotationEvent>> = BTreeMap::new();
        for event in events {
            by_id.entry(event.secret_id.clone()).or_default().push(event);
        }
        Self { from, to, truncated_at: None, successes_truncated_at: None, unreadable: 0, events: by_id }
    }

    /// From when on all failures were read.
    pub fn known_from(&self) -> Timestamp {
        self.truncated_at.unwrap_or(self.from)
    }

    /// The events of a secret, by whatever id, the oldest first.
    pub fn of(&self, name: &str, arn: &str) -> Vec<&RotationEvent> {
        let partial = arn.len().checked_sub(7).and_then(|end| arn.get(..end)).filter(|id| names_secret(id, name, arn));
        let mut ids = vec![name, arn];
        ids.extend(partial);
        ids.dedup();
        let mut events: Vec<_> = ids.into_iter().filter_map(|id| self.events.get(id)).flatten().collect();
        // Of the same second, the end comes after the start.
        events.sort_by_key(|event| (event.at, event.step != RotationStep::Started));
        events
    }
}

/// Reads of secrets by one caller from one place: a single call, or the sum of a span of five minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The moment of the call, or the start of the five minutes.
    pub at: Timestamp,
    /// Calls.
    pub count: u64,
    /// `GetSecretValue`, `BatchGetSecretValue`, ...
    pub event: String,
    /// The secret as the record names it; some denials name none, those of a batch several, with commas between, which no
    /// name or ARN of a secret can have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    /// As [`Record::principal`] gives it.
    pub principal: String,
    /// `AssumedRole`, `Root`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether a person called and not a program, as far as the identity shows.
    #[serde(default)]
    pub by_person: bool,
    /// An address, or the name of an AWS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Chosen by the caller: hostile until proven otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// On failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The read failed because the secret was marked for deletion.
    #[serde(default)]
    pub marked_for_deletion: bool,
}

/// The reads of a window, and how much of it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accesses {
    /// The window's start.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// Present where not all of the window was read: only from this moment on nothing is missing. The window's end, where
    /// something may be missing anywhere in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_at: Option<Timestamp>,
    /// Why not all of it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Records that could not be parsed, or that do not say when.
    pub unreadable: u64,
    /// Where it was read: `CloudTrail LookupEvents`, the log group, or the files.
    pub read_from: String,
    /// Oldest first.
    pub entries: Vec<Access>,
}

impl Accesses {
    /// The moment from which on nothing is missing, but for records that could not be parsed.
    pub fn whole_from(&self) -> Timestamp {
        self.truncated_at.map_or(self.from, |at| at.max(self.from))
    }
}

/// Whether `id`, a name or a partial or full ARN as some record gives it, means the secret of this name and ARN.
///
/// A partial ARN lacks the hyphen and the six random characters at the end.
pub fn names_secret(id: &str, name: &str, arn: &str) -> bool {
    id == name || id == arn || (id.starts_with("arn:") && is_suffixed(arn, id))
}

/// Whether `arn` is `partial` with a hyphen and six characters behind it.
fn is_suffixed(arn: &str, partial: &str) -> bool {
    arn.strip_prefix(partial).is_some_and(|rest| rest.len() == 7 && rest.starts_with('-'))
}

#[cfg(test)]
mod tests;
