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
    /// A configuration in a file that is called after another secret.
    #[error("{path} holds the configuration of {name:?}, whose file is called otherwise")]
    Renamed {
        /// The file.
        path: String,
        /// The secret in it.
        name: String,
    },
    /// Values that do not parse.
    #[error("{0} does not hold a secret's values: {1}")]
    NotValues(String, serde_json::Error),
    /// Values without the secret that they belong to.
    #[error("{0} does not stand behind the configuration of its secret")]
    Lonely(String),
    /// The manifest's own figures contradict each other.
    #[error("the manifest counts {counted} secrets with values and lists {listed}")]
    MiscountedValues {
        /// `values`.
        counted: u64,
        /// Entries.
        listed: u64,
    },
    /// One secret in two parts.
    #[error("{0} is in part {1} already")]
    TwiceInParts(String, u16),
    /// A part that the sealed manifest names.
    #[error("{0}, a part of the backup, is missing")]
    MissingPart(String),
    /// The sealed manifest contradicts its parts.
    #[error("{what} is {summed} in all parts together, the manifest that seals them says {counted}")]
    OtherTotal {
        /// The figure.
        what: &'static str,
        /// In the sealed manifest.
        counted: u64,
        /// Of the parts.
        summed: u64,
    },
    /// A fault of one part that names no file.
    #[error("{0}: {1}")]
    InPart(String, Box<Self>),
    /// An archive without end.
    #[error("it holds more files than any estate has secrets: do not unpack it")]
    TooMany,
    /// Faults that are not told one by one.
    #[error("{0} more faults")]
    More(u64),
}

impl Fault {
    /// The error, where it was disk or network that failed: of the backup itself that says nothing.
    pub fn unread(&self) -> Option<&io::Error> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::InPart(_, fault) => fault.unread(),
            _ => None,
        }
    }

    /// Whether the archive or file that it is about can be told from its words.
    pub(super) const fn names_a_file(&self) -> bool {
        match self {
            Self::Hostile(_)
            | Self::TooLarge(..)
            | Self::Differs { .. }
            | Self::Missing(_)
            | Self::Unexpected(_)
            | Self::Twice(_)
            | Self::NotASecret(..)
            | Self::Renamed { .. }
            | Self::NotValues(..)
            | Self::Lonely(_)
            | Self::TwiceInParts(..)
            | Self::MissingPart(_)
            | Self::InPart(..) => true,
            Self::Unreadable(_)
            | Self::Damaged { .. }
            | Self::NoManifest
            | Self::BadManifest(..)
            | Self::OtherSchema(_)
            | Self::Miscounted { .. }
            | Self::OtherManifest(_)
            | Self::MiscountedValues { .. }
            | Self::OtherTotal { .. }
            | Self::TooMany
            | Self::More(_) => false,
        }
    }
}
