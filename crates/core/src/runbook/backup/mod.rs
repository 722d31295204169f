//! A complete, verifiable backup of the estate, streamed in constant memory. Values are read only where settings say
//! whose, and leave encrypted.

mod archive;
mod carried;
mod chunk;
mod destination;
pub mod diff;
mod fault;
pub mod fetch;
pub(in crate::runbook) mod gather;
mod history;
mod kind;
mod manifest;
mod parts;
mod read;
mod report;
mod run;
pub(in crate::runbook) mod spool;
mod tally;
pub mod values;
mod verify;

use jiff::Timestamp;
use tokio::time::Instant;

pub use destination::{Destination, manifest_key};
pub use fault::Fault;
pub use history::{Backup, HISTORY_IAM_ACTIONS, Seal, history, latest, report as history_report};
pub use kind::Kind;
pub use manifest::{Entry, Incremental, Manifest, Part, SCHEMA, Summary};
pub use parts::{part_archive, part_manifest, part_of};
pub use read::{OneArchive, Opened, Opener, Piece, Readout, head, read};
pub use report::report;
pub use run::run;
use values::ValueSettings;
pub use verify::verify;

use super::Chunk;
use crate::aws::Aws;
use crate::settings::Settings;

/// IAM actions of [`run()`]; `kms:*` are used by S3 on our behalf, `kms:Decrypt` for uploads in parts.
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    // The parts of a run in several, and the last backup where a run is incremental.
    "s3:GetObject",
    "s3:ListBucket",
    "kms:GenerateDataKey",
    "kms:Decrypt",
];

/// What a backup is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Reads the estate.
    pub estate: &'a Aws,
    /// Writes the backup, and notices. Another account's than the estate's where several are backed up together.
    pub storage: &'a Aws,
    /// The deployment's.
    pub settings: &'a Settings,
    /// The backup's own.
    pub own: &'a BackupSettings,
    /// Daily, monthly, manual.
    pub kind: Kind,
    /// The estate's, noted in the manifest.
    pub account: &'a str,
    /// Where the backup goes.
    pub destination: &'a Destination,
    /// Present where another invocation can go on.
    pub chunk: Option<&'a Chunk>,
    /// When this invocation began.
    pub now: Timestamp,
    /// Must leave time to finish: what has been read by then is kept.
    pub deadline: Instant,
}

/// The backup's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// Whose values are backed up; `None`: nobody's.
    pub values: Option<ValueSettings>,
    /// Every n-th run reads all policies, the others those of secrets that have changed; 1: all runs do.
    pub full_pass_every: u64,
}

#[cfg(test)]
mod tests;
