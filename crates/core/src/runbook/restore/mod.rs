//! Restores secrets from a backup by a plan that a person approves, and proves by a drill that it would work.
//!
//! A secret whose value the backup does not hold is made without one, never with a placeholder that an application
//! would read; it is marked by a tag, and named at the end.

mod apply;
mod decide;
mod drill;
mod keys;
mod left;
mod look;
mod policy;
mod report;
mod step;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

pub use apply::{Applied, apply};
pub use drill::{DRILL_IAM_ACTIONS, Drill, JOB as DRILL_JOB, drill, drill_latest};
pub use left::{Left, LeftReason};
pub use report::{applied as applied_report, planned as planned_report};
pub use step::{Action, Context, RestorePlan, SCHEMA, Step};

use self::decide::{Decision, Wanted, decide};
use self::keys::Keys;
use self::look::{lambda, look};
use super::backup::values::Values;
use super::backup::{Fault, Opened, Piece, Summary, read};
use super::plan::{Place, Plan};
use crate::aws::Aws;
use crate::model::Secret;

/// IAM actions of a restore, all of them a person's: no function has them. `lambda:InvokeFunction` is what AWS wants of
/// one who switches rotation on; `kms:Decrypt` opens backed-up values, and with `kms:GenerateDataKey` and `kms:Encrypt`
/// stores them under the secrets' keys.
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:CreateSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
    "secretsmanager:ReplicateSecretToRegions",
    "secretsmanager:RotateSecret",
    "secretsmanager:CancelRotateSecret",
    "secretsmanager:RestoreSecret",
    "kms:DescribeKey",
    "kms:ListKeys",
    "kms:CreateKey",
    "kms:CreateAlias",
    "kms:EnableKeyRotation",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:Encrypt",
    "lambda:GetFunctionConfiguration",
    "lambda:InvokeFunction",
];

/// Marks a secret that waits for its value.
pub const MARK_KEY: &str = "secrets-ops:value";
/// The mark's value.
pub const MARK_MISSING: &str = "missing";

/// Secrets that are looked at or changed at the same time.
const AT_ONCE: usize = 16;

/// What the person wants of a restore.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Makes secrets that exist follow the backup.
    pub overwrite: bool,
    /// Leaves values as they are.
    pub configuration: bool,
    /// Attaches policies that might lock the restorer out.
    pub force_policies: bool,
    /// Keys of the backup, and what takes their place.
    pub kms_map: BTreeMap<String, String>,
    /// Rotation functions of the backup, and what takes their place.
    pub lambda_map: BTreeMap<String, String>,
    /// Makes a key in place of each that is gone; the beginning of their aliases, without `alias/`.
    pub create_keys: Option<String>,
    /// A template for the policy of new keys, with `{partition}`, `{account}` and `{region}`.
    pub key_policy: Option<String>,
    /// A beginning of names, and what takes its place.
    pub rename: Option<(String, String)>,
}

impl Options {
    /// The name under which a secret is restored; `None` where the renaming does not fit it.
    pub fn new_name(&self, name: &str) -> Option<String> {
        match &self.rename {
            Some((from, to)) => name.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}")),
            None => Some(name.to_owned()),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Nothing may be restored from it.
    #[error("{}", told(.0))]
    Damaged(Vec<Fault>),
    /// It is not known whether it was ever finished.
    #[error("no manifest lies beside {0}: without it this is not a finished backup, and nothing is restored from it")]
    Unsealed(String),
    /// There is nothing to plan for.
    #[error("the backup {0} has no secret that fits the filter and the renaming")]
    Nothing(String),
    /// Two secrets would get one name.
    #[error("two secrets of the backup would both be restored as {0}; choose another --rename")]
    SameName(String),
}

fn told(faults: &[Fault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("the backup is damaged, and nothing is restored from it:\n  {}", faults.join("\n  "))
}

/// One secret of the backup.
#[derive(Debug)]
pub struct Archived {
    /// Its configuration.
    pub secret: Secret,
    /// Its encrypted values, where the backup has them.
    pub values: Option<Values>,
}

/// What a backup holds of the secrets whose names `wanted` takes. Blocks while it reads.
///
/// # Errors
/// The backup's faults, if it has any: nothing is done with a damaged one.
pub fn load(opened: Opened, wanted: &dyn Fn(&str) -> bool) -> Result<(Summary, Vec<Archived>), RestoreError> {
    let mut all: Vec<Archived> = Vec::new();
    let readout = read(opened, &mut |piece| match piece {
        Piece::Secret(secret) if wanted(&secret.name) => all.push(Archived { secret: *secret, values: None }),
        Piece::Secret(_) => {}
        Piece::Values(values) => {
            if let Some(archived) = all.last_mut().filter(|archived| archived.secret.name == values.name) {
                archived.values = Some(values);
            }
        }
    });
    match readout.summary {
        Some(summary) if readout.faults.is_empty() && !readout.sealed => Err(RestoreError::Unsealed(summary.name)),
        Some(summary) if readout.faults.is_empty() => Ok((summary, all)),
        _ => Err(RestoreError::Damaged(readout.faults)),
    }
}

/// Looks at what is there and plans what has to be done. Changes nothing.
pub async fn plan(
    aws: &Aws,
    place: &Place,
    source: &str,
    (summary, archived): (Summary, Vec<Archived>),
    options: &Options,
    now: Timestamp,
) -> Result<RestorePlan, RestoreError> {
    let named: Vec<(String, &Archived)> =
        archived.iter().filter_map(|archived| Some((options.new_name(&archived.secret.name)?, archived))).collect();
    if named.is_empty() {
        return Err(RestoreError::Nothing(summary.name));
    }
    let mut names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RestoreError::SameName(twice[0].to_owned()));
    }
    let keys = Keys::new(aws, &options.kms_map, options.create_keys.clone());
    let decisions: Vec<(Decision, Option<Secret>)> = stream::iter(&named)
        .map(|(name, archived)| one(aws, place, &keys, name, archived, options, now))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let made = keys.to_make().await;
    Ok(assemble(place, source, &summary, &named, decisions, made, options, now))
}

/// Looks at one secret and decides. What is there comes along, for the steps' `seen`.
async fn one(
    aws: &Aws,
    place: &Place,
    keys: &Keys<'_>,
    name: &str,
    archived: &Archived,
    options: &Options,
    now: Timestamp,
) -> (Decision, Option<Secret>) {
    let live = match look(aws, name, true, true).await {
        Ok(live) => live,
        Err(error) => {
            let left = Left::new(name, LeftReason::LiveUnknown, error.to_string());
            return (Decision { left: vec![left], ..Decision::default() }, None);
        }
    };
    let wanted = Wanted {
        secret: &archived.secret,
        values: archived.values.as_ref(),
        name,
        key: keys.resolve(archived.secret.kms_key_id.as_deref()).await,
        live_key: keys.arn(live.as_ref().and_then(|live| live.kms_key_id.as_deref())).await,
        lambda: lambda(aws, name, &archived.secret, &options.lambda_map).await,
        caller: &place.caller,
        region: &place.region,
        now,
    };
    (decide(&wanted, live.as_ref(), options), live)
}

#[expect(clippy::too_many_arguments, reason = "called once, with all that was gathered")]
fn assemble(
    place: &Place,
    source: &str,
    summary: &Summary,
    named: &[(String, &Archived)],
    decisions: Vec<(Decision, Option<Secret>)>,
    made: Vec<(String, String)>,
    options: &Options,
    now: Timestamp,
) -> RestorePlan {
    let policy = keys::key_policy(options.key_policy.as_deref(), &place.caller, &place.account, &place.region);
    let mut steps: Vec<(String, Action, Option<Secret>)> = made
        .into_iter()
        .map(|(alias, replaces)| (alias, Action::CreateKey { replaces, policy: policy.clone() }, None))
        .collect();
    let (mut left, mut equal) = (Vec::new(), 0);
    for ((name, _), (decision, live)) in named.iter().zip(decisions) {
        equal += u64::from(decision.actions.is_empty() && !decision.is_blocked());
        left.extend(decision.left);
        steps.extend(decision.actions.into_iter().map(|action| (name.clone(), action, live.clone())));
    }
    // Stable: within a phase the steps stay with their secret, in order.
    steps.sort_by_key(|(_, action, _)| action.phase());
    let steps = (1..)
        .zip(steps)
        .map(|(number, (object, action, live))| Step { number, seen: action.state(live.as_ref()), object, action })
        .collect();
    let context = Context {
        backup: summary.name.clone(),
        source: source.to_owned(),
        backup_started: summary.started,
        secrets: named.len() as u64,
        equal,
        left,
    };
    Plan::new(SCHEMA, place, now, context, steps)
}

#[cfg(test)]
mod tests;
