//! The verdicts and their words.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::Text;

/// The state of a secret's rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum RotationVerdict {
    /// Rotated, and not due yet.
    OnTime {
        /// The latest moment for the next one. Absent: neither AWS nor the rules say when it is.
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
    /// The last attempt failed, and none has succeeded since.
    Failing {
        /// The first failure since the last success, of those that could be read.
        since: Timestamp,
        /// AWS's words on the last failure.
        error: Option<String>,
    },
    /// Secrets Manager gave the last attempt up, because somebody wrote a version while it went on.
    Abandoned {
        /// When.
        since: Timestamp,
    },
    /// A version has waited under AWSPENDING for too long. While it does, each further RotateSecret call fails.
    StuckPending {
        /// The version that waits.
        version: String,
        /// When it was made.
        since: Timestamp,
    },
    /// Rotation is on, yet none has ever succeeded.
    NeverRan {
        /// When the secret was made.
        created: Timestamp,
    },
    /// The rotation function is not there.
    LambdaMissing {
        /// Its ARN.
        arn: String,
    },
    /// The rotation function is there, and Secrets Manager cannot invoke it.
    LambdaNotInvocable {
        /// Its ARN.
        arn: String,
        /// The function's state, where it is what prevents it; absent: its policy does.
        state: Option<String>,
    },
    /// Rotation is on, none has happened, and the first is not due yet.
    New {
        /// When the secret was made.
        created: Timestamp,
    },
    /// A rotation is under way: a version waits under AWSPENDING beside AWSCURRENT, and not for long yet.
    Pending {
        /// The version that waits.
        version: String,
        /// When it was made.
        since: Timestamp,
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
    /// The end of the window that AWS itself planned.
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
            Self::Failing { .. } => "failing",
            Self::Abandoned { .. } => "abandoned",
            Self::StuckPending { .. } => "stuck-pending",
            Self::NeverRan { .. } => "never-ran",
            Self::LambdaMissing { .. } => "lambda-missing",
            Self::LambdaNotInvocable { .. } => "lambda-not-invocable",
            Self::New { .. } => "new",
            Self::Pending { .. } => "pending",
            Self::Disabled => "disabled",
            Self::NotRequired => "not-required",
            Self::Managed { .. } => "managed",
            Self::Replica { .. } => "replica",
            Self::PendingDeletion => "pending-deletion",
        }
    }

    /// Whether rotation is not this operator's affair, or by decision not wanted.
    pub const fn is_aside(&self) -> bool {
        matches!(self, Self::NotRequired | Self::Managed { .. } | Self::Replica { .. } | Self::PendingDeletion)
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
            broken => broken.attempt(),
        }
    }

    /// What there is to say of an attempt.
    fn attempt(&self) -> Text {
        match self {
            Self::Failing { since, error } => {
                let (since, error) = (minute(*since), error.as_deref().unwrap_or("-"));
                Text::new(
                    format!("{since} からローテーションが失敗しています。最後のエラー: {error}"),
                    format!("rotation has been failing since {since}; last error: {error}"),
                )
            }
            Self::Abandoned { since } => Text::new(
                format!(
                    "{} にローテーションが中止されました。途中で別のバージョンが書き込まれています",
                    minute(*since)
                ),
                format!("rotation was abandoned at {}: somebody wrote a version while it went on", minute(*since)),
            ),
            Self::StuckPending { version, since } => Text::new(
                format!("バージョン {version} が {} から AWSPENDING のまま止まっています", minute(*since)),
                format!("version {version} has been stuck under AWSPENDING since {}", minute(*since)),
            ),
            Self::Pending { version, since } => Text::new(
                format!("ローテーション中です。バージョン {version} が {} から AWSPENDING です", minute(*since)),
                format!("a rotation is under way: version {version} is labelled AWSPENDING since {}", minute(*since)),
            ),
            Self::LambdaMissing { arn } => Text::new(
                format!("ローテーション関数 {arn} がありません"),
                format!("the rotation function {arn} does not exist"),
            ),
            Self::LambdaNotInvocable { arn, state: Some(state) } => Text::new(
                format!("ローテーション関数 {arn} の状態が {state} です"),
                format!("the state of the rotation function {arn} is {state}"),
            ),
            Self::LambdaNotInvocable { arn, state: None } => Text::new(
                format!("ローテーション関数 {arn} のポリシーは Secrets Manager による呼び出しを許可していません"),
                format!("the policy of the rotation function {arn} does not let Secrets Manager invoke it"),
            ),
            other => Text::fixed(other.word(), other.word()),
        }
    }
}

/// AWS's dates, in UTC, to the day.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A moment by which a log is searched.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
