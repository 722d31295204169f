//! Where suppressions are read from: a file beside the command line, or an object of the bucket.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::aws::Aws;
use crate::aws::s3;
use crate::model::{Gap, GapReason, Suppressions};
use crate::settings::{Reader, SUPPRESSIONS, SettingError, Settings};

/// IAM actions of [`load`], on the one object; without ListBucket, S3 answers for an absent one as if reading were denied.
pub const IAM_ACTIONS: &[&str] = &["s3:GetObject", "s3:ListBucket", "kms:Decrypt"];

/// Where the suppressions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Only tags suppress.
    None,
    /// A local file.
    File(PathBuf),
    /// An object of the bucket, by its key.
    Object(String),
}

impl Source {
    /// Reads `SECRETS_OPS_SUPPRESSIONS`.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let text = Reader::new(get)?.text(SUPPRESSIONS);
        match text.strip_prefix("s3:") {
            None if text.is_empty() => Ok(Self::None),
            None => Ok(Self::File(text.into())),
            // `s3://bucket/key` names another bucket than the one that the function may read.
            Some(key) if key.is_empty() || key.starts_with('/') => {
                Err(SettingError { name: SUPPRESSIONS.name, wanted: SUPPRESSIONS.wanted, got: text })
            }
            Some(key) => Ok(Self::Object(key.to_owned())),
        }
    }
}

/// Reads the suppressions; `known` are the ids of all checks. What cannot be read suppresses nothing and is a gap.
pub async fn load(aws: &Aws, settings: &Settings, source: &Source, known: &[&str]) -> (Suppressions, Option<Gap>) {
    let none = |gap: Gap| (Suppressions::none(known), Some(gap));
    let gap =
        |reason, subject: String, detail: String| Gap { what: SUPPRESSIONS.name.to_owned(), subject, reason, detail };
    match source {
        Source::None => (Suppressions::none(known), None),
        Source::File(path) => {
            let place = path.display().to_string();
            match std::fs::read(path) {
                Ok(bytes) => (Suppressions::parse(&bytes, &place, known), None),
                Err(error) => none(gap(GapReason::Unavailable, place, error.to_string())),
            }
        }
        Source::Object(key) => {
            let place = format!("s3:{key}");
            match s3::get(aws, &settings.bucket, key).await {
                Ok(Some(object)) => (Suppressions::parse(&object.bytes, &place, known), None),
                // Nobody has accepted anything yet; nothing is hidden by it.
                Ok(None) => (Suppressions::none(known), None),
                Err(error) => none(error.gap(&place)),
            }
        }
    }
}

/// The day on which suppressions are judged: it ends at midnight of the settings' time zone.
pub fn today(settings: &Settings, now: Timestamp) -> Date {
    now.to_zoned(settings.time_zone.clone()).date()
}

#[cfg(test)]
mod tests;
