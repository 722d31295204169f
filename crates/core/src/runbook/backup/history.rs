//! The backups that a bucket holds, and which one a restore would take.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Kind;
use super::destination::manifest_key;
use crate::aws::s3::{self, Bucket, Listed};
use crate::aws::{Aws, AwsError};
use crate::model::{Coverage, Finding, Gap, GapReason, Item, Outcome, Report, Severity, Text};

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

/// The history as a report.
pub fn report(backups: &[Backup], bucket: &Bucket, region: &str, now: Timestamp) -> Report {
    let newest = latest(backups).map(|backup| backup.key.as_str());
    let item = |backup: &Backup| {
        let (outcome, verdict) = match backup.sealed {
            true if newest == Some(&backup.key) => (Outcome::Pass, "latest"),
            true => (Outcome::Pass, "sealed"),
            false => (Outcome::Fail, "unsealed"),
        };
        let hours = backup.at.map_or_else(|| "?".to_owned(), |at| now.duration_since(at).as_hours().to_string());
        let (kind, size) = (backup.kind.name(), backup.size);
        Item {
            subject: format!("s3://{}/{}", bucket.name, backup.key),
            title: None,
            runbook: None,
            outcome,
            verdict,
            detail: Text::new(
                format!("{kind}、{hours} 時間前、{size} バイト"),
                format!("{kind}, {hours} hours old, {size} bytes"),
            ),
        }
    };
    let gaps = if newest.is_some() {
        Vec::new()
    } else {
        vec![Gap {
            what: "s3:ListObjectsV2".into(),
            subject: bucket.name.clone(),
            reason: GapReason::NoData,
            detail: "there is no finished backup in this bucket".into(),
        }]
    };
    let unsealed = backups.iter().filter(|backup| !backup.sealed).map(|backup| Finding {
        check: "backup-sealed",
        severity: Severity::Medium,
        subject: backup.key.clone(),
        detail: Text::fixed("マニフェストがありません。途中で終わったバックアップです", "no manifest beside it: this backup was never finished"),
        remediation: Text::fixed(
            "復元に使わないこと。その日のログで失敗の原因を確認し、`secrets-ops backup run` で取り直す",
            "Do not restore from it; find out from that day's log why it failed, and take a new one with `secrets-ops backup run`",
        ),
    });
    Report {
        schema: "secrets-ops/backup-list/v1",
        title: Text::fixed("バックアップ一覧", "Backups"),
        as_of: now,
        region: region.to_owned(),
        items: backups.iter().map(item).collect(),
        findings: unsealed.collect(),
        gaps,
        coverage: Coverage { wanted: backups.len() as u64, seen: backups.len() as u64 },
    }
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
        found.sort_by_key(|backup| std::cmp::Reverse(backup.at));
        assert_eq!(found.iter().map(|backup| backup.sealed).collect::<Vec<_>>(), [false, true]);
        assert_eq!(latest(&found).unwrap().key, "daily-backups/secrets-backup-20261121_020000.tar.gz");
        assert_eq!(found[0].at, Some("2026-11-21T17:00:00Z".parse().unwrap()));
        assert_eq!(latest(&found[..1]), None);
    }
}
