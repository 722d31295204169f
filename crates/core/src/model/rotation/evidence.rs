//! What each piece of evidence says by itself. The verdict picks one of these; the checks ask each.

use jiff::{SignedDuration, Timestamp};

use super::{EXEMPT_TAG, History, PolicyDays, RotationVerdict, created, days, days_past};
use crate::model::schedule::Schedule;
use crate::model::{Gap, GapReason, RotationFunction, Secret, Surroundings, unread};

/// Whose affair the secret is, where it is not the operator's own.
pub(crate) fn aside(secret: &Secret, region: &str) -> Option<RotationVerdict> {
    if let Some(primary) = secret.primary_region.as_ref().filter(|primary| *primary != region) {
        return Some(RotationVerdict::Replica { primary: primary.clone() });
    }
    if let Some(by) = &secret.owning_service {
        return Some(RotationVerdict::Managed { by: by.clone() });
    }
    secret.deleted_date.map(|_| RotationVerdict::PendingDeletion)
}

/// Why rotation is not to be judged; `None` where it is on, and the operator's.
pub(crate) fn standing(secret: &Secret, region: &str) -> Option<RotationVerdict> {
    aside(secret, region).or_else(|| {
        let exempt = secret.tags.get(EXEMPT_TAG.0).is_some_and(|value| value == EXEMPT_TAG.1);
        match secret.rotation_enabled {
            Some(true) => None,
            _ if exempt => Some(RotationVerdict::NotRequired),
            _ => Some(RotationVerdict::Disabled),
        }
    })
}

/// What is wrong with the rotation function. A partner's rotation has none.
///
/// # Errors
/// The gap of what could not be read of it.
pub(crate) fn function_fault(secret: &Secret, surroundings: &Surroundings) -> Result<Option<RotationVerdict>, Gap> {
    let Some(arn) = &secret.rotation_lambda_arn else { return Ok(None) };
    let Some(function) = surroundings.functions.get(arn) else {
        return Err(Gap { subject: arn.clone(), ..unread("lambda:GetFunctionConfiguration") });
    };
    match function.as_ref().map_err(Clone::clone)? {
        RotationFunction::Missing => Ok(Some(RotationVerdict::LambdaMissing { arn: arn.clone() })),
        RotationFunction::There { state: Some(state), .. } if state != "Active" => {
            Ok(Some(RotationVerdict::LambdaNotInvocable { arn: arn.clone(), state: Some(state.clone()) }))
        }
        function @ RotationFunction::There { state, .. } => match function.invocable_for(&secret.arn)? {
            false => Ok(Some(RotationVerdict::LambdaNotInvocable { arn: arn.clone(), state: None })),
            true if state.is_none() => Err(Gap {
                what: "lambda:GetFunctionConfiguration".into(),
                subject: arn.clone(),
                reason: GapReason::NoData,
                detail: "Lambda did not tell the function's state".into(),
            }),
            true => Ok(None),
        },
    }
}

/// A version under AWSPENDING that is not the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    UnderWay { version: String, since: Timestamp },
    Stuck { version: String, since: Timestamp },
}

/// Whether a version waits, and for how long.
///
/// # Errors
/// Where one waits and nothing says since when.
pub(crate) fn waiting(
    secret: &Secret,
    history: &History,
    policy: PolicyDays,
    now: Timestamp,
) -> Result<Option<Waiting>, Gap> {
    // A rotation that has succeeded may leave the label on the current version.
    let pending = secret.version_with("AWSPENDING");
    let Some(version) = pending.filter(|version| secret.version_with("AWSCURRENT") != Some(version)) else {
        return Ok(None);
    };
    let listed = secret.versions.iter().find(|listed| listed.version_id == version);
    let since = listed.and_then(|listed| listed.created_date).or(history.running_since);
    let since = since.ok_or_else(|| no_versions(secret, "an AWSPENDING version waits, and its date is not known"))?;
    let stuck = now.duration_since(since) > SignedDuration::from_hours(policy.pending_hours);
    let version = version.to_owned();
    Ok(Some(if stuck { Waiting::Stuck { version, since } } else { Waiting::UnderWay { version, since } }))
}

/// When the current value was written; `None` where there is no current version.
///
/// # Errors
/// Where the versions were not read.
pub(crate) fn value_date(secret: &Secret) -> Result<Option<Timestamp>, Gap> {
    let labelled = |version: &&crate::model::Version| version.version_stages.iter().any(|stage| stage == "AWSCURRENT");
    let by_id = || {
        let id = secret.version_with("AWSCURRENT")?;
        secret.versions.iter().find(|version| version.version_id == id)
    };
    match secret.versions.iter().find(labelled).or_else(by_id) {
        Some(version) => {
            let date = version.created_date;
            date.map(Some).ok_or_else(|| no_versions(secret, "the current version has no CreatedDate"))
        }
        None if secret.version_ids_to_stages.is_empty() && !is_unread(secret) => Ok(None),
        None if !secret.versions.is_empty() && secret.version_with("AWSCURRENT").is_none() => Ok(None),
        None => Err(no_versions(secret, "the versions' dates were not read")),
    }
}

fn is_unread(secret: &Secret) -> bool {
    secret.unread.iter().any(|property| property == "Versions")
}

fn no_versions(secret: &Secret, detail: &str) -> Gap {
    Gap {
        what: "secretsmanager:ListSecretVersionIds".into(),
        subject: secret.name.clone(),
        reason: GapReason::NoData,
        detail: detail.to_owned(),
    }
}

/// What the rules say of when.
pub(super) fn schedule(secret: &Secret) -> Result<Option<Schedule>, Gap> {
    let Some(rules) = &secret.rotation_rules else { return Ok(None) };
    Schedule::of(rules).map_err(|detail| Gap {
        what: "secretsmanager:ListSecrets".into(),
        subject: secret.name.clone(),
        reason: GapReason::Malformed,
        detail,
    })
}

/// The latest moment for the next rotation: AWS's NextRotationDate, or what follows from the rules where AWS gives none.
pub(super) fn plan(secret: &Secret, history: &History) -> Result<Option<Timestamp>, Gap> {
    if secret.next_rotation_date.is_some() {
        return Ok(secret.next_rotation_date);
    }
    let Some(last) = history.last_success else { return Ok(None) };
    let Some(schedule) = schedule(secret)? else { return Ok(None) };
    // AWS counts AutomaticallyAfterDays from any new value, written by whomever.
    let by_days = secret.rotation_rules.as_ref().is_some_and(|rules| rules.schedule_expression.is_none());
    let written = value_date(secret).ok().flatten().filter(|written| by_days && *written > last);
    Ok(schedule.after(written.unwrap_or(last)).map(|window| window.end))
}

/// Whole days since the window closed in which AWS had planned a rotation; `None` where that is not so.
///
/// # Errors
/// Where that depends on an expression that cannot be understood.
pub(crate) fn overdue_by_plan(secret: &Secret, history: &History, now: Timestamp) -> Result<Option<i64>, Gap> {
    let Some(next) = plan(secret, history)?.filter(|next| now > *next) else { return Ok(None) };
    Ok(days_past(closed(secret, next)?, now))
}

/// The end of the window in which the date lies that AWS gives; ours is the window's end already.
fn closed(secret: &Secret, next: Timestamp) -> Result<Timestamp, Gap> {
    if secret.next_rotation_date.is_none() {
        return Ok(next);
    }
    Ok(schedule(secret)?.map_or(next, |schedule| schedule.closing(next)))
}

/// Whole days since a value of that date became older than the operator, or the secret's own interval, allows.
pub(crate) fn overdue_by_policy(
    secret: &Secret,
    policy: PolicyDays,
    written: Timestamp,
    now: Timestamp,
) -> Option<i64> {
    // AWS computes these days from the expression, where there is one.
    let own = secret.rotation_rules.as_ref().and_then(|rules| rules.automatically_after_days).unwrap_or(0);
    days_past(written.checked_add(days(policy.max_age.max(own))).ok()?, now)
}

/// The day of making of a secret whose first rotation should have succeeded by now. Only asked where none has.
///
/// # Errors
/// Where AWS left its CreatedDate out.
pub(crate) fn never_ran(secret: &Secret, policy: PolicyDays, now: Timestamp) -> Result<Option<Timestamp>, Gap> {
    let created = created(secret)?;
    // Turning rotation on rotates at once by default, so only the very first days are without a date.
    let first_due = match secret.next_rotation_date {
        Some(next) if now > next => closed(secret, next)?,
        Some(next) => next,
        None => created + days(policy.grace),
    };
    Ok((now > first_due).then_some(created))
}
