//! The state of a secret's rotation, joined from its description, CloudTrail's rotation events, the dates of its versions
//! and its rotation function. Judged once, here; the checks and the rotation-checker both read it.

mod evidence;
mod history;
mod verdict;

use jiff::{SignedDuration, Timestamp};

use super::{Gap, GapReason, Secret, Surroundings};

pub(crate) use evidence::{
    Waiting, aside, function_fault, never_ran, overdue_by_plan, overdue_by_policy, standing, value_date, waiting,
};
pub(crate) use history::{History, trouble};
pub use history::{SuccessRate, rotation_event, success_rate};
pub use verdict::{OverdueBy, RotationVerdict};

/// The operator's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyDays {
    /// The value of a rotated secret may be no older than so many days (Security Hub's SecretsManager.4: 90). A secret
    /// whose own interval is longer is held to its own interval.
    pub max_age: i64,
    /// A rotation that must happen within this many days is due.
    pub due_within: i64,
    /// A secret younger than this many days has had no time to rotate yet.
    pub grace: i64,
    /// A version that has waited under AWSPENDING for more hours than this is stuck.
    pub pending_hours: i64,
}

/// The tag, key and value, by which an operator says that a secret needs no rotation.
pub const EXEMPT_TAG: (&str, &str) = ("secrets-ops:rotation", "not-required");

/// Judges a secret of `region` at `now`.
///
/// A secret has one verdict, the first of these that holds, so that the cause is told rather than what follows from it:
/// 1. whose affair it is: `replica`, `managed`, `pending-deletion`;
/// 2. rotation is off: `not-required` by its tag, else `disabled`;
/// 3. what keeps every attempt from working: `lambda-missing`, `lambda-not-invocable`;
/// 4. how the last finished attempt ended, if not well: `failing`, `abandoned`;
/// 5. what keeps the next attempt from beginning: `stuck-pending`;
/// 6. what should have happened: `never-ran`, then `overdue` (by AWS's plan before the operator's longest age);
/// 7. what is coming: `pending` (under way), `new` (the first is not due yet), `due`, `on-time`.
///
/// What could not be read of events, functions or versions cannot raise a verdict of 3 to 5; the checks on the same
/// evidence answer with the gap. Without versions, the operator's age is counted from the last rotation.
///
/// # Errors
/// A gap where a date is missing without which nothing at all can be said.
pub fn judge_rotation(
    secret: &Secret,
    region: &str,
    policy: PolicyDays,
    surroundings: &Surroundings,
    now: Timestamp,
) -> Result<RotationVerdict, Gap> {
    if let Some(verdict) = standing(secret, region) {
        return Ok(verdict);
    }
    if let Ok(Some(fault)) = function_fault(secret, surroundings) {
        return Ok(fault);
    }
    let history = History::of(secret, surroundings);
    if let Some(trouble) = history.trouble {
        return Ok(trouble);
    }
    let waiting = waiting(secret, &history, policy, now);
    if let Ok(Some(Waiting::Stuck { version, since })) = waiting {
        return Ok(RotationVerdict::StuckPending { version, since });
    }
    let new = history.last_success.is_none();
    if new && let Some(created) = never_ran(secret, policy, now)? {
        return Ok(RotationVerdict::NeverRan { created });
    }
    if !new && let Some(overdue) = overdue(secret, &history, policy, now)? {
        return Ok(overdue);
    }
    if let Some(Waiting::UnderWay { version, since }) = waiting? {
        return Ok(RotationVerdict::Pending { version, since });
    }
    if new {
        return Ok(RotationVerdict::New { created: created(secret)? });
    }
    Ok(match evidence::plan(secret, &history)? {
        Some(next) if next <= now + days(policy.due_within) => RotationVerdict::Due { next },
        next => RotationVerdict::OnTime { next },
    })
}

fn overdue(
    secret: &Secret,
    history: &History,
    policy: PolicyDays,
    now: Timestamp,
) -> Result<Option<RotationVerdict>, Gap> {
    let by = |limit| move |days| RotationVerdict::Overdue { days, limit };
    if let Some(late) = overdue_by_plan(secret, history, now)? {
        return Ok(Some(by(OverdueBy::Schedule)(late)));
    }
    // Where the value's own age is not known, it is at most as young as the last rotation.
    let since = value_date(secret).ok().flatten().or(history.last_success);
    Ok(since.and_then(|since| overdue_by_policy(secret, policy, since, now)).map(by(OverdueBy::Policy)))
}

/// When the secret was made.
fn created(secret: &Secret) -> Result<Timestamp, Gap> {
    secret.created_date.ok_or_else(|| Gap {
        what: "secretsmanager:ListSecrets".into(),
        subject: secret.name.clone(),
        reason: GapReason::Malformed,
        detail: "CreatedDate is missing, so that a new secret cannot be told from an old one".into(),
    })
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n.saturating_mul(24))
}

/// Whole days of 24 hours since `limit` passed; `None` until it has.
fn days_past(limit: Timestamp, now: Timestamp) -> Option<i64> {
    (now > limit).then(|| now.duration_since(limit).as_hours() / 24)
}

#[cfg(test)]
pub(crate) mod tests;
