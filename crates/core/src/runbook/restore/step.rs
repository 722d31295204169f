//! The steps of a restore: one change each, with what was found before and what is wanted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::left::Left;
use crate::model::{RotationRules, Secret, same_key, same_policy};
use crate::runbook::backup::values::SealedValue;
use crate::runbook::plan::Plan;

/// The schema of a restore's plan.
pub const SCHEMA: &str = "secrets-ops/restore-plan/v1";

/// A restore's plan.
pub type RestorePlan = Plan<Step, Context>;

/// A person's clock may be ahead of AWS's, whose date of a new secret then comes before the plan's.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// What a restore's plan says besides its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The backup's name.
    pub backup: String,
    /// Where it was read.
    pub source: String,
    /// When the backup was made.
    pub backup_started: Timestamp,
    /// Secrets of the backup that were considered.
    pub secrets: u64,
    /// Secrets that are there already and equal.
    pub equal: u64,
    /// What no step does, and a person must.
    pub left: Vec<Left>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1, in the order of the plan.
    pub number: u64,
    /// The secret's name where it is restored; of a new key its alias.
    pub object: String,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// The property as it was found; `null`: there was none. Anything else found at apply means "changed since".
    pub seen: Value,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Makes a key in place of one that is gone, names it and switches its rotation on.
    CreateKey {
        /// The key in the backup.
        replaces: String,
        /// JSON.
        policy: String,
    },
    /// Takes back a scheduled deletion.
    Undelete {},
    /// Makes the secret: with a value only if the backup holds it.
    Create {
        /// As in the backup.
        description: Option<String>,
        /// By ARN or alias; absent: `aws/secretsmanager`.
        kms_key: Option<String>,
        /// A partner's kind.
        secret_type: Option<String>,
        /// Ours among them.
        tags: BTreeMap<String, String>,
        /// With a value: its version's id.
        token: String,
        /// Encrypted.
        value: Option<PlannedValue>,
    },
    /// Puts description and key right.
    Update {
        /// Absent: stays as it is.
        description: Option<String>,
        /// Absent: stays as it is.
        kms_key: Option<String>,
        /// Makes a repetition recognisable.
        token: String,
    },
    /// Adds a version, under its old id.
    PutValue {
        /// Labels that it gets.
        stages: Vec<String>,
        /// Encrypted.
        value: PlannedValue,
    },
    /// Moves a label to a version that is there.
    MoveStage {
        /// The label.
        stage: String,
        /// The version that has it now.
        from: Option<String>,
        /// The version that gets it.
        to: String,
    },
    /// Sets tags.
    Tag {
        /// Keys and values.
        tags: BTreeMap<String, String>,
    },
    /// Removes tags.
    Untag {
        /// Keys.
        keys: Vec<String>,
    },
    /// Copies the secret to another Region.
    Replicate {
        /// Where to.
        region: String,
        /// The key there.
        kms_key: Option<String>,
    },
    /// Attaches the resource policy.
    PutPolicy {
        /// JSON.
        policy: String,
    },
    /// Removes the resource policy.
    DeletePolicy {},
    /// Switches rotation off.
    CancelRotation {},
    /// Switches rotation on, without rotating now. After everything else.
    ScheduleRotation {
        /// Absent for a partner's rotation.
        lambda: Option<String>,
        /// Days or an expression.
        rules: Option<RotationRules>,
        /// A partner's settings.
        metadata: BTreeMap<String, String>,
        /// A partner's role.
        role: Option<String>,
        /// Makes a repetition recognisable.
        token: String,
    },
}

/// An encrypted value, with the ARN that its encryption context holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedValue {
    /// The secret's ARN at the time of the backup.
    pub arn: String,
    /// The message.
    #[serde(flatten)]
    pub sealed: SealedValue,
}

/// When a step is due: keys first, rotation last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Keys,
    Secrets,
    Rotation,
}

impl Action {
    /// The word in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateKey { .. } => "create-key",
            Self::Undelete {} => "undelete",
            Self::Create { value: Some(_), .. } => "create-with-value",
            Self::Create { .. } => "create-without-value",
            Self::Update { .. } => "update",
            Self::PutValue { .. } => "put-value",
            Self::MoveStage { .. } => "move-stage",
            Self::Tag { .. } => "tag",
            Self::Untag { .. } => "untag",
            Self::Replicate { .. } => "replicate",
            Self::PutPolicy { .. } => "put-policy",
            Self::DeletePolicy {} => "delete-policy",
            Self::CancelRotation {} => "cancel-rotation",
            Self::ScheduleRotation { .. } => "schedule-rotation",
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::CreateKey { .. } => Phase::Keys,
            Self::ScheduleRotation { .. } => Phase::Rotation,
            _ => Phase::Secrets,
        }
    }

    /// Whether the rest of the secret can go on without it: nothing else builds on it.
    pub(super) const fn is_optional(&self) -> bool {
        matches!(self, Self::Replicate { .. } | Self::ScheduleRotation { .. })
    }

    /// Whether it looks at the policy, which takes a call of its own.
    pub(super) const fn is_about_policy(&self) -> bool {
        matches!(self, Self::PutPolicy { .. } | Self::DeletePolicy {})
    }

    /// The property that it changes, as it is now. `null` where it is absent, and where the whole secret is.
    pub(super) fn state(&self, live: Option<&Secret>) -> Value {
        let Some(live) = live else { return Value::Null };
        match self {
            Self::CreateKey { .. } => Value::Null,
            Self::Create { .. } => json!({"exists": true}),
            Self::Undelete {} => json!({"scheduled_for_deletion": live.deleted_date.is_some()}),
            Self::Update { description, kms_key, .. } => json!({
                "description": description.as_ref().and(live.description.as_ref()),
                "kms_key": kms_key.as_ref().and(live.kms_key_id.as_ref()),
            }),
            Self::PutValue { .. } | Self::MoveStage { .. } => labelled(live),
            Self::Tag { tags } => of_tags(live, tags.keys()),
            Self::Untag { keys } => of_tags(live, keys.iter()),
            Self::Replicate { region, .. } => json!(live.replication_status.iter().find_map(|replica| {
                (replica.region.as_ref() == Some(region)).then(|| replica.kms_key_id.clone().unwrap_or_default())
            })),
            Self::PutPolicy { .. } | Self::DeletePolicy {} => json!(live.resource_policy),
            Self::CancelRotation {} | Self::ScheduleRotation { .. } => {
                if live.rotation_enabled != Some(true) {
                    return Value::Null;
                }
                json!({"lambda": live.rotation_lambda_arn, "rules": live.rotation_rules})
            }
        }
    }

    /// Whether what it wants is there already. `since`: when the plan was made.
    pub(super) fn is_done(&self, live: Option<&Secret>, since: Timestamp) -> bool {
        let Some(live) = live else { return false };
        match self {
            Self::CreateKey { .. } => false,
            // Only a secret that was not there when the plan was made can be the one that a step of it has made.
            Self::Create { description, tags, token, value, .. } => {
                live.deleted_date.is_none()
                    && live
                        .created_date
                        .is_some_and(|created| created >= since.saturating_sub(CLOCKS_DIFFER).unwrap_or(since))
                    && live.description == *description
                    && tags.iter().all(|(key, value)| live.tags.get(key) == Some(value))
                    && (value.is_none() || live.version_ids_to_stages.contains_key(token))
            }
            Self::Undelete {} => live.deleted_date.is_none(),
            Self::Update { description, kms_key, .. } => {
                description.as_ref().is_none_or(|wanted| live.description.as_deref().unwrap_or_default() == wanted)
                    && kms_key.as_ref().is_none_or(|wanted| same_key(live.kms_key_id.as_deref(), Some(wanted)))
            }
            Self::PutValue { stages, value } => live
                .version_ids_to_stages
                .get(&value.sealed.version_id)
                .is_some_and(|have| stages.iter().all(|stage| have.contains(stage))),
            Self::MoveStage { stage, to, .. } => live.version_with(stage) == Some(to),
            Self::Tag { tags } => tags.iter().all(|(key, value)| live.tags.get(key) == Some(value)),
            Self::Untag { keys } => keys.iter().all(|key| !live.tags.contains_key(key)),
            Self::Replicate { region, .. } => {
                let copy = live.replication_status.iter().find(|replica| replica.region.as_ref() == Some(region));
                copy.is_some_and(|copy| copy.status.as_deref() != Some("Failed"))
            }
            Self::PutPolicy { policy } => {
                live.resource_policy.as_ref().is_some_and(|have| same_policy((have, &live.arn), (policy, "")))
            }
            Self::DeletePolicy {} => live.resource_policy.is_none(),
            Self::CancelRotation {} => live.rotation_enabled != Some(true),
            Self::ScheduleRotation { lambda, rules, .. } => {
                live.rotation_enabled == Some(true)
                    && live.rotation_lambda_arn == *lambda
                    && same_rules(live.rotation_rules.as_ref(), rules.as_ref())
            }
        }
    }

    /// The ids of versions that it makes or gives labels to.
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::Create { token, value: Some(_), .. } => Some(token),
            Self::PutValue { value, .. } => Some(&value.sealed.version_id),
            Self::MoveStage { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// Whether two rules mean the same: AWS computes the days from an expression, so that only one of the two counts.
pub(super) fn same_rules(a: Option<&RotationRules>, b: Option<&RotationRules>) -> bool {
    let plain = |rules: Option<&RotationRules>| {
        let rules = rules.cloned().unwrap_or_default();
        let days = rules.automatically_after_days.filter(|_| rules.schedule_expression.is_none());
        (days, rules.schedule_expression, rules.duration)
    };
    plain(a) == plain(b)
}

/// Label to version id; AWSPENDING comes and goes by itself.
fn labelled(live: &Secret) -> Value {
    let labels: BTreeMap<&str, &str> = live
        .version_ids_to_stages
        .iter()
        .flat_map(|(id, stages)| stages.iter().map(move |stage| (stage.as_str(), id.as_str())))
        .filter(|(stage, _)| *stage != "AWSPENDING")
        .collect();
    if labels.is_empty() { Value::Null } else { json!(labels) }
}

fn of_tags<'a>(live: &Secret, keys: impl Iterator<Item = &'a String>) -> Value {
    let found: BTreeMap<&String, &String> = keys.filter_map(|key| live.tags.get_key_value(key)).collect();
    if found.is_empty() { Value::Null } else { json!(found) }
}
