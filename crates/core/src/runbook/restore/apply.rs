//! Applies a restore's plan: safe to be cut off at any point and to be run again, because each step first looks whether
//! its object is as planned, already as wanted, or changed since.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::AT_ONCE;
use super::look::look;
use super::step::{Action, Phase, PlannedValue, RestorePlan, Step};
use crate::aws::secrets_manager::change::{self, NewSecret, Rotation};
use crate::aws::secrets_manager::value::SecretValue;
use crate::aws::{Aws, AwsError, Class, kms};
use crate::model::Secret;
use crate::runbook::JobError;
use crate::runbook::backup::values;
use crate::runbook::plan::{Journal, State};

/// Failures of one kind in a row after which nothing else can be expected to work: the permission is gone, or AWS is.
const HOPELESS: usize = 8;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The step's number.
    pub number: u64,
    /// What became of it.
    pub state: State,
    /// Why, where it was not done.
    pub detail: String,
}

/// Applies the steps and tells of each. `journal` is absent only for the drill, which keeps nothing. `value_key` is the
/// only key under which backed-up values are opened, by id, ARN or alias.
///
/// # Errors
/// Only where the journal cannot be written: nothing is done that it could not record.
pub async fn apply(
    aws: &Aws,
    plan: &RestorePlan,
    journal: Option<&Journal>,
    value_key: &str,
    now: Timestamp,
) -> Result<Vec<Applied>, JobError> {
    let (start, failures) = (Instant::now(), AtomicUsize::new(0));
    let run = Run { aws, plan, journal, value_key, value_key_arn: OnceCell::new(), now, start, failures };
    let mut all = Vec::new();
    let mut unmade = BTreeSet::new();
    for phase in [Phase::Keys, Phase::Secrets, Phase::Rotation] {
        let groups = groups(&plan.steps, phase);
        // Keys one by one: KMS makes five a second.
        let at_once = if phase == Phase::Keys { 1 } else { AT_ONCE };
        let mut done = stream::iter(groups.iter().map(|group| run.group(group, &unmade))).buffer_unordered(at_once);
        let mut failed = Vec::new();
        while let Some(group) = done.next().await {
            let (object, applied) = group?;
            // What nothing else builds on keeps nothing else back.
            let needed =
                |number: u64| plan.steps.iter().any(|step| step.number == number && !step.action.is_optional());
            let undone = |step: &Applied| !matches!(step.state, State::Done | State::Already);
            if applied.iter().any(|step| undone(step) && needed(step.number)) {
                failed.push(object);
            }
            all.extend(applied);
        }
        drop(done);
        unmade.extend(failed);
    }
    all.sort_by_key(|step| step.number);
    Ok(all)
}

/// The phase's steps, those of one object together.
fn groups(steps: &[Step], phase: Phase) -> Vec<Vec<&Step>> {
    let mut groups: Vec<Vec<&Step>> = Vec::new();
    for step in steps.iter().filter(|step| step.action.phase() == phase) {
        match groups.last_mut() {
            Some(group) if group[0].object == step.object => group.push(step),
            _ => groups.push(vec![step]),
        }
    }
    groups
}

struct Run<'a> {
    aws: &'a Aws,
    plan: &'a RestorePlan,
    journal: Option<&'a Journal>,
    value_key: &'a str,
    /// Looked up when the first value is opened.
    value_key_arn: OnceCell<String>,
    now: Timestamp,
    start: Instant,
    failures: AtomicUsize,
}

/// What to do about a step.
enum Verdict {
    Do,
    Already,
    Changed(Value),
}

impl Run<'_> {
    async fn group(&self, steps: &[&Step], unmade: &BTreeSet<String>) -> Result<(String, Vec<Applied>), JobError> {
        let object = steps[0].object.clone();
        let mut applied = Vec::new();
        let needs = |step: &&&Step| match &step.action {
            Action::Create { kms_key: Some(key), .. } | Action::Update { kms_key: Some(key), .. } => {
                unmade.contains(key)
            }
            Action::ScheduleRotation { .. } => unmade.contains(&step.object),
            _ => false,
        };
        if let Some(step) = steps.iter().find(needs) {
            let why = format!("step {} builds on one that was not done", step.number);
            self.skip(steps, &why, &mut applied)?;
            return Ok((object, applied));
        }
        if self.failures.load(Ordering::Relaxed) >= HOPELESS {
            self.skip(steps, "stopped after too many failures in a row", &mut applied)?;
            return Ok((object, applied));
        }
        let found = match steps[0].action {
            Action::CreateKey { .. } => Ok(None),
            _ => {
                let policy = steps.iter().any(|step| step.action.is_about_policy());
                look(self.aws, &object, policy, false).await
            }
        };
        let mut live = match found {
            Ok(live) => live,
            Err(error) => {
                self.count(&error);
                self.tell(steps[0], State::Failed, &error.to_string(), &mut applied)?;
                self.skip(&steps[1..], "its object could not be looked at", &mut applied)?;
                return Ok((object, applied));
            }
        };
        let ours: BTreeSet<&str> = steps.iter().filter_map(|step| step.action.version()).collect();
        for (index, step) in steps.iter().enumerate() {
            if !self.step(step, &mut live, &ours, &mut applied).await? && !step.action.is_optional() {
                self.skip(&steps[index + 1..], "an earlier step of the same secret was not done", &mut applied)?;
                break;
            }
        }
        Ok((object, applied))
    }

    /// Whether what it wants is there afterwards.
    async fn step(
        &self,
        step: &Step,
        live: &mut Option<Secret>,
        ours: &BTreeSet<&str>,
        applied: &mut Vec<Applied>,
    ) -> Result<bool, JobError> {
        match judge(step, live.as_ref(), ours, self.plan.created) {
            Verdict::Already => {
                self.tell(step, State::Already, "", applied)?;
                return Ok(true);
            }
            Verdict::Changed(_) if self.is_under(step, live.as_ref()).await => {
                self.tell(step, State::Already, "", applied)?;
                return Ok(true);
            }
            Verdict::Changed(found) => {
                let why = format!("changed since the plan was made: it was {}, it is {found}", step.seen);
                self.tell(step, State::Refused, &why, applied)?;
                return Ok(false);
            }
            Verdict::Do => {}
        }
        self.note(step, State::Begun, "")?;
        match Box::pin(self.perform(step)).await {
            Ok(()) => {
                self.failures.store(0, Ordering::Relaxed);
                after(step, live, self.now);
                self.tell(step, State::Done, "", applied)?;
                Ok(true)
            }
            // The first attempt may have got through although its answer did not: look before calling it a failure.
            Err(Failure::Aws(error)) if error.class == Class::Conflict => {
                let found = look(self.aws, &step.object, false, false).await.ok().flatten();
                if step.action.is_done(found.as_ref(), self.plan.created) {
                    *live = found;
                    self.tell(step, State::Already, "", applied)?;
                    return Ok(true);
                }
                self.tell(step, State::Refused, &error.to_string(), applied)?;
                Ok(false)
            }
            Err(failure) => {
                if let Failure::Aws(error) = &failure {
                    self.count(error);
                }
                self.tell(step, State::Failed, &failure.to_string(), applied)?;
                Ok(false)
            }
        }
    }

    /// Whether a step that gives a secret the key behind an alias has done so: AWS tells the key by ARN then.
    async fn is_under(&self, step: &Step, live: Option<&Secret>) -> bool {
        let Action::Update { description, kms_key: Some(alias), token } = &step.action else { return false };
        if !alias.starts_with("alias/") {
            return false;
        }
        let Ok(key) = kms::describe_key(self.aws, alias).await else { return false };
        let resolved =
            Action::Update { description: description.clone(), kms_key: Some(key.arn), token: token.clone() };
        resolved.is_done(live, self.plan.created)
    }

    async fn perform(&self, step: &Step) -> Result<(), Failure> {
        let (aws, id) = (self.aws, step.object.as_str());
        match &step.action {
            Action::CreateKey { replaces, policy } => self.make_key(id, replaces, policy).await?,
            Action::Undelete {} => change::undelete(aws, id).await?,
            Action::Create { description, kms_key, secret_type, tags, token, value } => {
                let (description, kms_key) = (description.as_deref(), kms_key.as_deref());
                let new =
                    NewSecret { name: id, description, kms_key, secret_type: secret_type.as_deref(), tags, token };
                let value = self.open(value.as_ref()).await?;
                change::create(aws, new, value.as_ref()).await?;
            }
            Action::Update { description, kms_key, token } => {
                change::update(aws, id, description.as_deref(), kms_key.as_deref(), token).await?;
            }
            Action::PutValue { stages, value } => {
                let version = &value.sealed.version_id;
                if let Some(value) = self.open(Some(value)).await? {
                    change::put_value(aws, id, version, stages, &value).await?;
                }
            }
            Action::MoveStage { stage, from, to } => change::move_stage(aws, id, stage, from.as_deref(), to).await?,
            Action::Tag { tags } => change::tag(aws, id, tags).await?,
            Action::Untag { keys } => change::untag(aws, id, keys).await?,
            Action::Replicate { region, kms_key } => change::replicate(aws, id, region, kms_key.as_deref()).await?,
            Action::PutPolicy { policy } => change::put_policy(aws, id, policy).await?,
            Action::DeletePolicy {} => change::delete_policy(aws, id).await?,
            Action::CancelRotation {} => change::cancel_rotation(aws, id).await?,
            Action::ScheduleRotation { lambda, rules, metadata, role, token } => {
                let (lambda, role) = (lambda.as_deref(), role.as_deref());
                change::schedule_rotation(aws, id, Rotation { lambda, rules: rules.as_ref(), metadata, role, token })
                    .await?;
            }
        }
        Ok(())
    }

    async fn open(&self, value: Option<&PlannedValue>) -> Result<Option<SecretValue>, Failure> {
        match value {
            Some(PlannedValue { arn, sealed }) => {
                let look_up = || async { kms::describe_key(self.aws, self.value_key).await.map(|key| key.arn) };
                let allowed = self.value_key_arn.get_or_try_init(look_up).await?;
                Ok(Some(values::open(self.aws, allowed, arn, sealed).await?))
            }
            None => Ok(None),
        }
    }

    /// Makes, names and rotates a key. KMS knows no request token, so a key that an earlier run made before it was cut
    /// off is found by its description.
    async fn make_key(&self, alias: &str, replaces: &str, policy: &str) -> Result<(), AwsError> {
        let id = match kms::describe_key(self.aws, alias).await {
            Ok(key) => key.arn,
            // "Denied" of an alias that is not there, as when planning; a second alias of the name is refused anyway.
            Err(error) if matches!(error.class, Class::NotFound | Class::Denied) => {
                let description =
                    format!("In place of {replaces}, made by a restore of secrets-ops ({})", self.plan.hash);
                let id = match self.key_described(&description).await? {
                    Some(id) => id,
                    None => kms::create_key(self.aws, &description, policy).await?,
                };
                kms::create_alias(self.aws, alias, &id).await?;
                id
            }
            Err(error) => return Err(error),
        };
        kms::enable_rotation(self.aws, &id).await
    }

    async fn key_described(&self, description: &str) -> Result<Option<String>, AwsError> {
        for id in kms::list_keys(self.aws).await? {
            match kms::describe_key(self.aws, &id).await {
                Ok(key) if key.description == description && key.state == "Enabled" => return Ok(Some(id)),
                Ok(_) => {}
                // Keys that may not be looked at, or are gone, are not ours; of any other it is not known.
                Err(error) if matches!(error.class, Class::Denied | Class::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn count(&self, error: &AwsError) {
        if matches!(error.class, Class::Denied | Class::Unavailable | Class::TimedOut | Class::Throttled) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn skip(&self, steps: &[&Step], why: &str, applied: &mut Vec<Applied>) -> Result<(), JobError> {
        steps.iter().try_for_each(|step| self.tell(step, State::Skipped, why, applied))
    }

    fn tell(&self, step: &Step, state: State, why: &str, applied: &mut Vec<Applied>) -> Result<(), JobError> {
        self.note(step, state, why)?;
        applied.push(Applied { number: step.number, state, detail: why.to_owned() });
        Ok(())
    }

    fn note(&self, step: &Step, state: State, detail: &str) -> Result<(), JobError> {
        let Some(journal) = self.journal else { return Ok(()) };
        let at = self.now.saturating_add(self.start.elapsed()).unwrap_or(self.now);
        Ok(journal.note(step.number, state, at, detail)?)
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    Value(#[from] values::ValueError),
}

fn judge(step: &Step, live: Option<&Secret>, ours: &BTreeSet<&str>, since: Timestamp) -> Verdict {
    if step.action.is_done(live, since) {
        return Verdict::Already;
    }
    let found = step.action.state(live);
    if found == step.seen {
        return Verdict::Do;
    }
    // Labels move with the values that this very plan puts; any other version is somebody else's doing.
    let planned = |labels: &Value| {
        let seen: BTreeSet<&str> = ids(&step.seen).into_iter().chain(ours.iter().copied()).collect();
        ids(labels).iter().all(|id| seen.contains(id))
    };
    let is_value = matches!(step.action, Action::PutValue { .. } | Action::MoveStage { .. });
    if is_value && live.is_some() && planned(&found) { Verdict::Do } else { Verdict::Changed(found) }
}

fn ids(labels: &Value) -> Vec<&str> {
    labels.as_object().into_iter().flatten().filter_map(|(_, id)| id.as_str()).collect()
}

/// What the object looks like now, as far as its later steps ask.
fn after(step: &Step, live: &mut Option<Secret>, now: Timestamp) {
    match &step.action {
        Action::Create { description, tags, token, value, .. } => {
            let mut made = Secret {
                name: step.object.clone(),
                description: description.clone(),
                tags: tags.clone(),
                created_date: Some(now),
                ..Secret::default()
            };
            if value.is_some() {
                made.version_ids_to_stages.insert(token.clone(), vec!["AWSCURRENT".to_owned()]);
            }
            *live = Some(made);
        }
        Action::Undelete {} => {
            if let Some(live) = live {
                live.deleted_date = None;
            }
        }
        _ => {}
    }
}
