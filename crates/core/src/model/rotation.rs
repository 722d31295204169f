//! What can be said of a secret's rotation from its description alone. Judged once, here; the checks and the
//! rotation-checker both read the verdict.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Gap, GapReason, Secret, Text};

/// The operator's limits, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyDays {
    /// A rotated secret whose last rotation is older than this is overdue (Security Hub's SecretsManager.4: 90).
    /// A secret whose own interval is longer is held to its own interval.
    pub max_age: i64,
    /// A rotation that must happen within this many days is due.
    pub due_within: i64,
    /// A secret younger than this has had no time to rotate yet.
    pub grace: i64,
}

/// The tag, key and value, by which an operator says that a secret needs no rotation.
pub const EXEMPT_TAG: (&str, &str) = ("secrets-ops:rotation", "not-required");

/// The state of a secret's rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum RotationVerdict {
    /// Rotated, and not due yet.
    OnTime {
        /// Absent: AWS has not said when the next one is.
        next: Option<Timestamp>,
    },
    /// Rotation will happen soon.
    Due {
        /// The latest moment for it.
        next: Timestamp,
    },
    /// Rotation should have happened.
    Overdue {
        /// Whole days since the limit passed; 0 on the first day.
        days: i64,
        /// Which limit: AWS's own date, or the operator's.
        limit: OverdueBy,
    },
    /// Rotation is on, yet none has ever succeeded.
    NeverRan {
        /// When the secret was made.
        created: Timestamp,
    },
    /// Rotation is on, none has happened, and the first is not due yet.
    New {
        /// When the secret was made.
        created: Timestamp,
    },
    /// A version is labelled AWSPENDING beside AWSCURRENT: a rotation is under way, or stuck. While it is so, each
    /// further RotateSecret call fails.
    Pending {
        /// The version that waits.
        version: String,
    },
    /// Rotation is off, or was never set up.
    Disabled,
    /// A tag says that nobody needs to rotate it.
    NotRequired,
    /// Another AWS service owns the secret and rotates it.
    Managed {
        /// The service.
        by: String,
    },
    /// A copy; its primary is judged in the primary's Region.
    Replica {
        /// The primary's Region.
        primary: String,
    },
    /// Scheduled for deletion; it is not rotated any more.
    PendingDeletion,
}

/// The limit that an overdue rotation has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverdueBy {
    /// NextRotationDate, the latest moment that AWS itself planned.
    Schedule,
    /// The operator's longest age.
    Policy,
}

impl RotationVerdict {
    /// The word in machine output.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::OnTime { .. } => "on-time",
            Self::Due { .. } => "due",
            Self::Overdue { .. } => "overdue",
            Self::NeverRan { .. } => "never-ran",
            Self::New { .. } => "new",
            Self::Pending { .. } => "pending",
            Self::Disabled => "disabled",
            Self::NotRequired => "not-required",
            Self::Managed { .. } => "managed",
            Self::Replica { .. } => "replica",
            Self::PendingDeletion => "pending-deletion",
        }
    }

    /// One sentence for people.
    pub fn text(&self) -> Text {
        match self {
            Self::OnTime { next: Some(next) } => Text::new(
                format!("予定どおり。次回の期限は {}", day(*next)),
                format!("rotated on time; the next rotation is due by {}", day(*next)),
            ),
            Self::OnTime { next: None } => Text::fixed(
                "ローテーション済み。次回の期限は AWS が示していません",
                "rotated; AWS gives no date for the next rotation",
            ),
            Self::Due { next } => Text::new(
                format!("まもなくローテーション。期限は {}", day(*next)),
                format!("a rotation is due by {}", day(*next)),
            ),
            Self::Overdue { days, limit: OverdueBy::Schedule } => Text::new(
                format!("AWS の予定日を {days} 日過ぎています。ローテーションが失敗している可能性があります"),
                format!("{days} days past the date that AWS planned; rotation is probably failing"),
            ),
            Self::Overdue { days, limit: OverdueBy::Policy } => Text::new(
                format!("最長期間を {days} 日過ぎています"),
                format!("{days} days past the longest age allowed"),
            ),
            Self::NeverRan { created } => Text::new(
                format!("ローテーションは有効ですが、{} の作成以来一度も成功していません", day(*created)),
                format!("rotation is on, yet none has succeeded since the secret was made on {}", day(*created)),
            ),
            Self::New { created } => Text::new(
                format!("{} に作成。初回のローテーションはまだ期限前です", day(*created)),
                format!("made on {}; the first rotation is not due yet", day(*created)),
            ),
            Self::Pending { version } => Text::new(
                format!("AWSPENDING のバージョン {version} があります。ローテーション中か、停止しています"),
                format!("version {version} is labelled AWSPENDING: a rotation is under way or stuck"),
            ),
            Self::Disabled => Text::fixed("ローテーションは無効です", "rotation is off"),
            Self::NotRequired => {
                Text::fixed("タグによりローテーション不要です", "its tag says that rotation is not required")
            }
            Self::Managed { by } => Text::new(
                format!("{by} が所有し、管理しています"),
                format!("owned and managed by the AWS service {by}"),
            ),
            Self::Replica { primary } => Text::new(
                format!("レプリカです。プライマリのある {primary} で判定します"),
                format!("a replica; judged at its primary in {primary}"),
            ),
            Self::PendingDeletion => Text::fixed("削除予定です", "scheduled for deletion"),
        }
    }
}

/// AWS's dates, in UTC, to the day.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Judges a secret of `region` at `now`.
///
/// Uses only what ListSecrets answers. A rotation event, a version's date or a missing function is not seen here.
///
/// # Errors
/// A gap where AWS left out a date without which nothing can be said.
pub fn judge_rotation(
    secret: &Secret,
    region: &str,
    policy: PolicyDays,
    now: Timestamp,
) -> Result<RotationVerdict, Gap> {
    if let Some(primary) = secret.primary_region.as_ref().filter(|primary| *primary != region) {
        return Ok(RotationVerdict::Replica { primary: primary.clone() });
    }
    if let Some(by) = &secret.owning_service {
        return Ok(RotationVerdict::Managed { by: by.clone() });
    }
    if secret.deleted_date.is_some() {
        return Ok(RotationVerdict::PendingDeletion);
    }
    if secret.rotation_enabled != Some(true) {
        let exempt = secret.tags.get(EXEMPT_TAG.0).is_some_and(|value| value == EXEMPT_TAG.1);
        return Ok(if exempt { RotationVerdict::NotRequired } else { RotationVerdict::Disabled });
    }
    let new = match secret.last_rotated_date {
        Some(_) => None,
        None => match never_rotated(secret, policy, now)? {
            RotationVerdict::New { created } => Some(created),
            never => return Ok(never),
        },
    };
    if let Some(overdue) = overdue(secret, policy, now).filter(|_| new.is_none()) {
        return Ok(overdue);
    }
    let pending = secret.version_with("AWSPENDING");
    if let Some(version) = pending.filter(|version| secret.version_with("AWSCURRENT") != Some(version)) {
        return Ok(RotationVerdict::Pending { version: version.to_owned() });
    }
    if let Some(created) = new {
        return Ok(RotationVerdict::New { created });
    }
    Ok(match secret.next_rotation_date {
        Some(next) if next <= now + days(policy.due_within) => RotationVerdict::Due { next },
        next => RotationVerdict::OnTime { next },
    })
}

fn overdue(secret: &Secret, policy: PolicyDays, now: Timestamp) -> Option<RotationVerdict> {
    let by_schedule = secret.next_rotation_date.map(|limit| (limit, OverdueBy::Schedule));
    let own = secret.rotation_rules.as_ref().and_then(|rules| rules.automatically_after_days).unwrap_or(0);
    let by_policy = secret.last_rotated_date.map(|last| (last + days(policy.max_age.max(own)), OverdueBy::Policy));
    let (limit, which) = [by_schedule, by_policy].into_iter().flatten().find(|(limit, _)| now > *limit)?;
    Some(RotationVerdict::Overdue { days: now.duration_since(limit).as_hours() / 24, limit: which })
}

fn never_rotated(secret: &Secret, policy: PolicyDays, now: Timestamp) -> Result<RotationVerdict, Gap> {
    let created = secret.created_date.ok_or_else(|| Gap {
        what: "secretsmanager:ListSecrets".into(),
        subject: secret.name.clone(),
        reason: GapReason::Malformed,
        detail: "CreatedDate is missing, so that a new secret cannot be told from an old one".into(),
    })?;
    // Turning rotation on rotates at once by default, so only the very first days are without a date.
    let first_due = secret.next_rotation_date.unwrap_or_else(|| created + days(policy.grace));
    Ok(if now <= first_due { RotationVerdict::New { created } } else { RotationVerdict::NeverRan { created } })
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n.saturating_mul(24))
}

#[cfg(test)]
mod tests;
