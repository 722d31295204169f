//! A complete, verifiable backup of what describes the estate, streamed in constant memory. Values are never read.

mod archive;
mod destination;
mod fault;
mod history;
mod kind;
mod manifest;
pub mod values;
mod verify;

use futures_util::future::join;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use archive::Archive;
use destination::Target;
pub use destination::{Destination, manifest_key};
pub use fault::Fault;
pub use history::{Backup, history, latest, report as history_report};
pub use kind::Kind;
pub use manifest::{Entry, Incremental, Manifest, Part, SCHEMA, Summary};
pub use verify::verify;

use super::job::{deadline_gap, notice_or_gap};
use super::rotation::no_secrets;
use super::{Answer, JobError};
use crate::aws::s3::PART_BYTES;
use crate::aws::{Aws, AwsError, Class, secrets_manager};
use crate::model::{Coverage, Gap, GapReason, Item, Outcome, Report, Secret, Status, Text};
use crate::notify::Notice;
use crate::settings::Settings;

/// IAM actions of [`run`]; `kms:*` are used by S3 on our behalf, `kms:Decrypt` for uploads in parts.
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "kms:GenerateDataKey",
    "kms:Decrypt",
];

/// Secrets that are being read at the same time: enough to hold 40 policies a second at 400 ms each.
const AT_ONCE: usize = 16;

/// Backs up, writes the manifest last, and sends a notice of anything that is missing.
///
/// `account` is noted in the manifest. `deadline` must leave time to finish: what has been read by then is kept, and
/// marked `incomplete`.
///
/// # Errors
/// A list that fails, or a destination that does, leaves nothing behind that could be taken for a backup.
pub async fn run(
    aws: &Aws,
    settings: &Settings,
    kind: Kind,
    account: &str,
    destination: &Destination,
    now: Timestamp,
    deadline: Instant,
) -> Result<Answer, JobError> {
    let name = manifest::archive_name(&now.to_zoned(settings.time_zone.clone()));
    let mut target = destination.create(aws, &format!("{}{name}.tar.gz", destination.folder(kind)))?;
    let mut archive = Archive::new(&name, now.as_second().try_into().unwrap_or_default())?;
    let mut tally = Tally::default();

    if let Err(error) = gather(aws, &mut archive, &mut target, &mut tally, deadline).await {
        target.abort().await;
        return Err(error);
    }
    if tally.listed == 0 && tally.gaps.is_empty() {
        tally.gap(&mut archive, no_secrets(aws.region()))?;
    }

    let summary = tally.summary(&name, kind, account, aws.region(), now);
    let (status, coverage) = (summary.status, summary.coverage);
    let key = target.name().to_owned();
    let finished = archive.finish(summary, &key)?;
    let archive_bytes = finished.archive.size;
    target.finish(finished.rest).await?;
    let beside = destination.put_manifest(aws, &key, finished.manifest).await?;

    let mut answer = Answer { coverage, artefacts: vec![key, beside], ..Answer::new(kind.job(), status) };
    answer.counts = [
        ("listed", tally.listed),
        ("described", tally.described),
        ("written", tally.written),
        ("gaps", tally.gap_count),
        ("archive-bytes", archive_bytes),
    ]
    .map(|(figure, value)| (figure.to_owned(), value))
    .into();
    answer.gaps = tally.gaps;
    answer.success = status == Status::Ok;
    if status != Status::Ok {
        let manifest = answer.artefacts.last().map(String::as_str);
        let report = report(&answer, aws.region(), now);
        if let Some(notice) = Notice::of_report(settings, kind.job(), &report, manifest) {
            notice_or_gap(aws, settings, &notice, &mut answer).await;
        }
    }
    Ok(answer)
}

/// Reads the estate into the archive and sends each part as it fills, until the end or the deadline.
async fn gather(
    aws: &Aws,
    archive: &mut Archive,
    target: &mut Target<'_>,
    tally: &mut Tally,
    deadline: Instant,
) -> Result<(), JobError> {
    let mut secrets = std::pin::pin!(everything(aws));
    loop {
        match timeout_at(deadline, secrets.next()).await {
            Ok(Some(read)) => tally.add(archive, read?)?,
            Ok(None) => return Ok(()),
            Err(_) => {
                let detail = format!("stopped after {} secrets; the rest was not read", tally.written);
                tally.stopped = true;
                return tally.gap(archive, deadline_gap("secretsmanager:ListSecrets", detail));
            }
        }
        if let Some(part) = archive.take(PART_BYTES) {
            target.part(part).await?;
        }
    }
}

/// One secret as far as it could be read, with what could not.
struct Read {
    secret: Secret,
    described: bool,
    gaps: Vec<Gap>,
}

/// Every secret of the estate in the order of the list, read a few at a time. Ends after the first error.
fn everything(aws: &Aws) -> impl Stream<Item = Result<Read, AwsError>> + '_ {
    let pages = stream::try_unfold(Some(None), move |token: Option<Option<String>>| async move {
        let Some(token) = token else { return Ok(None) };
        let page = secrets_manager::list_page(aws, token).await?;
        let secrets = stream::iter(page.secrets.into_iter().map(Ok));
        Ok::<_, AwsError>(Some((secrets, page.next.map(Some))))
    });
    pages.try_flatten().map(move |listed| async move { Ok(read(aws, listed?).await) }).buffered(AT_ONCE)
}

/// Describes one secret and reads its policy. What is denied or gone leaves what the list said of it.
async fn read(aws: &Aws, listed: Secret) -> Read {
    let arn = listed.arn.clone();
    let mut gaps = Vec::new();
    let (mut secret, described) = match secrets_manager::describe(aws, &arn).await {
        Ok(secret) => (secret, true),
        Err(error) => {
            gaps.push(error.gap(&listed.name));
            let gone = error.class == Class::NotFound;
            let unread = vec!["ReplicationStatus".to_owned()];
            let secret = Secret { unread, ..listed };
            if gone {
                return Read { secret, described: false, gaps };
            }
            (secret, false)
        }
    };
    // Each has a quota of its own, so that both at once take no longer than one.
    let (policy, versions) =
        join(secrets_manager::resource_policy(aws, &arn), secrets_manager::versions(aws, &arn)).await;
    match policy {
        Ok(policy) => secret.resource_policy = policy,
        Err(error) => {
            gaps.push(error.gap(&secret.name));
            secret.unread.push("ResourcePolicy".to_owned());
        }
    }
    match versions {
        Ok(versions) => secret.versions = versions,
        Err(error) => {
            gaps.push(error.gap(&secret.name));
            secret.unread.push("Versions".to_owned());
        }
    }
    Read { secret, described, gaps }
}

/// Gaps that the answer names; the manifest names all.
const MOST_GAPS: usize = 20;

#[derive(Default)]
struct Tally {
    listed: u64,
    described: u64,
    written: u64,
    whole: u64,
    gap_count: u64,
    gaps: Vec<Gap>,
    stopped: bool,
}

impl Tally {
    fn add(&mut self, archive: &mut Archive, read: Read) -> Result<(), JobError> {
        if !archive.is_first(&read.secret.name) {
            return Ok(());
        }
        self.listed += 1;
        self.described += u64::from(read.described);
        self.whole += u64::from(read.gaps.is_empty());
        let gone = !read.described && read.gaps.iter().any(|gap| gap.reason == GapReason::Vanished);
        for gap in read.gaps {
            self.gap(archive, gap)?;
        }
        // A secret that is gone is not one to restore.
        if !gone {
            archive.add(&read.secret)?;
            self.written += 1;
        }
        Ok(())
    }

    fn gap(&mut self, archive: &mut Archive, gap: Gap) -> Result<(), JobError> {
        archive.add_gap(&gap)?;
        self.gap_count += 1;
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(gap);
        }
        Ok(())
    }

    fn summary(&self, name: &str, kind: Kind, account: &str, region: &str, now: Timestamp) -> Summary {
        Summary {
            schema: SCHEMA.to_owned(),
            tool: concat!("secrets-ops ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: name.to_owned(),
            kind: kind.name().to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            started: now,
            status: if self.gap_count == 0 { Status::Ok } else { Status::Incomplete },
            // At least one more: what was not reached must not count as covered.
            coverage: Coverage { wanted: self.listed + u64::from(self.stopped), seen: self.whole },
            listed: self.listed,
            described: self.described,
            written: self.written,
            incremental: None,
            values: None,
            parts: Vec::new(),
            archive: None,
        }
    }
}

/// The answer of a backup as a report.
pub fn report(answer: &Answer, region: &str, now: Timestamp) -> Report {
    let figure = |name: &str| answer.counts.get(name).copied().unwrap_or_default();
    let done = answer.status == Status::Ok;
    let mut items = vec![Item {
        subject: answer.job.clone(),
        title: None,
        runbook: Some("R38"),
        outcome: if done { Outcome::Pass } else { Outcome::Unknown },
        verdict: if done { "complete" } else { "incomplete" },
        detail: Text::new(
            format!(
                "一覧 {} 件、取得 {} 件、書き込み {} 件、{} バイト",
                figure("listed"),
                figure("described"),
                figure("written"),
                figure("archive-bytes")
            ),
            format!(
                "{} listed, {} described, {} written, {} bytes",
                figure("listed"),
                figure("described"),
                figure("written"),
                figure("archive-bytes")
            ),
        ),
    }];
    items.extend(answer.artefacts.iter().map(|artefact| Item {
        subject: artefact.clone(),
        title: None,
        runbook: None,
        outcome: Outcome::Pass,
        verdict: "written",
        detail: Text::fixed("", ""),
    }));
    Report {
        schema: "secrets-ops/backup-run/v1",
        title: Text::fixed("バックアップ", "Backup"),
        as_of: now,
        region: region.to_owned(),
        items,
        findings: Vec::new(),
        gaps: answer.gaps.clone(),
        coverage: answer.coverage,
    }
}

#[cfg(test)]
mod tests;
