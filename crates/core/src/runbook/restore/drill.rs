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
use crate::aws::{Aws, AwsError, Class};
use crate::model::{Coverage, Finding, Gap, GapReason, Item, Outcome, Report, Secret, Severity, Text, differences};
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
    "secretsmanager:ListSecretVersionIds",
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
    /// Restores backed-up values too, which takes the permission to open them.
    pub values: bool,
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
    account: &str,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let backups = history(aws, &settings.bucket, &settings.time_zone).await?;
    let none = || JobError::NotThere("there is no finished backup to drill with".to_owned());
    let newest = latest(&backups).ok_or_else(none)?;
    let (opened, _) = fetch::fetch(aws, &settings.bucket, &newest.key).await?;
    let backup = load(opened, &|_| true).map_err(|error| JobError::Refused(error.to_string()))?;
    let caller = format!("arn:aws:iam::{account}:root");
    let place = Place { caller, account: account.to_owned(), region: settings.region.clone() };
    let report = drill(Drill { aws, place: &place, prefix, values: false, now, deadline }, backup).await?;
    let whole = report.findings.is_empty() && report.gaps.is_empty();
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
    // Half of the time is for taking away what was made.
    let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let applied = timeout_at(half, Box::pin(apply(aws, &made, None, now))).await;
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
    let compared: Vec<(Outcome, Item, Option<Finding>)> = stream::iter(&candidates)
        .map(|(name, archived)| compare(drill, name, archived, left.get(name), failed.get(name)))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let names: Vec<String> = candidates.iter().map(|(name, _)| name.clone()).collect();
    remove(aws, drill.prefix, &names, &mut findings).await;

    let judged = compared.iter().filter(|(outcome, ..)| *outcome != Outcome::NotApplicable).count() as u64;
    let seen = compared.iter().filter(|(outcome, ..)| matches!(outcome, Outcome::Pass | Outcome::Fail)).count() as u64;
    if judged == 0 {
        gaps.push(Gap {
            what: "drill".into(),
            subject: summary.name.clone(),
            reason: GapReason::NoData,
            detail: "the backup holds no secret that can be restored: nothing is proven".into(),
        });
    }
    let mut items = vec![scope(drill, &summary)];
    for (_, item, finding) in compared {
        items.push(item);
        findings.extend(finding);
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
                    values: archived.values.as_ref().filter(|_| drill.values),
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

/// Looks at what was made, and judges.
async fn compare(
    drill: Drill<'_>,
    name: &str,
    archived: &Archived,
    left: Option<&Vec<Left>>,
    failed: Option<&String>,
) -> (Outcome, Item, Option<Finding>) {
    let original = &archived.secret.name;
    let left = left.map(Vec::as_slice).unwrap_or_default();
    if let Some(blocked) = left.iter().find(|left| left.reason.blocks()) {
        let finding = Finding { subject: original.clone(), check: "restore-proven", ..blocked.finding() };
        // What a restore has no business with is not a failure of it.
        return if matches!(
            blocked.reason,
            LeftReason::ManagedByService | LeftReason::WasReplica | LeftReason::WasDeleted
        ) {
            (
                Outcome::NotApplicable,
                line(original, Outcome::NotApplicable, blocked.reason.name(), finding.detail),
                None,
            )
        } else {
            (Outcome::Fail, line(original, Outcome::Fail, blocked.reason.name(), finding.detail.clone()), Some(finding))
        };
    }
    let fail = |verdict, why: String| {
        let detail = Text::new(why.clone(), why);
        let finding = Finding {
            check: "restore-proven",
            severity: Severity::High,
            subject: original.clone(),
            detail: detail.clone(),
            remediation: Text::fixed(
                "原因を直し、`secrets-ops restore drill latest` でもう一度確かめる",
                "Mend the cause and prove it again with `secrets-ops restore drill latest`",
            ),
        };
        (Outcome::Fail, line(original, Outcome::Fail, verdict, detail), Some(finding))
    };
    if let Some(why) = failed {
        return fail("failed", why.clone());
    }
    let made = match look(drill.aws, name, true, false).await {
        Ok(Some(made)) => made,
        Ok(None) => return (Outcome::Unknown, line(original, Outcome::Unknown, "not-made", Text::fixed("", "")), None),
        Err(error) => {
            let detail = Text::new(error.to_string(), error.to_string());
            return (Outcome::Unknown, line(original, Outcome::Unknown, "not-seen", detail), None);
        }
    };
    let mut wanted = drilled(&archived.secret);
    wanted.tags.retain(|key, _| !key.starts_with("aws:"));
    if left.iter().any(|left| left.reason == LeftReason::PolicyLocksOut) {
        wanted.resource_policy = None;
    }
    if archived.values.is_none() || !drill.values {
        wanted.version_ids_to_stages.clear();
    }
    let differing: Vec<String> =
        differences(&wanted, &made).into_iter().map(|difference| difference.property).collect();
    if !differing.is_empty() {
        return fail("differs", format!("not as in the backup: {}", differing.join(", ")));
    }
    (Outcome::Pass, line(original, Outcome::Pass, "restored", Text::fixed("", "")), None)
}

fn line(subject: &str, outcome: Outcome, verdict: &'static str, detail: Text) -> Item {
    Item { subject: subject.to_owned(), title: None, runbook: Some("R39"), outcome, verdict, detail }
}

/// The first line: what was drilled, and what was not.
fn scope(drill: Drill<'_>, summary: &Summary) -> Item {
    let (ja, en) =
        if drill.values { ("値を含む", "values included") } else { ("値は対象外", "without values") };
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
        ),
    }));
}
