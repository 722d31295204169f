//! What a backup tells: its answer, its notice, its report.

use jiff::Timestamp;

use super::Job;
use super::chunk::Progress;
use super::tally::Tally;
use crate::model::{Coverage, Extras, Item, Outcome, Report, Status, Text};
use crate::notify::Notice;
use crate::runbook::job::notice_or_gap;
use crate::runbook::{Answer, Chunk, JobError};

/// The answer, and a notice of anything that is missing.
pub(super) async fn answer(
    job: Job<'_>,
    progress: &Progress,
    tally: Tally,
    lost: bool,
    artefacts: Vec<String>,
    archive_bytes: u64,
    more: Option<Chunk>,
) -> Result<Answer, JobError> {
    let totals = &progress.totals;
    let whole = totals.gaps == 0 && !lost;
    let status = if whole { Status::Ok } else { Status::Incomplete };
    let name = job.kind.job();
    let coverage = Coverage { wanted: totals.listed + u64::from(lost), seen: totals.whole };
    let mut answer = Answer { coverage, artefacts, gaps: tally.gaps, ..Answer::new(name, status) };
    answer.counts = [
        ("listed", totals.listed),
        ("described", totals.described),
        ("written", totals.written),
        ("gaps", totals.gaps),
        ("parts", progress.parts.len() as u64),
        ("archive-bytes", archive_bytes),
    ]
    .map(|(figure, value)| (figure.to_owned(), value))
    .into();
    if progress.base.is_some() {
        answer.counts.insert("policies-reused".into(), totals.reused);
    }
    if job.own.values.is_some() {
        answer.counts.insert("values".into(), totals.values);
    }
    answer.success = whole && more.is_none();
    answer.more = more;
    if !whole && answer.more.is_none() {
        answer.gaps = progress.gaps.iter().take(20).cloned().collect();
        let manifest = answer.artefacts.last().map(String::as_str);
        let report = report(&answer, job.estate.region(), job.now);
        if let Some(notice) = Notice::of_report(job.settings, name, &report, manifest) {
            notice_or_gap(job.storage, job.settings, &notice, &mut answer).await;
        }
    }
    Ok(answer)
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
        next: None,
    }];
    items.extend(answer.artefacts.iter().map(|artefact| Item {
        subject: artefact.clone(),
        title: None,
        runbook: None,
        outcome: Outcome::Pass,
        verdict: "written",
        detail: Text::fixed("", ""),
        next: None,
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
        extras: Extras::default(),
    }
}
