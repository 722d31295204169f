//! Everything that can be wrong with an archive, worded for the person who must not restore from it.

use std::io;

use super::manifest::SCHEMA;

/// What can be wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It could not be read at all.
    #[error("could not be read: {0}")]
    Unreadable(io::Error),
    /// Not gzip, not tar, cut short, or damaged in a way that these notice.
    #[error("cut short or damaged after {entries} files: {error}")]
    Damaged {
        /// Files that were read before.
        entries: u64,
        /// What gzip or tar says.
        error: io::Error,
    },
    /// It has no manifest.
    #[error("no manifest.json in it: the backup was never finished, or this is not an archive of secrets-ops")]
    NoManifest,
    /// Its manifest is not one.
    #[error("{0} cannot be understood: {1}")]
    BadManifest(&'static str, serde_json::Error),
    /// A later version wrote it.
    #[error("its schema is {0}; this program knows {SCHEMA}")]
    OtherSchema(String),
    /// A file that no archive of ours holds: a link, a folder, an absolute or climbing path.
    #[error("it holds {0:?}, which no backup has: do not unpack it")]
    Hostile(String),
    /// A file is larger than anything that describes a secret.
    #[error("{0:?} claims {1} bytes, more than a secret's description can have: do not unpack it")]
    TooLarge(String, u64),
    /// Hash or size of a file.
    #[error("{path}: {what} is {got}, the manifest says {wanted}")]
    Differs {
        /// The file.
        path: String,
        /// `size` or `sha256`.
        what: &'static str,
        /// In the archive.
        got: String,
        /// In the manifest.
        wanted: String,
    },
    /// In the manifest only.
    #[error("{0} is in the manifest and not in the archive")]
    Missing(String),
    /// In the archive only.
    #[error("{0} is in the archive and not in the manifest")]
    Unexpected(String),
    /// Two files of one name.
    #[error("{0} is in the archive twice")]
    Twice(String),
    /// A configuration that does not parse.
    #[error("{0} is not a secret's configuration: {1}")]
    NotASecret(String, serde_json::Error),
    /// The manifest's own figures contradict each other.
    #[error("the manifest counts {counted} configurations and lists {listed}")]
    Miscounted {
        /// `written`.
        counted: u64,
        /// Entries.
        listed: u64,
    },
    /// The manifest beside the archive is of another one.
    #[error("the manifest beside it belongs to another archive ({0})")]
    OtherManifest(String),
}
