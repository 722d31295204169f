//! The estate's secrets on their way from the reading to the judging: on disk, because they are judged only once all that
//! lies around them is known. Read live, or from a backup.

use std::collections::BTreeSet;
use std::io;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::aws::Aws;
use crate::model::{Gap, GapReason, Secret};
use crate::runbook::JobError;
use crate::runbook::backup::gather::configuration;
use crate::runbook::backup::spool::{Lines, Written};
use crate::runbook::backup::{Fault, Opened, Piece, Summary, read};
use crate::runbook::job::deadline_gap;

/// One secret with what of it could not be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) secret: Secret,
    pub(super) gaps: Vec<Gap>,
}

/// What is known of the estate before any of it is judged.
pub(super) struct Estate {
    /// All secrets, to be read once.
    pub(super) lines: Written<Line>,
    /// How many there are.
    pub(super) listed: u64,
    /// Keys as the secrets name them.
    pub(super) keys: BTreeSet<String>,
    /// Functions of secrets with rotation on.
    pub(super) functions: BTreeSet<String>,
    /// Of each secret what questions about callers and keys need: names, dates, key and policy.
    pub(super) known: Vec<Secret>,
    /// What is missing from the list.
    pub(super) gaps: Vec<Gap>,
    /// What the backup says of itself, where the secrets come from one.
    pub(super) archived: Option<Summary>,
}

struct Gathering {
    lines: Lines<Line>,
    listed: u64,
    keys: BTreeSet<String>,
    functions: BTreeSet<String>,
    known: Vec<Secret>,
}

impl Gathering {
    fn begin() -> io::Result<Self> {
        Ok(Self {
            lines: Lines::new()?,
            listed: 0,
            keys: BTreeSet::new(),
            functions: BTreeSet::new(),
            known: Vec::new(),
        })
    }

    fn add(&mut self, secret: Secret, gaps: Vec<Gap>) -> io::Result<()> {
        self.listed += 1;
        // Of the key that AWS manages nothing need be known.
        self.keys.extend(secret.kms_key_id.clone());
        let function = secret.rotation_lambda_arn.clone();
        self.functions.extend(function.filter(|_| secret.rotation_enabled == Some(true)));
        self.known.push(Secret {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
            created_date: secret.created_date,
            deleted_date: secret.deleted_date,
            primary_region: secret.primary_region.clone(),
            owning_service: secret.owning_service.clone(),
            kms_key_id: secret.kms_key_id.clone(),
            resource_policy: secret.resource_policy.clone(),
            unread: secret.unread.clone(),
            ..Secret::default()
        });
        self.lines.push(&Line { secret, gaps }).map(|_| ())
    }

    fn finish(self, gaps: Vec<Gap>, archived: Option<Summary>) -> io::Result<Estate> {
        let Self { lines, listed, keys, functions, known } = self;
        Ok(Estate { lines: lines.finish()?, listed, keys, functions, known, gaps, archived })
    }
}

/// Reads the live estate. What the deadline cuts off is a gap.
///
/// # Errors
/// A list that fails fails the audit: half a list would read like a whole one.
pub(super) async fn live(aws: &Aws, deadline: Instant) -> Result<Estate, JobError> {
    let mut all = std::pin::pin!(configuration(aws));
    let mut gathering = Gathering::begin()?;
    let mut gaps = Vec::new();
    loop {
        match timeout_at(deadline, all.next()).await {
            Ok(Some(read)) => {
                let (secret, gaps) = read?;
                gathering.add(secret, gaps)?;
            }
            Ok(None) => break,
            Err(_) => {
                let detail = format!("stopped after {} secrets; the rest was not looked at", gathering.listed);
                gaps.push(deadline_gap("secretsmanager:ListSecrets", detail));
                break;
            }
        }
    }
    Ok(gathering.finish(gaps, None)?)
}

/// Reads the estate as a backup holds it.
///
/// # Errors
/// A backup that is not what its manifest says is not judged at all.
pub(super) fn archived(opened: Opened) -> Result<Estate, JobError> {
    let name = opened.name.clone();
    let mut gathering = Gathering::begin()?;
    let mut failed = None;
    let readout = read(opened, &mut |piece| {
        if let (Piece::Secret(secret), None) = (piece, &failed) {
            failed = gathering.add(*secret, Vec::new()).err();
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !readout.faults.is_empty() {
        let faults: Vec<String> = readout.faults.iter().map(Fault::to_string).collect();
        return Err(JobError::Refused(format!("{name} is not what its manifest says: {}", faults.join("; "))));
    }
    let summary = readout.summary;
    let missing = summary.as_ref().map_or(0, |summary| summary.listed.saturating_sub(summary.written));
    let gaps = match missing {
        0 => Vec::new(),
        _ => vec![Gap {
            what: "backup".into(),
            subject: name,
            reason: GapReason::NoData,
            detail: format!("{missing} secrets that the list showed are not in the backup"),
        }],
    };
    Ok(gathering.finish(gaps, summary)?)
}
