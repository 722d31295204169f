//! The backups that a bucket holds, and which one a restore would take.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Kind;
use super::destination::manifest_key;
use crate::aws::s3::{self, Bucket, Listed};
use crate::aws::{Aws, AwsError};

/// One archive in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its key.
    pub key: String,
    /// Why it was made.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// When its reading began, as its name says.
    pub at: Option<Timestamp>,
    /// Whether its manifest lies beside it: without one it is not a backup.
    pub sealed: bool,
}

/// Every archive of every kind, newest first.
pub async fn history(aws: &Aws, bucket: &Bucket, time_zone: &TimeZone) -> Result<Vec<Backup>, AwsError> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let objects = s3::list(aws, bucket, kind.folder()).await?;
        all.extend(archives(&objects, kind, time_zone));
    }
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.key.cmp(&a.key)));
    Ok(all)
}

/// The newest that is sealed.
pub fn latest(backups: &[Backup]) -> Option<&Backup> {
    backups.iter().find(|backup| backup.sealed)
}

fn archives(objects: &[Listed], kind: Kind, time_zone: &TimeZone) -> Vec<Backup> {
    let has = |key: &str| objects.binary_search_by(|object| object.key.as_str().cmp(key)).is_ok();
    objects
        .iter()
        .filter(|object| object.key.ends_with(".tar.gz"))
        .map(|object| Backup {
            key: object.key.clone(),
            kind,
            size: object.size,
            at: named_time(&object.key, time_zone).or(object.modified),
            sealed: has(&manifest_key(&object.key)),
        })
        .collect()
}

/// The time in `secrets-backup-YYYYMMDD_HHMMSS.tar.gz`.
fn named_time(key: &str, time_zone: &TimeZone) -> Option<Timestamp> {
    let stamp = key.rsplit_once("secrets-backup-")?.1.strip_suffix(".tar.gz")?;
    let local = jiff::civil::DateTime::strptime("%Y%m%d_%H%M%S", stamp).ok()?;
    Some(local.to_zoned(time_zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_without_a_manifest_is_never_the_latest() {
        let listed = |key: &str| Listed { key: key.to_owned(), size: 1, modified: None };
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let objects = [
            listed("daily-backups/secrets-backup-20261121_020000.manifest.json"),
            listed("daily-backups/secrets-backup-20261121_020000.tar.gz"),
            listed("daily-backups/secrets-backup-20261122_020000.tar.gz"),
        ];
        let mut found = archives(&objects, Kind::Daily, &tokyo);
        found.sort_by(|a, b| b.at.cmp(&a.at));
        assert_eq!(found.iter().map(|backup| backup.sealed).collect::<Vec<_>>(), [false, true]);
        assert_eq!(latest(&found).unwrap().key, "daily-backups/secrets-backup-20261121_020000.tar.gz");
        assert_eq!(found[0].at, Some("2026-11-21T17:00:00Z".parse().unwrap()));
        assert_eq!(latest(&found[..1]), None);
    }
}
