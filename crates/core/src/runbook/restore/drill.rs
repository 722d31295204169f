//! Proves that a backup restores: makes its secrets under throw-away names, compares them field by field with the
//! backup, and removes what it made.
//!
//! Not drilled, and said so: rotation (AWS would call the rotation function), replicas (they would cost in every Region),
//! and values unless asked for.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::decide::{Decision, Wanted, decide};
use super::keys::Keys;
use super::left::{Left, LeftReason};
use super::look::look;
use super::step::Action;
use super::{AT_ONCE, Archived, MARK_KEY, Options, apply, assemble, load};
use crate::aws::secrets_manager::{self, change};
use crate::aws::{Aws, AwsError, Class, sts};
use crate::model::{
    Coverage, Extras, Finding, Gap, GapReason, Item, Outcome, Report, Secret, Severity, Status, Text, differences,
};
use crate::runbook::backup::{Summary, fetch, history, latest};
use crate::runbook::job::tell;
use crate::runbook::plan::{Place, State};
use crate::runbook::{Answer, JobError};
use crate::settings::Settings;

/// The job's name in events, notes and metrics; `HoursSinceSuccess` of it is the age of the last proven restore.
pub const JOB: &str = "restore-drill";

/// IAM actions of the drill, those on secrets below its prefix alone; `kms:*` are used by S3 and by Secrets Manager on
/// our behalf.
pub const DRILL_IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:CreateSecret",
    "secretsmanager:TagResource",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteSecret",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
    "kms:Decrypt",
    "s3:ListBucket",
    "s3:GetObject",
];

/// Marks what a drill has made. Nothing without it is ever removed.
const MARK_DRILL: &str = "secrets-ops:drill";

/// What a drill works with.
#[derive(Clone, Copy, Debug)]
pub struct Drill<'a> {
    /// The estate's clients.
    pub aws: &'a Aws,
    /// Who drills, and where.
    pub place: &'a Place,
    /// The beginning of the throw-away names.
    pub prefix: &'a str,
    /// Restores backed-up values too, opened under this key; `None`: without values.
    pub values: Option<&'a str>,
    /// When it began.
    pub now: Timestamp,
    /// By when all must be removed again.
    pub deadline: Instant,
}

/// Drills with the newest backup of the bucket, writes the report and sends a notice of anything that does not restore.
pub async fn drill_latest(
    aws: &Aws,
    settings: &Settings,
    prefix: &str,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let backups = history(aws, &settings.bucket, &settings.time_zone).await?;
    let none = || JobError::NotThere("there is no finished backup to drill with".to_owned());
    let newest = latest(&backups).ok_or_else(none)?;
    let (opened, _) = fetch::fetch(aws, &settings.bucket, &newest.key).await?;
    let backup = load(opened, &|_| true).map_err(|error| JobError::Refused(error.to_string()))?;
    let (account, caller) = sts::caller(aws).await?;
    let place = Place { caller, account, region: settings.region.clone() };
    let report = drill(Drill { aws, place: &place, prefix, values: None, now, deadline }, backup).await?;
    let whole = report.status() == Status::Ok;
    let answer = tell(aws, settings, JOB, &report, now).await;
    Ok(Answer { success: answer.success && whole, ..answer })
}

/// Drills with a backup that has been read.
///
/// # Errors
/// Where the prefix holds secrets that no drill has made: nothing is done then.
pub async fn drill(drill: Drill<'_>, (summary, archived): (Summary, Vec<Archived>)) -> Result<Report, JobError> {
    let Drill { aws, now, deadline, .. } = drill;
    let mut findings = Vec::new();
    let leftovers = leftovers(aws, drill.prefix).await?;
    remove(aws, drill.prefix, &leftovers, &mut findings).await;

    let folder = format!("{}{}/", drill.prefix, now.strftime("%Y%m%dT%H%M%SZ"));
    let planned = plan(drill, &folder, &archived).await;
    let candidates: Vec<(String, &Archived)> =
        planned.iter().map(|(name, archived, _)| (name.clone(), *archived)).collect();
    let mut left: BTreeMap<String, Vec<Left>> = BTreeMap::new();
    let mut decisions = Vec::new();
    for (name, _, mut decision) in planned {
        left.insert(name, std::mem::take(&mut decision.left));
        decisions.push((decision, None));
    }
    let made = assemble(drill.place, "drill", &summary, &candidates, decisions, Vec::new(), &Options::default(), now);
    // A third of the time each for making, comparing and taking away, which comes whatever has happened before.
    let third = deadline.saturating_duration_since(Instant::now()) / 3;
    let (made_by, compared_by) = (Instant::now() + third, Instant::now() + third * 2);
    let value_key = drill.values.unwrap_or_default();
    let applied = timeout_at(made_by, Box::pin(apply(aws, &made, None, value_key, now))).await;
    let mut gaps = Vec::new();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    match applied {
        Ok(applied) => {
            let objects: BTreeMap<u64, &str> =
                made.steps.iter().map(|step| (step.number, step.object.as_str())).collect();
            for step in applied?.into_iter().filter(|step| !matches!(step.state, State::Done | State::Already)) {
                let object = objects.get(&step.number).copied().unwrap_or_default().to_owned();
                failed.entry(object).or_insert(step.detail);
            }
        }
        Err(_) => gaps.push(Gap {
            what: "drill".into(),
            subject: summary.name.clone(),
            reason: GapReason::Deadline,
            detail: "the time was up before everything was restored; what was made is compared and removed".into(),
        }),
    }
    let none = BTreeMap::new();
    let keys = Keys::new(aws, &none, None);
    let compared: Vec<Judged> = stream::iter(&candidates)
        .map(|(name, archived)| {
            let judged = compare(drill, &keys, name, archived, left.get(name), failed.get(name));
            async move {
                let late = || unknown(&archived.secret.name, GapReason::Deadline, "the time was up".to_owned());
                timeout_at(compared_by, judged).await.unwrap_or_else(|_| late())
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let names: Vec<String> = candidates.iter().map(|(name, _)| name.clone()).collect();
    remove(aws, drill.prefix, &names, &mut findings).await;

    let count = |wanted: &[Outcome]| compared.iter().filter(|one| wanted.contains(&one.item.outcome)).count() as u64;
    let seen = count(&[Outcome::Pass, Outcome::Fail]);
    let judged = seen + count(&[Outcome::Unknown]);
    if judged == 0 {
        gaps.push(Gap {
            what: "drill".into(),
            subject: summary.name.clone(),
            reason: GapReason::NoData,
            detail: "the backup holds no secret that can be restored: nothing is proven".into(),
        });
    }
    let mut items = vec![scope(drill, &summary)];
    for Judged { item, finding, gap } in compared {
        items.push(item);
        findings.extend(finding);
        gaps.extend(gap);
    }
    let mut report = Report {
        schema: "secrets-ops/restore-drill/v1",
        title: Text::fixed("復元訓練", "Restore drill"),
        as_of: now,
        region: drill.place.region.clone(),
        items,
        findings,
        gaps,
        coverage: Coverage { wanted: judged, seen },
        extras: Extras::default(),
    };
    report.sort_findings();
    Ok(report)
}

/// What the drill decides for each secret, under its throw-away name.
async fn plan<'a>(drill: Drill<'_>, folder: &str, archived: &'a [Archived]) -> Vec<(String, &'a Archived, Decision)> {
    let none = BTreeMap::new();
    let keys = Keys::new(drill.aws, &none, None);
    stream::iter(archived)
        .map(|archived| {
            let keys = &keys;
            async move {
                let name = format!("{folder}{}", archived.secret.name);
                let secret = drilled(&archived.secret);
                let wanted = Wanted {
                    secret: &secret,
                    values: archived.values.as_ref().filter(|_| drill.values.is_some()),
                    name: &name,
                    key: keys.resolve(secret.kms_key_id.as_deref()).await,
                    live_key: None,
                    lambda: Ok(None),
                    caller: &drill.place.caller,
                    region: &drill.place.region,
                    now: drill.now,
                };
                let mut decision = decide(&wanted, None, &Options::default());
                for action in &mut decision.actions {
                    if let Action::Create { tags, .. } = action {
                        tags.remove(MARK_KEY);
                        make_room(tags);
                        tags.insert(MARK_DRILL.to_owned(), "made to be removed".to_owned());
                    }
                }
                (name, archived, decision)
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// The secret without what is not drilled.
fn drilled(secret: &Secret) -> Secret {
    Secret { rotation_enabled: None, replication_status: Vec::new(), ..secret.clone() }
}

/// What came of one secret.
struct Judged {
    item: Item,
    finding: Option<Finding>,
    gap: Option<Gap>,
}

/// A secret of which it is not known whether it restores.
fn unknown(subject: &str, reason: GapReason, why: String) -> Judged {
    let item = line(subject, Outcome::Unknown, "not-seen", Text::new(why.clone(), why.clone()));
    let gap = Gap { what: "drill".into(), subject: subject.to_owned(), reason, detail: why };
    Judged { item, finding: None, gap: Some(gap) }
}

fn fail(subject: &str, verdict: &'static str, why: String) -> Judged {
    let detail = Text::new(why.clone(), why);
    let finding = Finding {
        check: "restore-proven",
        severity: Severity::High,
        subject: subject.to_owned(),
        detail: detail.clone(),
        remediation: Text::fixed(
            "原因を直し、`secrets-ops restore drill latest` でもう一度確かめる",
            "Mend the cause and prove it again with `secrets-ops restore drill latest`",
        ),
        arn: None,
    };
    Judged { item: line(subject, Outcome::Fail, verdict, detail), finding: Some(finding), gap: None }
}

/// Looks at what was made, and judges.
async fn compare(
    drill: Drill<'_>,
    keys: &Keys<'_>,
    name: &str,
    archived: &Archived,
    left: Option<&Vec<Left>>,
    failed: Option<&String>,
) -> Judged {
    let original = &archived.secret.name;
    let left = left.map(Vec::as_slice).unwrap_or_default();
    if let Some(blocked) = left.iter().find(|left| left.reason.blocks()) {
        return not_made(original, blocked);
    }
    if let Some(why) = failed {
        return fail(original, "failed", why.clone());
    }
    let mut made = match look(drill.aws, name, true, false).await {
        Ok(Some(made)) => made,
        Ok(None) => return unknown(original, GapReason::NoData, "its copy is not there".to_owned()),
        Err(error) => {
            return Judged {
                gap: Some(error.gap(original)),
                ..unknown(original, GapReason::NoData, error.to_string())
            };
        }
    };
    let mut wanted = drilled(&archived.secret);
    // The copy is under the key itself, whatever name the original has for it.
    wanted.kms_key_id = keys.arn(wanted.kms_key_id.as_deref()).await;
    made.kms_key_id = keys.arn(made.kms_key_id.as_deref()).await;
    wanted.tags.retain(|key, _| !key.starts_with("aws:"));
    make_room(&mut wanted.tags);
    if left.iter().any(|left| left.reason == LeftReason::PolicyLocksOut) {
        wanted.resource_policy = None;
    }
    if archived.values.is_none() || drill.values.is_none() {
        wanted.version_ids_to_stages.clear();
    }
    let differing: Vec<String> =
        differences(&wanted, &made).into_iter().map(|difference| difference.property).collect();
    if !differing.is_empty() {
        return fail(original, "differs", format!("not as in the backup: {}", differing.join(", ")));
    }
    Judged { item: line(original, Outcome::Pass, "restored", Text::fixed("", "")), finding: None, gap: None }
}

/// What a restore has no business with is not a failure of it.
fn not_made(original: &str, blocked: &Left) -> Judged {
    let finding = Finding { subject: original.to_owned(), check: "restore-proven", ..blocked.finding() };
    let none = matches!(blocked.reason, LeftReason::ManagedByService | LeftReason::WasReplica | LeftReason::WasDeleted);
    let outcome = if none { Outcome::NotApplicable } else { Outcome::Fail };
    let item = line(original, outcome, blocked.reason.name(), finding.detail.clone());
    Judged { item, finding: Some(finding).filter(|_| !none), gap: None }
}

/// A secret has 50 tags at most, and the drill's mark must be among them.
fn make_room(tags: &mut BTreeMap<String, String>) {
    while tags.len() >= 50 {
        tags.pop_last();
    }
}

fn line(subject: &str, outcome: Outcome, verdict: &'static str, detail: Text) -> Item {
    Item { subject: subject.to_owned(), title: None, runbook: Some("R39"), outcome, verdict, detail, next: None }
}

/// The first line: what was drilled, and what was not.
fn scope(drill: Drill<'_>, summary: &Summary) -> Item {
    let (ja, en) = if drill.values.is_some() {
        ("値を含む", "values included")
    } else {
        ("値は対象外", "without values")
    };
    let detail = Text::new(
        format!("{}、{ja}。ローテーションとレプリカは対象外", summary.started),
        format!("{}, {en}; rotation and replicas are not drilled", summary.started),
    );
    line(&summary.name, Outcome::NotApplicable, "scope", detail)
}

/// What a drill that was cut off has left.
async fn leftovers(aws: &Aws, prefix: &str) -> Result<Vec<String>, JobError> {
    let found = secrets_manager::named(aws, prefix).await?;
    let foreign: Vec<&str> = found
        .iter()
        .filter(|secret| !secret.tags.contains_key(MARK_DRILL))
        .map(|secret| secret.name.as_str())
        .collect();
    if !foreign.is_empty() {
        let (first, number) = (foreign[0], foreign.len());
        let text = format!(
            "{number} secrets that no drill has made are under the drill's prefix {prefix:?} (first: {first}); choose another, which must be nobody's"
        );
        return Err(JobError::BadEvent(text));
    }
    Ok(found.into_iter().map(|secret| secret.name).collect())
}

/// Removes what drills have made. What stays is a finding: it costs money, and clutters the estate.
async fn remove(aws: &Aws, prefix: &str, names: &[String], findings: &mut Vec<Finding>) {
    let failures: Vec<(&String, AwsError)> = stream::iter(names)
        .map(|name| async move {
            // Whatever has gone wrong before: never anything but the drill's own.
            if !name.starts_with(prefix) {
                return None;
            }
            match change::delete_for_good(aws, name).await {
                Err(error) if error.class != Class::NotFound => Some((name, error)),
                _ => None,
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|failure| async move { failure })
        .collect()
        .await;
    findings.extend(failures.into_iter().map(|(name, error)| Finding {
        check: "drill-removed",
        severity: Severity::Medium,
        subject: name.clone(),
        detail: Text::new(error.to_string(), error.to_string()),
        remediation: Text::fixed(
            "次の訓練が片付ける。今消すなら aws secretsmanager delete-secret --force-delete-without-recovery --secret-id 名前",
            "The next drill removes it; at once: aws secretsmanager delete-secret --force-delete-without-recovery --secret-id NAME",
        ), arn: None }));
}
