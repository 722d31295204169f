//! What CloudTrail's rotation events say.

use jiff::{SignedDuration, Timestamp};

use super::{RotationVerdict, created, evidence};
use crate::model::{Gap, GapReason, Record, RotationEvent, RotationStep, Rotations, Secret, Surroundings};

/// Longest error that is kept of an event.
const LONGEST_ERROR: usize = 300;

/// The rotation event that a record is; `None` where it is another one, a rotation's test (`TestRotationFailed`, ...), or
/// where it lacks its time or the secret.
pub fn rotation_event(record: &Record) -> Option<RotationEvent> {
    let step = match record.event_name.as_deref()? {
        "RotationStarted" => RotationStep::Started,
        "RotationSucceeded" => RotationStep::Succeeded,
        "RotationFailed" => RotationStep::Failed,
        "RotationAbandoned" => RotationStep::Abandoned,
        _ => return None,
    };
    if record.event_source.as_deref().is_some_and(|source| source != "secretsmanager.amazonaws.com") {
        return None;
    }
    let error = record.error_message.as_deref().or(record.error_code.as_deref()).map(one_line);
    Some(RotationEvent { at: record.event_time?, step, secret_id: record.secret_id()?.to_owned(), error })
}

/// The rotation function may have had a say in it.
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(LONGEST_ERROR).collect()
}

/// A secret's attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// By event, or by LastRotatedDate.
    pub(crate) last_success: Option<Timestamp>,
    /// `failing` or `abandoned`: how the last finished attempt ended, where that was after the last success.
    pub(crate) trouble: Option<RotationVerdict>,
    /// The start of an attempt of which no end is known.
    pub(crate) running_since: Option<Timestamp>,
}

impl History {
    /// From the events that could be read; without any, from the description alone.
    pub(crate) fn of(secret: &Secret, surroundings: &Surroundings) -> Self {
        let mut history = Self { last_success: secret.last_rotated_date, ..Self::default() };
        let Ok(rotations) = &surroundings.rotations else { return history };
        let mut first_failure = None;
        for event in rotations.of(&secret.name, &secret.arn) {
            // Of an older secret that had the same name.
            if secret.created_date.is_some_and(|created| event.at < created) {
                continue;
            }
            history.running_since = Some(event.at).filter(|_| event.step == RotationStep::Started);
            match event.step {
                RotationStep::Started => {}
                RotationStep::Succeeded => {
                    history.last_success = history.last_success.max(Some(event.at));
                    history.trouble = None;
                    first_failure = None;
                }
                // LastRotatedDate may know of a success of which no event could be read.
                _ if history.last_success.is_some_and(|success| event.at <= success) => {}
                RotationStep::Failed => {
                    let since = *first_failure.get_or_insert(event.at);
                    history.trouble = Some(RotationVerdict::Failing { since, error: event.error.clone() });
                }
                RotationStep::Abandoned => history.trouble = Some(RotationVerdict::Abandoned { since: event.at }),
            }
        }
        history
    }
}

/// How the last finished attempt ended, where that was not well.
///
/// # Errors
/// Where no such attempt was seen, and some that might be could not be.
pub(crate) fn trouble(secret: &Secret, surroundings: &Surroundings) -> Result<Option<RotationVerdict>, Gap> {
    let rotations = surroundings.rotations.as_ref().map_err(Clone::clone)?;
    let history = History::of(secret, surroundings);
    if history.trouble.is_some() {
        return Ok(history.trouble);
    }
    let gap = |reason, subject: &str, detail| {
        Err(Gap { what: "cloudtrail:LookupEvents".into(), subject: subject.to_owned(), reason, detail })
    };
    if rotations.unreadable > 0 {
        let detail = format!("{} rotation events name no secret, or could not be read", rotations.unreadable);
        return gap(GapReason::Malformed, "", detail);
    }
    let (known, needed) = (rotations.known_from(), first_attempt(secret, &history)?);
    if known <= needed {
        return Ok(None);
    }
    let reason = if rotations.truncated_at.is_some() { GapReason::Truncated } else { GapReason::NoData };
    let detail = format!("rotation events were read back to {known}; an attempt may have failed since {needed}");
    gap(reason, &secret.name, detail)
}

/// From when on an attempt may have failed: the first planned after the last success. One that a person began before that
/// and that failed has left a version under AWSPENDING, which is looked for elsewhere.
fn first_attempt(secret: &Secret, history: &History) -> Result<Timestamp, Gap> {
    let last = match history.last_success {
        Some(last) => last,
        None => created(secret)?,
    };
    let window = evidence::schedule(secret).ok().flatten().and_then(|schedule| schedule.after(last));
    // The date is the end of a window, which lasts a day at most.
    let day = SignedDuration::from_hours(24);
    let by_date = secret.next_rotation_date.and_then(|next| next.checked_sub(day).ok());
    let planned = [window.map(|window| window.start), by_date].into_iter().flatten().min();
    Ok(planned.map_or(last, |planned| planned.max(last)))
}

/// How many rotations of a window ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// From when on all events were read.
    pub from: Timestamp,
    /// The window's end.
    pub to: Timestamp,
    /// RotationSucceeded.
    pub succeeded: u64,
    /// RotationFailed: each attempt, and Secrets Manager makes several.
    pub failed: u64,
    /// RotationAbandoned: told, and part of neither sum, since somebody's own write ended them and no fault did.
    pub abandoned: u64,
}

impl SuccessRate {
    /// `None` where no rotation ended: that is not 100 %.
    pub fn percent(self) -> Option<f64> {
        let all = self.succeeded + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        (all > 0).then(|| 100.0 * self.succeeded as f64 / all as f64)
    }
}

/// Counts the rotations of all secrets, tests excluded, in the part of the window of which all events were read.
pub fn success_rate(rotations: &Rotations) -> SuccessRate {
    let from = rotations.known_from().max(rotations.successes_truncated_at.unwrap_or(rotations.from));
    let mut rate = SuccessRate { from, to: rotations.to, succeeded: 0, failed: 0, abandoned: 0 };
    for event in rotations.events.values().flatten().filter(|event| event.at >= from) {
        match event.step {
            RotationStep::Started => {}
            RotationStep::Succeeded => rate.succeeded += 1,
            RotationStep::Failed => rate.failed += 1,
            RotationStep::Abandoned => rate.abandoned += 1,
        }
    }
    rate
}
