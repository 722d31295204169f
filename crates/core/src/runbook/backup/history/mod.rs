//! The backups that a bucket holds, what the start of each manifest says of them, and which one a restore would take.

mod report;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use report::report;

use super::destination::manifest_key;
use super::read::head;
use super::{Kind, Summary, part_archive, part_of};
use crate::aws::s3::{self, Bucket, Listed};
use crate::aws::{Aws, AwsError};
use crate::model::{Gap, GapReason, Status};

/// IAM actions of [`history`].
pub const HISTORY_IAM_ACTIONS: &[&str] = &["s3:ListBucket", "s3:GetObject"];

/// Room for all fields before the lists, some two hundred parts included.
const HEAD_BYTES: usize = 64 * 1024;
/// Manifests that are being read at the same time.
const AT_ONCE: usize = 16;

/// One backup in the bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// The key of its archive, or of the first of several.
    pub key: String,
    /// Why it was made.
    pub kind: Kind,
    /// In bytes, all parts together.
    pub size: u64,
    /// Archives of it that are there.
    pub parts: usize,
    /// When its reading began, as its manifest says, or its name.
    pub at: Option<Timestamp>,
    /// What its manifest says.
    pub seal: Seal,
}

/// The manifest that seals a backup.
#[derive(Clone, Debug, PartialEq)]
pub enum Seal {
    /// There is none: the backup was never finished.
    Absent,
    /// It could not be read or understood, and nothing is known of the backup.
    Unread(Gap),
    /// An archive that it names is not there, or of another size.
    Broken(String),
    /// The backup is as its manifest says, as far as a listing shows.
    Whole(Box<Summary>),
}

impl Backup {
    /// What its manifest says, where the backup is finished and all there.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.seal {
            Seal::Whole(summary) => Some(summary),
            Seal::Absent | Seal::Unread(_) | Seal::Broken(_) => None,
        }
    }

    /// Whether it holds all that it should.
    pub fn is_complete(&self) -> bool {
        self.summary().is_some_and(|summary| summary.status == Status::Ok && summary.coverage.is_full())
    }
}

/// Every backup of every kind, newest first. Of each manifest only the start is read.
///
/// # Errors
/// A list that fails. A manifest that cannot be read is noted with its backup.
pub async fn history(aws: &Aws, bucket: &Bucket, time_zone: &TimeZone) -> Result<Vec<Backup>, AwsError> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let objects = s3::list_folder(aws, bucket, kind.folder()).await?;
        let found = grouped(&objects);
        let read = stream::iter(found).map(|(stem, archives)| one(aws, bucket, kind, stem, archives, time_zone));
        all.extend(read.buffered(AT_ONCE).collect::<Vec<_>>().await);
    }
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.key.cmp(&a.key)));
    Ok(all)
}

/// What a restore takes where nobody names a backup: the newest that is complete, and only where there is none, the
/// newest that is finished.
pub fn latest(backups: &[Backup]) -> Option<&Backup> {
    let complete = backups.iter().find(|backup| backup.is_complete());
    complete.or_else(|| backups.iter().find(|backup| backup.summary().is_some()))
}

/// The objects of one backup.
#[derive(Debug, Default)]
struct Found<'a> {
    archives: Vec<&'a Listed>,
    sealed: bool,
}

/// Archives and manifests by what their names have in common.
fn grouped(objects: &[Listed]) -> BTreeMap<&str, Found<'_>> {
    let mut found: BTreeMap<&str, Found<'_>> = BTreeMap::new();
    for object in objects {
        if object.key.ends_with(".tar.gz") {
            found.entry(part_of(&object.key).0).or_default().archives.push(object);
        } else if let Some(stem) = object.key.strip_suffix(".manifest.json")
            && !is_of_a_part(stem)
        {
            found.entry(stem).or_default().sealed = true;
        }
    }
    found
}

/// Whether a manifest called like this seals nothing; the first part has a number here, too.
fn is_of_a_part(stem: &str) -> bool {
    let number = stem.rsplit_once(".part-").map_or("", |(_, number)| number);
    // What was tried again has the attempt behind its number.
    let digits = number.split_once('-').map_or(number, |(digits, _)| digits);
    digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit())
}

async fn one(aws: &Aws, bucket: &Bucket, kind: Kind, stem: &str, found: Found<'_>, time_zone: &TimeZone) -> Backup {
    let key = part_archive(stem, 1);
    let seal = if found.sealed { seal(aws, bucket, &key, &found.archives).await } else { Seal::Absent };
    let started = match &seal {
        Seal::Whole(summary) => Some(summary.started),
        Seal::Absent | Seal::Unread(_) | Seal::Broken(_) => named_time(stem, time_zone),
    };
    // What the manifest names; an attempt that died may have left more beside it.
    let (parts, size) = match &seal {
        Seal::Whole(summary) if !summary.parts.is_empty() => {
            (summary.parts.len(), summary.parts.iter().map(|part| part.size).sum())
        }
        _ => (found.archives.len(), found.archives.iter().map(|archive| archive.size).sum()),
    };
    Backup {
        kind,
        size,
        parts,
        at: started.or_else(|| found.archives.iter().filter_map(|archive| archive.modified).min()),
        seal,
        key,
    }
}

async fn seal(aws: &Aws, bucket: &Bucket, key: &str, archives: &[&Listed]) -> Seal {
    let manifest = manifest_key(key);
    let bytes = match s3::start(aws, bucket, &manifest, HEAD_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return Seal::Unread(error.gap(&manifest)),
    };
    let summary = match head(bytes.as_slice()) {
        Ok(summary) => summary,
        Err(fault) => {
            return Seal::Unread(Gap {
                what: "s3:GetObject".into(),
                subject: manifest,
                reason: GapReason::Malformed,
                detail: fault.to_string(),
            });
        }
    };
    let folder = &key[..key.rfind('/').map_or(0, |slash| slash + 1)];
    // Under its own name: an object may have been copied to where its key does not say it.
    let single = summary.archive.iter().map(|archive| (key.to_owned(), archive.size));
    let several = summary.parts.iter().map(|part| (format!("{folder}{}", part.path), part.size));
    let wanted: Vec<_> = if summary.parts.is_empty() { single.collect() } else { several.collect() };
    let there = |(key, size): &(String, u64)| archives.iter().any(|a| a.key == *key && a.size == *size);
    match wanted.iter().find(|wanted| !there(wanted)) {
        Some((key, _)) => Seal::Broken(key.clone()),
        None if wanted.is_empty() => Seal::Broken(key.to_owned()),
        None => Seal::Whole(Box::new(summary)),
    }
}

/// The time in `secrets-backup-YYYYMMDD_HHMMSS`.
fn named_time(stem: &str, time_zone: &TimeZone) -> Option<Timestamp> {
    let stamp = stem.rsplit_once("secrets-backup-")?.1;
    let local = jiff::civil::DateTime::strptime("%Y%m%d_%H%M%S", stamp).ok()?;
    Some(local.to_zoned(time_zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests;
