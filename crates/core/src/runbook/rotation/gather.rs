//! Reads what rotation is judged by. Whatever can be asked once is asked once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures_util::future::join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout_at};

use crate::aws::{Aws, AwsError, cloudtrail, lambda, secrets_manager};
use crate::model::rotation::{aside, standing};
use crate::model::{FunctionsFacts, Gap, Reading, Record, RotationFunction, Rotations, Secret, rotation_event, unread};
use crate::runbook::JobError;
use crate::runbook::job::{deadline_gap, in_time};

/// Calls at once; their number in a second is the pace's affair.
const AT_ONCE: usize = 16;

/// Some secrets, with what of each could not be read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) secrets: Vec<(Secret, Vec<Gap>)>,
    /// Functions that no page before has named.
    pub(super) functions: BTreeMap<String, Reading<RotationFunction>>,
    /// The deadline came before the end of the list.
    pub(super) cut_off: Option<Gap>,
}

/// The rotation events of all secrets in `[from, to)`: failures first, which decide, then as many of the far more
/// numerous successes and starts as the rest of `max_pages` (50 events each, two a second) holds. Tests of rotation
/// (`TestRotation...`) are events of other names, and not among them.
///
/// # Errors
/// The gap, where any of the four could not be read: the rest alone would tell half a story.
pub async fn events(
    aws: &Aws,
    from: Timestamp,
    to: Timestamp,
    max_pages: usize,
    deadline: Instant,
) -> Reading<Rotations> {
    let (mut left, mut unreadable, mut all) = (max_pages, 0, Vec::new());
    let mut known = Vec::new();
    for name in ["RotationFailed", "RotationAbandoned", "RotationSucceeded", "RotationStarted"] {
        let found = match timeout_at(deadline, cloudtrail::lookup(aws, name, from, to, left)).await {
            Ok(found) => found.map_err(|error| error.gap(""))?,
            Err(_) => {
                return Err(deadline_gap("cloudtrail:LookupEvents", format!("still reading {name} at the deadline")));
            }
        };
        left = left.saturating_sub(found.pages);
        // A success that cannot be placed hides no failure.
        if matches!(name, "RotationFailed" | "RotationAbandoned") {
            unreadable += found.unreadable;
        }
        let oldest = found.events.iter().filter_map(|record| record.event_time).min();
        known.push(found.truncated.then(|| oldest.unwrap_or(to)));
        all.extend(found.events);
    }
    // A record may be delivered twice.
    let mut seen = HashSet::new();
    let new = |record: &Record| record.event_id.clone().is_none_or(|id| seen.insert(id));
    let records: Vec<Record> = all.into_iter().filter(new).collect();
    let events: Vec<_> = records.iter().filter_map(rotation_event).collect();
    let lost = |record: &&Record| {
        matches!(record.event_name.as_deref(), Some("RotationFailed" | "RotationAbandoned") | None)
            && rotation_event(record).is_none()
    };
    unreadable += records.iter().filter(lost).count() as u64;
    let (failures, successes) = known.split_at(2);
    Ok(Rotations {
        truncated_at: failures.iter().flatten().max().copied(),
        successes_truncated_at: successes.iter().flatten().max().copied(),
        unreadable,
        ..Rotations::new(from, to, events)
    })
}

/// Looks at each rotation function once.
pub async fn functions(
    aws: &Aws,
    arns: BTreeSet<String>,
    deadline: Instant,
) -> BTreeMap<String, Reading<RotationFunction>> {
    let ask = |arn: String| async move {
        let call = lambda::rotation_function(aws, &arn);
        let asked = in_time(call, "lambda:GetFunctionConfiguration", &arn, deadline).await;
        (arn, asked)
    };
    stream::iter(arns).map(ask).buffer_unordered(AT_ONCE).collect().await
}

/// The same of functions whose configuration has been read already: only their policies are asked for.
pub async fn functions_of(
    aws: &Aws,
    arns: &BTreeSet<String>,
    known: &FunctionsFacts,
    deadline: Instant,
) -> BTreeMap<String, Reading<RotationFunction>> {
    let ask = |arn: &String| {
        let facts = known.functions.get(arn).cloned();
        let arn = arn.clone();
        async move {
            let (state, role) = match facts {
                Some(Ok(Some(function))) => (function.state, function.role),
                Some(Ok(None)) => return (arn, Ok(RotationFunction::Missing)),
                Some(Err(gap)) => return (arn, Err(gap)),
                None => {
                    let gap = Gap { subject: arn.clone(), ..unread("lambda:GetFunctionConfiguration") };
                    return (arn, Err(gap));
                }
            };
            let late = || Gap {
                subject: arn.clone(),
                ..deadline_gap("lambda:GetPolicy", "not asked before the deadline".into())
            };
            let invocable = timeout_at(deadline, lambda::invocable(aws, &arn)).await.unwrap_or_else(|_| Err(late()));
            (arn, Ok(RotationFunction::There { state, role, invocable }))
        }
    };
    stream::iter(arns).map(ask).buffer_unordered(AT_ONCE).collect().await
}

/// Sends all secrets, page by page, with the dates of the versions where they matter.
///
/// # Errors
/// A list that fails: half a list would read like a whole one.
pub(super) async fn pages(aws: &Aws, deadline: Instant, to: Sender<Page>) -> Result<(), JobError> {
    let mut known = BTreeSet::new();
    let pages = list(aws, deadline).map_ok(|mut page| {
        let named = page.secrets.iter().filter(|(secret, _)| standing(secret, aws.region()).is_none());
        let named = named.filter_map(|(secret, _)| secret.rotation_lambda_arn.clone());
        let new: BTreeSet<String> = named.filter(|arn| known.insert(arn.clone())).collect();
        async move {
            let versions = stream::iter(page.secrets).map(|(secret, _)| with_versions(aws, secret, deadline));
            let (functions, secrets) =
                join(functions(aws, new, deadline), versions.buffered(AT_ONCE).collect::<Vec<_>>()).await;
            (page.functions, page.secrets) = (functions, secrets);
            Ok::<_, AwsError>(page)
        }
    });
    // The next page is listed, and its versions read, while this one's last versions are on their way.
    let mut pages = std::pin::pin!(pages.try_buffered(2));
    while let Some(page) = pages.try_next().await? {
        // The other end goes away only where this whole work is given up.
        if to.send(page).await.is_err() {
            break;
        }
    }
    Ok(())
}

enum Next {
    Page { token: Option<String>, listed: usize },
    End,
}

fn list(aws: &Aws, deadline: Instant) -> impl futures_util::Stream<Item = Result<Page, AwsError>> {
    stream::try_unfold(Next::Page { token: None, listed: 0 }, move |next| async move {
        let Next::Page { token, listed } = next else { return Ok(None) };
        let Ok(page) = timeout_at(deadline, secrets_manager::list_page(aws, token)).await else {
            let detail = format!("stopped after {listed} secrets; the rest was not looked at");
            let cut_off = Some(deadline_gap("secretsmanager:ListSecrets", detail));
            return Ok(Some((Page { cut_off, ..Page::default() }, Next::End)));
        };
        let page = page?;
        let listed = listed + page.secrets.len();
        let next = page.next.map_or(Next::End, |token| Next::Page { token: Some(token), listed });
        let secrets = page.secrets.into_iter().map(|secret| (secret, Vec::new())).collect();
        Ok(Some((Page { secrets, ..Page::default() }, next)))
    })
}

/// Reads the versions' dates of a secret that rotates, or whose rotation was turned off half way.
pub(super) async fn with_versions(aws: &Aws, secret: Secret, deadline: Instant) -> (Secret, Vec<Gap>) {
    let mut secret = secret;
    let rotates = standing(&secret, aws.region()).is_none();
    if !rotates && (aside(&secret, aws.region()).is_some() || secret.version_with("AWSPENDING").is_none()) {
        return (secret, Vec::new());
    }
    let call = secrets_manager::versions(aws, &secret.arn);
    match in_time(call, "secretsmanager:ListSecretVersionIds", &secret.name, deadline).await {
        Ok(versions) => {
            secret.versions = versions;
            (secret, Vec::new())
        }
        Err(gap) => {
            secret.unread.push("Versions".to_owned());
            (secret, vec![gap])
        }
    }
}
