//! What has to be done for one secret, judged from the backup and from what is there now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::keys::KeyAnswer;
use super::left::{Left, LeftReason};
use super::policy::{locks_out, portable};
use super::step::{Action, PlannedValue, same_rules};
use super::{MARK_KEY, MARK_MISSING, Options};
use crate::model::{Difference, Lang, Secret, differences, same_policy};
use crate::runbook::backup::values::{SealedValue, Values};
use crate::runbook::once::hex;

/// Most tags that a secret can have.
const MOST_TAGS: usize = 50;

/// One secret of the backup, and all that was looked up for it.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) secret: &'a Secret,
    pub(super) values: Option<&'a Values>,
    /// Its name where it is restored.
    pub(super) name: &'a str,
    pub(super) key: KeyAnswer,
    /// The live secret's key, by ARN where that could be told.
    pub(super) live_key: Option<String>,
    /// The rotation function, if it can be used; else why not.
    pub(super) lambda: Result<Option<String>, Left>,
    /// The restorer's ARN.
    pub(super) caller: &'a str,
    pub(super) region: &'a str,
    pub(super) now: Timestamp,
}

/// What comes of it.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) actions: Vec<Action>,
    pub(super) left: Vec<Left>,
}

impl Decision {
    /// Whether the secret stays out of the plan as a whole.
    pub(super) fn is_blocked(&self) -> bool {
        self.left.iter().any(|left| left.reason.blocks())
    }

    fn leave(&mut self, wanted: &Wanted<'_>, reason: LeftReason, detail: impl Into<String>) {
        self.left.push(Left::new(wanted.name, reason, detail));
    }
}

/// Decides. `live`: the secret of that name with policy and versions, if there is one.
pub(super) fn decide(wanted: &Wanted<'_>, live: Option<&Secret>, options: &Options) -> Decision {
    let mut decision = Decision::default();
    if let Some((reason, detail)) = outside(wanted, live) {
        decision.leave(wanted, reason, detail);
        return decision;
    }
    let key = match &wanted.key {
        KeyAnswer::Default => None,
        KeyAnswer::Use(arn) => Some(arn.clone()),
        KeyAnswer::Make(alias) => Some(alias.clone()),
        KeyAnswer::None(reason, detail) => {
            decision.leave(wanted, *reason, detail.clone());
            return decision;
        }
    };
    match live {
        None => create(wanted, key, options, &mut decision),
        Some(live) => adjust(wanted, live, key, options, &mut decision),
    }
    for property in &wanted.secret.unread {
        decision.leave(wanted, LeftReason::NotInBackup, property.clone());
    }
    decision
}

/// What a restore has no say in.
fn outside(wanted: &Wanted<'_>, live: Option<&Secret>) -> Option<(LeftReason, String)> {
    let Wanted { secret, name, region, .. } = wanted;
    if let Some(service) = &secret.owning_service {
        return Some((LeftReason::ManagedByService, service.clone()));
    }
    // Told by the backup's own Region: restoring elsewhere must not turn primaries into replicas.
    let home = secret.arn.split(':').nth(3).unwrap_or(region);
    if secret.is_replica_in(home) {
        return Some((LeftReason::WasReplica, secret.primary_region.clone().unwrap_or_default()));
    }
    if secret.deleted_date.is_some() {
        return Some((LeftReason::WasDeleted, String::new()));
    }
    if name.chars().count() > 512 {
        return Some((LeftReason::NameTooLong, String::new()));
    }
    live.filter(|live| live.is_replica_in(region))
        .map(|live| (LeftReason::NameIsReplica, live.primary_region.clone().unwrap_or_default()))
}

fn create(wanted: &Wanted<'_>, key: Option<String>, options: &Options, decision: &mut Decision) {
    let secret = wanted.secret;
    let mut values = ordered_values(wanted);
    // AWS labels the first version of a secret AWSCURRENT: without the current value, an older one would pass for it.
    let current = |value: &PlannedValue| value.sealed.version_stages.iter().any(|stage| stage == "AWSCURRENT");
    if options.configuration || !values.iter().any(|(_, value)| current(value)) {
        values.clear();
    }
    let mut tags = own_tags(wanted, decision);
    // A secret that never had a value lacks none.
    if values.is_empty() && !secret.version_ids_to_stages.is_empty() {
        if tags.len() < MOST_TAGS {
            tags.insert(MARK_KEY.to_owned(), MARK_MISSING.to_owned());
        }
        decision.leave(wanted, LeftReason::ValueMissing, "");
    }
    let mut values = values.into_iter();
    let first = values.next();
    let token = first.as_ref().map_or_else(|| token(wanted, "create"), |(_, value)| value.sealed.version_id.clone());
    decision.actions.push(Action::Create {
        description: secret.description.clone(),
        kms_key: key,
        secret_type: secret.secret_type.clone(),
        tags,
        token: token.clone(),
        value: first.as_ref().map(|(_, value)| value.clone()),
    });
    for (stages, value) in values {
        decision.actions.push(Action::PutValue { stages, value });
    }
    // Labels of one's own that the first version had beside AWS's, which come by themselves.
    if let Some((stages, value)) = first {
        for stage in stages.into_iter().filter(|stage| !stage.starts_with("AWS")) {
            decision.actions.push(Action::MoveStage { stage, from: None, to: value.sealed.version_id.clone() });
        }
    }
    for replica in &secret.replication_status {
        // Restored where its copy was: there it is the primary now.
        if let Some(region) = replica.region.as_ref().filter(|region| *region != wanted.region) {
            decision.actions.push(replicate(region, replica.kms_key_id.as_deref(), options));
        }
    }
    policy(wanted, None, options, decision);
    rotation(wanted, None, decision);
}

fn replicate(region: &str, key: Option<&str>, options: &Options) -> Action {
    let key = key.map(|key| options.kms_map.get(key).map_or(key, String::as_str).to_owned());
    Action::Replicate { region: region.to_owned(), kms_key: key }
}

fn adjust(wanted: &Wanted<'_>, live: &Secret, key: Option<String>, options: &Options, decision: &mut Decision) {
    // AWS tells neither policy nor versions of a secret that is scheduled for deletion: what differs is not known yet.
    if live.deleted_date.is_some() {
        decision.actions.push(Action::Undelete {});
        decision.leave(wanted, LeftReason::ComesBackFirst, "");
        return;
    }
    let changes_from = decision.actions.len();
    describe(wanted, live, key, decision);
    tags(wanted, live, decision);
    if !options.configuration {
        values(wanted, live, decision);
    }
    replicas(wanted, live, options, decision);
    policy(wanted, Some(live), options, decision);
    rotation(wanted, Some(live), decision);
    if decision.actions.len() > changes_from && !options.overwrite {
        let detail = shown(live, wanted.secret, &decision.actions[changes_from..]);
        decision.actions.truncate(changes_from);
        decision.leave(wanted, LeftReason::Differs, detail);
    }
}

/// What differs, as it is now and as the backup has it; where only names have moved, the steps it would take.
fn shown(live: &Secret, backup: &Secret, actions: &[Action]) -> String {
    const MOST: usize = 10;
    let told = |difference: &Difference| {
        format!("{}: {} -> {}", difference.property, difference.before.get(Lang::En), difference.after.get(Lang::En))
    };
    let found = differences(live, backup);
    let mut lines: Vec<String> = found.iter().take(MOST).map(told).collect();
    if found.len() > MOST {
        lines.push(format!("{} more", found.len() - MOST));
    }
    if lines.is_empty() {
        lines.extend(actions.iter().map(|action| action.name().to_owned()));
    }
    lines.join("; ")
}

fn describe(wanted: &Wanted<'_>, live: &Secret, key: Option<String>, decision: &mut Decision) {
    let words = |secret: &Secret| secret.description.clone().unwrap_or_default();
    let description = Some(words(wanted.secret)).filter(|wanted| *wanted != words(live));
    let kms_key = match (&key, &wanted.live_key) {
        (None, None) => None,
        (None, _) => Some("alias/aws/secretsmanager".to_owned()),
        (Some(wanted), Some(have)) if same_key(wanted, have) => None,
        (Some(wanted), _) => Some(wanted.clone()),
    };
    if description.is_some() || kms_key.is_some() {
        decision.actions.push(Action::Update { description, kms_key, token: token(wanted, "update") });
    }
}

/// By ARN and by id, a key is the same one.
fn same_key(a: &str, b: &str) -> bool {
    let id = |key: &str| key.rsplit_once(":key/").map_or_else(|| key.to_owned(), |(_, id)| id.to_owned());
    id(a) == id(b)
}

/// The backup's tags as far as a person may set them.
fn own_tags(wanted: &Wanted<'_>, decision: &mut Decision) -> BTreeMap<String, String> {
    let (aws, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        wanted.secret.tags.clone().into_iter().partition(|(key, _)| key.starts_with("aws:"));
    if !aws.is_empty() {
        let keys: Vec<String> = aws.into_keys().collect();
        decision.leave(wanted, LeftReason::TagsLeftOut, keys.join(", "));
    }
    own.into_iter().filter(|(key, _)| key != MARK_KEY).collect()
}

fn tags(wanted: &Wanted<'_>, live: &Secret, decision: &mut Decision) {
    let own = own_tags(wanted, decision);
    let differing: BTreeMap<_, _> = own
        .iter()
        .filter(|(key, value)| live.tags.get(*key) != Some(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let surplus: Vec<String> = live
        .tags
        .keys()
        .filter(|key| !own.contains_key(*key) && !key.starts_with("aws:") && *key != MARK_KEY)
        .cloned()
        .collect();
    // Removed first, so that 50 are never exceeded on the way.
    if !surplus.is_empty() {
        decision.actions.push(Action::Untag { keys: surplus });
    }
    if !differing.is_empty() {
        decision.actions.push(Action::Tag { tags: differing });
    }
}

/// The backed-up values in the order in which they are put: the previous one, the current one, then those with labels
/// of one's own. A version that is only AWSPENDING is a rotation that was never finished, and would block the next.
fn ordered_values(wanted: &Wanted<'_>) -> Vec<(Vec<String>, PlannedValue)> {
    let Some(values) = wanted.values else { return Vec::new() };
    let planned = |value: &SealedValue| PlannedValue { arn: values.arn.clone(), sealed: value.clone() };
    let rank = |value: &SealedValue| match () {
        () if value.version_stages.iter().any(|stage| stage == "AWSCURRENT") => 1,
        () if value.version_stages.iter().any(|stage| stage == "AWSPREVIOUS") => 0,
        () => 2,
    };
    let mut all: Vec<_> = values
        .versions
        .iter()
        .filter(|value| value.version_stages.iter().any(|stage| stage != "AWSPENDING"))
        .map(|value| {
            let stages =
                value.version_stages.iter().filter(|stage| !["AWSPENDING", "AWSPREVIOUS"].contains(&stage.as_str()));
            (rank(value), stages.cloned().collect(), planned(value))
        })
        .collect();
    all.sort_by_key(|(rank, ..)| *rank);
    all.into_iter().map(|(_, stages, value)| (stages, value)).collect()
}

fn values(wanted: &Wanted<'_>, live: &Secret, decision: &mut Decision) {
    let have = live.version_with("AWSCURRENT");
    let Some(want) = wanted.secret.version_with("AWSCURRENT") else { return };
    if have == Some(want) {
        return;
    }
    if live.versions.iter().any(|version| version.version_id == want) {
        let from = have.map(str::to_owned);
        decision.actions.push(Action::MoveStage { stage: "AWSCURRENT".to_owned(), from, to: want.to_owned() });
        return;
    }
    let current = ordered_values(wanted).into_iter().find(|(_, value)| value.sealed.version_id == want);
    match (current, have) {
        (Some((stages, value)), _) => decision.actions.push(Action::PutValue { stages, value }),
        (None, None) => decision.leave(wanted, LeftReason::ValueMissing, ""),
        // A secret that has been given its value anew: the mark says so until somebody takes it off.
        (None, Some(_)) => decision.leave(wanted, LeftReason::ValueDiffers, ""),
    }
}

fn replicas(wanted: &Wanted<'_>, live: &Secret, options: &Options, decision: &mut Decision) {
    let regions = |secret: &Secret| -> BTreeMap<String, Option<String>> {
        let copies = secret.replication_status.iter();
        copies.filter_map(|copy| Some((copy.region.clone()?, copy.kms_key_id.clone()))).collect()
    };
    let mut working = live.clone();
    working.replication_status.retain(|copy| copy.status.as_deref() != Some("Failed"));
    let (have, want) = (regions(&working), regions(wanted.secret));
    for (region, key) in want.iter().filter(|(region, _)| !have.contains_key(*region) && *region != wanted.region) {
        decision.actions.push(replicate(region, key.as_deref(), options));
    }
    let extra: Vec<&str> = have.keys().filter(|region| !want.contains_key(*region)).map(String::as_str).collect();
    if !extra.is_empty() && !wanted.secret.unread.iter().any(|property| property == "ReplicationStatus") {
        decision.leave(wanted, LeftReason::ExtraReplica, extra.join(", "));
    }
}

fn policy(wanted: &Wanted<'_>, live: Option<&Secret>, options: &Options, decision: &mut Decision) {
    let have = live.and_then(|live| Some((live.resource_policy.as_deref()?, live.arn.as_str())));
    if wanted.secret.unread.iter().any(|property| property == "ResourcePolicy") {
        return;
    }
    let Some(policy) = &wanted.secret.resource_policy else {
        if have.is_some() {
            decision.actions.push(Action::DeletePolicy {});
        }
        return;
    };
    let policy = portable(policy, wanted.secret);
    if have.is_some_and(|have| same_policy(have, (&policy, ""))) {
        return;
    }
    match locks_out(&policy, wanted.caller) {
        Some(why) if !options.force_policies => decision.leave(wanted, LeftReason::PolicyLocksOut, why),
        _ => decision.actions.push(Action::PutPolicy { policy }),
    }
}

fn rotation(wanted: &Wanted<'_>, live: Option<&Secret>, decision: &mut Decision) {
    let secret = wanted.secret;
    let is_on = live.is_some_and(|live| live.rotation_enabled == Some(true));
    if secret.rotation_enabled != Some(true) {
        if is_on {
            decision.actions.push(Action::CancelRotation {});
        }
        return;
    }
    let lambda = match &wanted.lambda {
        Ok(lambda) => lambda.clone(),
        Err(left) => return decision.left.push(left.clone()),
    };
    let same = live.is_some_and(|live| {
        live.rotation_lambda_arn == lambda
            && same_rules(live.rotation_rules.as_ref(), secret.rotation_rules.as_ref())
            && live.external_secret_rotation_metadata == secret.external_secret_rotation_metadata
    });
    if is_on && same {
        return;
    }
    decision.actions.push(Action::ScheduleRotation {
        lambda,
        rules: secret.rotation_rules.clone(),
        metadata: secret.external_secret_rotation_metadata.clone(),
        role: secret.external_secret_rotation_role_arn.clone(),
        token: token(wanted, "rotation"),
    });
}

/// The same plan always sends the same token, so that AWS knows a repetition. 40 characters.
fn token(wanted: &Wanted<'_>, what: &str) -> String {
    let text = format!("{}|{}|{}|{what}", wanted.region, wanted.name, wanted.now);
    hex(&Sha256::digest(text.as_bytes())[..20])
}
