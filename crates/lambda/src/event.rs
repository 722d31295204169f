//! Whatever sets a job off: our schedules' own input, Scheduler's default event, an EventBridge rule, or a call by hand.

use secrets_ops::model::Record;
use secrets_ops::runbook::{Chunk, EstateTarget, JobError, Trigger, rotation};
use serde_json::{Map, Value};

/// Reads a job's name and, for schedules, what makes a second delivery recognisable.
///
/// # Errors
/// For anything that is none of these: a wrong guess would run the wrong job.
pub(crate) fn parse(event: &Value) -> Result<Trigger, JobError> {
    match event {
        Value::Null => Ok(Trigger::default()),
        Value::Object(fields) if fields.is_empty() => Ok(Trigger::default()),
        Value::Object(fields) if fields.contains_key("job") => own(fields),
        Value::Object(fields) if fields.contains_key("detail-type") => event_bridge(fields),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            bad(format!("the event has neither `job` nor `detail-type`; it has {}", names.join(", ")))
        }
        other => bad(format!("the event must be a JSON object; it is {}", kind(other))),
    }
}

/// `{"job":..,"scheduledTime":..,"scheduleArn":..}`: the last two together, or neither.
fn own(fields: &Map<String, Value>) -> Result<Trigger, JobError> {
    let job = text(fields, "job")?;
    let key = match (text(fields, "scheduleArn")?, text(fields, "scheduledTime")?) {
        (Some(arn), Some(time)) => Some(format!("{arn}|{time}")),
        (None, None) => None,
        (Some(_), None) => return bad("`scheduleArn` needs `scheduledTime` beside it".to_owned()),
        (None, Some(_)) => return bad("`scheduledTime` needs `scheduleArn` beside it".to_owned()),
    };
    let (chunk, target) = (part::<Chunk>(fields, "chunk")?, part::<EstateTarget>(fields, "target")?);
    if chunk.as_ref().is_some_and(|chunk| chunk.part == 0 || (chunk.part > 1) != chunk.run.is_some()) {
        return bad("`chunk` must be {\"part\": 1}, or the `more` of the answer before".to_owned());
    }
    // Each part of a run, and each estate of a schedule, is a piece of work of its own.
    let piece = match &chunk {
        Some(Chunk { run: Some(run), part }) => Some(format!("{run}|{part}")),
        _ => key,
    };
    let of_target = target.as_ref().map(|target| format!("|{}|{}", target.role_arn, target.region));
    let key = piece.map(|piece| piece + &of_target.unwrap_or_default());
    Ok(Trigger { job, key, chunk, target, record: None })
}

/// A structured field, or `None` where it is absent.
fn part<T: serde::de::DeserializeOwned>(fields: &Map<String, Value>, name: &str) -> Result<Option<T>, JobError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .or_else(|error| bad(format!("`{name}` cannot be understood: {error}"))),
    }
}

/// Secrets Manager's own events by way of CloudTrail: its id is the record's, which every delivery has in common.
fn service_event(fields: &Map<String, Value>) -> Result<Trigger, JobError> {
    let record: Option<Record> = fields.get("detail").and_then(|detail| serde_json::from_value(detail.clone()).ok());
    let Some(record) = record else { return bad("`detail` must be CloudTrail's record".to_owned()) };
    let key = record.event_id.clone().or(text(fields, "id")?);
    Ok(Trigger { job: Some(rotation::FAILED.to_owned()), key, record: Some(record), ..Trigger::default() })
}

/// The schedule or rule is the first of `resources`. `detail` is an object, or with Scheduler the string "{}".
fn event_bridge(fields: &Map<String, Value>) -> Result<Trigger, JobError> {
    if text(fields, "detail-type")?.as_deref() == Some("AWS Service Event via CloudTrail") {
        return service_event(fields);
    }
    let time = text(fields, "time")?;
    let source = fields.get("resources").and_then(|list| list.get(0)).and_then(Value::as_str);
    let key = source.zip(time).map(|(source, time)| format!("{source}|{time}"));
    let detail = match fields.get("detail") {
        Some(Value::String(json)) => serde_json::from_str(json).unwrap_or(Value::Null),
        Some(other) => other.clone(),
        None => Value::Null,
    };
    let job = match &detail {
        Value::Object(detail) => text(detail, "job")?,
        _ => None,
    };
    Ok(Trigger { job, key, ..Trigger::default() })
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, JobError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => bad(format!("`{name}` must be text; it is {}", kind(other))),
    }
}

fn bad<T>(message: String) -> Result<T, JobError> {
    Err(JobError::BadEvent(message))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trigger(job: Option<&str>, key: Option<&str>) -> Trigger {
        Trigger { job: job.map(str::to_owned), key: key.map(str::to_owned), ..Trigger::default() }
    }

    #[test]
    fn takes_every_documented_input() {
        let scheduler = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "time": "2026-11-22T00:00:00Z", "resources": ["arn:schedule"], "detail": "{}"});
        let rule = json!({"detail-type": "Scheduled Event", "source": "aws.events", "time": "2026-11-22T00:00:00Z",
            "resources": ["arn:rule"], "detail": {"job": "rotation"}});
        for (event, want) in [
            (json!({}), trigger(None, None)),
            (json!(null), trigger(None, None)),
            (json!({"job": "rotation"}), trigger(Some("rotation"), None)),
            (
                json!({"job": "x", "scheduledTime": "t", "scheduleArn": "a", "attempt": "1"}),
                trigger(Some("x"), Some("a|t")),
            ),
            (scheduler, trigger(None, Some("arn:schedule|2026-11-22T00:00:00Z"))),
            (rule, trigger(Some("rotation"), Some("arn:rule|2026-11-22T00:00:00Z"))),
        ] {
            assert_eq!(parse(&event).unwrap(), want, "{event}");
        }
    }

    #[test]
    fn each_part_of_a_run_and_each_estate_is_a_piece_of_work_of_its_own() {
        let target = json!({"roleArn": "arn:aws:iam::111111111111:role/r", "region": "us-east-1"});
        let base = json!({"job": "b", "scheduledTime": "t", "scheduleArn": "a"});
        let with = |fields: Value| {
            let mut event = base.clone();
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            parse(&event).unwrap()
        };
        let first = with(json!({"chunk": {"part": 1}}));
        assert_eq!((first.key.as_deref(), first.chunk.unwrap().part), (Some("a|t"), 1));
        let second = with(json!({"chunk": {"run": "r", "part": 2}, "target": target}));
        assert_eq!(second.key.as_deref(), Some("r|2|arn:aws:iam::111111111111:role/r|us-east-1"));
        assert_eq!(second.target.unwrap().account(), "111111111111");
        assert_eq!(with(json!({"target": target})).key.unwrap(), "a|t|arn:aws:iam::111111111111:role/r|us-east-1");
        assert_eq!(parse(&json!({"job": "b", "chunk": {"part": 1}})).unwrap().key, None, "by hand it always runs");
    }

    #[test]
    fn a_rotation_that_failed_is_known_by_its_records_id() {
        let event = |name: &str, id: Value| {
            json!({"detail-type": "AWS Service Event via CloudTrail", "source": "aws.secretsmanager", "id": "delivery",
                "time": "2026-11-22T02:17:48Z", "resources": [],
                "detail": {"eventName": name, "eventID": id, "additionalEventData": {"SecretId": "s"}}})
        };
        for (name, id, key) in [
            ("RotationFailed", json!("record"), "record"),
            ("RotationAbandoned", json!("record"), "record"),
            // Nobody asked for it: the job says so and does nothing.
            ("TestRotationFailed", json!("record"), "record"),
            ("RotationFailed", Value::Null, "delivery"),
        ] {
            let trigger = parse(&event(name, id)).unwrap();
            assert_eq!((trigger.job.as_deref(), trigger.key.as_deref()), (Some("rotation-failed"), Some(key)));
            let record = trigger.record.unwrap();
            assert_eq!((record.event_name.as_deref(), record.secret_id()), (Some(name), Some("s")));
        }
        let mut broken = event("RotationFailed", Value::Null);
        broken["detail"] = json!("{}");
        assert_eq!(parse(&broken).unwrap_err().to_string(), "`detail` must be CloudTrail's record");
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for (event, want) in [
            (json!({"job": 7}), "`job` must be text; it is a number"),
            (json!({"job": "x", "scheduleArn": "a"}), "`scheduleArn` needs `scheduledTime` beside it"),
            (json!({"job": "x", "scheduledTime": "t"}), "`scheduledTime` needs `scheduleArn` beside it"),
            (
                json!({"job": "x", "scheduledTime": 5, "scheduleArn": "a"}),
                "`scheduledTime` must be text; it is a number",
            ),
            (
                json!({"job": "x", "chunk": {"part": 2}}),
                "`chunk` must be {\"part\": 1}, or the `more` of the answer before",
            ),
            (
                json!({"job": "x", "chunk": {"run": "r", "part": 1}}),
                "`chunk` must be {\"part\": 1}, or the `more` of the answer before",
            ),
            (json!({"job": "x", "target": {"roleArn": "a"}}), "`target` cannot be understood: missing field `region`"),
            (json!({"Job": "x"}), "the event has neither `job` nor `detail-type`; it has Job"),
            (json!([]), "the event must be a JSON object; it is a list"),
            (json!("backup"), "the event must be a JSON object; it is text"),
        ] {
            let error = parse(&event).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.error_type()), (want, "SecretsOps.BadEvent"), "{event}");
        }
    }
}
