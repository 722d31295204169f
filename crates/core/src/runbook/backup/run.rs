//! One invocation of a backup: from where the last one stopped, to the end or the deadline.

use futures_util::StreamExt;
use tokio::time::timeout_at;

use super::archive::Archive;
use super::carried::Carried;
use super::chunk::{self, Cursor, Progress, Totals};
use super::destination::{Destination, Target};
use super::gather::{Reached, Wishes, everything};
use super::manifest::{self, Entry, Manifest, Part, Summary};
use super::parts::part_manifest;
use super::report::answer;
use super::tally::{self, Naming, Tally, summary};
use super::values::{self, ValueSettings};
use super::{Job, fetch, head};
use crate::aws::Class;
use crate::aws::s3::{self, Bucket, PART_BYTES};
use crate::model::{Gap, GapReason, Status};
use crate::runbook::job::deadline_gap;
use crate::runbook::rotation::no_secrets;
use crate::runbook::{Answer, Chunk, JobError};

/// Backs up, writes the manifest last, and sends a notice of anything that is missing.
///
/// With a chunk, a deadline that comes before the end is no loss: the answer has `more`, with which the next invocation
/// goes on. Without one, what has been read by then is kept, and marked `incomplete`.
///
/// # Errors
/// A list that fails, or a destination that does, leaves nothing behind that could be taken for a backup.
pub async fn run(job: Job<'_>) -> Result<Answer, JobError> {
    let Job { storage, settings, kind, destination, now, .. } = job;
    let first = manifest::archive_name(&now.to_zoned(settings.time_zone.clone()));
    let run = job.chunk.and_then(|chunk| chunk.run.clone()).unwrap_or(first);
    let mut progress = begin(job, &run).await?;
    let part = job.chunk.map_or(1, |chunk| chunk.part);

    let folder = destination.folder(kind);
    if part > 1
        && let Some(answer) = sealed_already(job, &folder, &run, &progress).await?
    {
        return Ok(answer);
    }
    let attempt =
        if part > 1 { destination.attempts(storage, &format!("{folder}{run}.part-{part:04}")).await? } else { 0 };
    let name = chunk::part_name(&run, part, attempt);
    let carried = carried(job, &mut progress).await;
    let mut target = destination.create(storage, &format!("{folder}{name}.tar.gz"))?;
    let mut archive = Archive::new(&name, now.as_second().try_into().unwrap_or_default())?;
    let mut tally = Tally::default();
    let stood = progress.cursor.clone();

    if let Err(error) = gather(job, &mut archive, &mut target, &mut tally, &mut progress, carried.as_ref()).await {
        target.abort().await;
        return Err(error);
    }
    let goes_on = tally.stopped && job.chunk.is_some();
    if goes_on && tally.totals.listed == 0 && progress.cursor == stood {
        target.abort().await;
        let text = "a whole invocation passed in which neither a secret nor a page of the list was got; see its log";
        return Err(JobError::Refused(text.to_owned()));
    }
    if tally.totals.listed + progress.totals.listed == 0 && tally.totals.gaps == 0 && !goes_on {
        tally.gap(&mut archive, no_secrets(job.estate.region()))?;
    }

    let base = progress.base.clone();
    let naming = Naming {
        kind,
        account: job.account,
        region: job.estate.region(),
        started: progress.started,
        base: base.as_ref(),
        with_values: job.own.values.is_some(),
    };
    let lost = tally.stopped && !goes_on;
    let summary = summary(&name, &tally.totals, lost, naming, Vec::new());
    let key = target.name().to_owned();
    let finished = archive.finish(summary, &key)?;
    let archive_bytes = finished.archive.size;
    let entry = Entry { path: format!("{name}.tar.gz"), ..finished.archive };
    target.finish(finished.rest).await?;

    // The name of the manifest that seals the whole is kept free until there is a whole.
    let alone = part == 1 && !goes_on;
    let beside = if part == 1 && goes_on { part_manifest(&run, 1) } else { format!("{name}.manifest.json") };
    let beside = destination.put_manifest(storage, &format!("{folder}{beside}"), finished.manifest).await?;
    progress.totals.add(&tally.totals);
    progress.gaps.extend(tally.gaps.iter().take(chunk::MOST_GAPS.saturating_sub(progress.gaps.len())).cloned());
    progress.parts.push(Part {
        path: entry.path,
        size: entry.size,
        sha256: entry.sha256,
        written: tally.totals.written,
    });

    let mut artefacts = vec![key, beside];
    let mut more = None;
    if goes_on {
        chunk::save(storage, &settings.bucket, &estate(job), &run, part, &progress).await?;
        more = Some(Chunk { run: Some(run.clone()), part: part + 1 });
    } else if !alone {
        let summary = tally::summary(&run, &progress.totals, lost, naming, progress.parts.clone());
        let seal = seal(&summary, &progress.gaps)?;
        artefacts.push(destination.put_manifest(storage, &format!("{folder}{run}.manifest.json"), seal).await?);
    }
    Box::pin(answer(job, &progress, tally, lost, artefacts, archive_bytes, more)).await
}

fn estate(job: Job<'_>) -> String {
    format!("{}/{}", job.account, job.estate.region())
}

/// The answer of a run that was sealed by an attempt whose own answer was lost.
async fn sealed_already(
    job: Job<'_>,
    folder: &str,
    run: &str,
    progress: &Progress,
) -> Result<Option<Answer>, JobError> {
    let Destination::Bucket { bucket, .. } = job.destination else { return Ok(None) };
    let key = format!("{folder}{run}.manifest.json");
    let found = match s3::get(job.storage, bucket, &key).await {
        Ok(found) => found,
        // Where the list may only be seen folder by folder, S3 answers so for what is not there.
        Err(error) if error.class == Class::Denied => None,
        Err(error) => return Err(error.into()),
    };
    let Some(found) = found else { return Ok(None) };
    let ours = |summary: &Summary| summary.parts.starts_with(&progress.parts);
    let Some(summary) = head(found.bytes.as_slice()).ok().filter(ours) else { return Ok(None) };
    let whole = Progress {
        totals: Totals {
            listed: summary.listed,
            described: summary.described,
            written: summary.written,
            whole: summary.coverage.seen,
            gaps: u64::from(summary.status != Status::Ok),
            reused: summary.incremental.as_ref().map_or(0, |incremental| incremental.reused),
            values: summary.values.unwrap_or_default(),
        },
        parts: summary.parts,
        ..progress.clone()
    };
    let bytes = whole.parts.iter().map(|part| part.size).sum();
    let answer = answer(job, &whole, Tally::default(), false, vec![key], bytes, None);
    Ok(Some(Box::pin(answer).await?))
}

/// Where the run stands before this invocation.
async fn begin(job: Job<'_>, run: &str) -> Result<Progress, JobError> {
    match job.chunk {
        // It becomes part of keys.
        Some(_) if !run.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) => {
            Err(JobError::BadEvent(format!("there is no run {run:?}")))
        }
        Some(chunk) if chunk.part > 1 => chunk::load(job.storage, &job.settings.bucket, &estate(job), run, chunk).await,
        _ => Ok(Progress {
            started: job.now,
            base: None,
            cursor: Cursor::new(),
            totals: Totals::default(),
            gaps: Vec::new(),
            parts: Vec::new(),
        }),
    }
}

/// The policies of the last backup, where this run need not read all anew. Whatever is wrong with that backup, or keeps
/// it from being read, makes it no base: all policies are read then.
async fn carried(job: Job<'_>, progress: &mut Progress) -> Option<Carried> {
    let Destination::Bucket { bucket, .. } = job.destination else { return None };
    if job.own.full_pass_every <= 1 {
        return None;
    }
    let folder = job.destination.folder(job.kind);
    let (carried, summary) = match base(job, bucket, &folder).await {
        Ok(base) => base?,
        Err(why) => {
            tracing::warn!(why, "the last backup is no base for this one; all policies are read");
            return None;
        }
    };
    let runs = summary.incremental.map_or(0, |incremental| incremental.runs) + 1;
    if runs >= job.own.full_pass_every && progress.base.is_none() {
        return None;
    }
    progress.base.get_or_insert((summary.name, runs));
    Some(carried)
}

/// The newest backup of the kind, read whole; `None` if there is none.
async fn base(job: Job<'_>, bucket: &Bucket, folder: &str) -> Result<Option<(Carried, Summary)>, String> {
    let told = |error: JobError| error.to_string();
    let Some(newest) = fetch::newest(job.storage, bucket, folder).await.map_err(told)? else { return Ok(None) };
    let (opened, started) = fetch::fetch(job.storage, bucket, &newest).await.map_err(told)?;
    let read = Carried::of(opened, started).map_err(|error| error.to_string())?;
    read.map(Some).map_err(|faults| format!("{newest} is damaged: {faults:?}"))
}

/// The manifest of a backup in parts: their entries are in their own manifests.
fn seal(summary: &Summary, gaps: &[Gap]) -> Result<Box<dyn std::io::Read + Send>, JobError> {
    let manifest = Manifest { summary: summary.clone(), gaps: gaps.to_vec(), entries: Vec::new() };
    let mut json = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::from)?;
    json.push(b'\n');
    Ok(Box::new(std::io::Cursor::new(json)))
}

/// Reads the estate into the archive and sends each part as it fills, until the end or the deadline.
async fn gather(
    job: Job<'_>,
    archive: &mut Archive,
    target: &mut Target<'_>,
    tally: &mut Tally,
    progress: &mut Progress,
    carried: Option<&Carried>,
) -> Result<(), JobError> {
    let values = values(job, archive, tally).await?;
    let from = progress.cursor.clone();
    let resumed = (!progress.parts.is_empty()).then_some(&from);
    let reached = Reached::default();
    let mut secrets =
        std::pin::pin!(everything(job.estate, resumed, Wishes { values, carried, reached: Some(&reached) }));
    loop {
        match timeout_at(job.deadline, secrets.next()).await {
            Ok(Some(read)) => {
                let read = read?;
                tally.add(archive, &read)?;
                // Where nobody goes on, nobody asks where to.
                if job.chunk.is_some() {
                    progress.cursor.pass(&read.secret, &read.page);
                }
            }
            Ok(None) => return Ok(()),
            Err(_) => {
                tally.stopped = true;
                if job.chunk.is_some() {
                    let reached = reached.lock().map(|page| page.clone()).unwrap_or_default();
                    if tally.totals.listed == 0 && reached.is_some() {
                        progress.cursor.skip_to(reached);
                    }
                    return Ok(());
                }
                let detail = format!("stopped after {} secrets; the rest was not read", tally.totals.written);
                return tally.gap(archive, deadline_gap("secretsmanager:ListSecrets", detail));
            }
        }
        if let Some(part) = archive.take(PART_BYTES) {
            target.part(part).await?;
        }
    }
}

/// Whose values go into this backup: nobody's where the destination is not fit for them, which is a gap.
async fn values<'a>(
    job: Job<'a>,
    archive: &mut Archive,
    tally: &mut Tally,
) -> Result<Option<&'a ValueSettings>, JobError> {
    let Some(settings) = &job.own.values else { return Ok(None) };
    let refused = |why: String| Gap {
        what: "values".into(),
        subject: format!("{}*", settings.prefix),
        reason: GapReason::NotConfigured,
        detail: format!("no value was read, because its place is not fit to keep one: {why}"),
    };
    let gap = match job.destination {
        Destination::Folder(_) => refused("a local folder is no place for values".to_owned()),
        Destination::Bucket { bucket, .. } => match values::unfit(job.storage, bucket).await {
            Ok(why) if why.is_empty() => return Ok(Some(settings)),
            Ok(why) => refused(format!("s3://{}: {}", bucket.name, why.join("; "))),
            Err(error) => error.gap(&bucket.name),
        },
    };
    tally.gap(archive, gap)?;
    Ok(None)
}
