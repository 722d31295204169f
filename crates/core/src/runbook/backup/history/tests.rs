//! What is in the bucket, and what a listing and the start of each manifest tell of it.

use serde_json::json;

use super::*;
use crate::aws::fake::{Fault, Shared, World, clients};
use crate::model::{Lang, Outcome, Report, Severity};
use crate::report::{Format, render};

const BUCKET: &str = "b";

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// A manifest of a backup that began `days` before now, with `seen` of 4 secrets, of parts of 10 bytes.
fn manifest(days: i64, seen: u64, parts: &[&str]) -> Vec<u8> {
    let started = now() - jiff::SignedDuration::from_hours(24 * days);
    let part = |path: &&str| json!({"path": path, "size": 10, "sha256": "", "written": 2});
    let mut manifest = json!({
        "schema": "secrets-ops/backup/v1", "tool": "t", "name": "x", "kind": "daily", "account": "1", "region": "r",
        "started": started, "status": if seen == 4 { "ok" } else { "incomplete" },
        "coverage": {"wanted": 4, "seen": seen}, "listed": 4, "described": 4, "written": 4,
    });
    if parts.is_empty() {
        manifest["archive"] = json!({"path": "x.tar.gz", "size": 10, "sha256": ""});
    } else {
        manifest["parts"] = parts.iter().map(part).collect();
    }
    // By hand, because the lists come last.
    let mut text = manifest.to_string();
    text.truncate(text.len() - 1);
    (text + &format!(r#","gaps":[],"entries":[{}"#, " ".repeat(2 * HEAD_BYTES))).into_bytes()
}

struct Bed(World);

impl Bed {
    fn new() -> Self {
        Self(World::default())
    }

    fn with(mut self, key: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.objects.insert(key.into(), content.into());
        self
    }

    fn backup(self, stem: &str, days: i64, seen: u64) -> Self {
        self.with(&format!("{stem}.tar.gz"), [0; 10]).with(&format!("{stem}.manifest.json"), manifest(days, seen, &[]))
    }

    async fn told(self) -> (Vec<Backup>, Report, Shared) {
        let (aws, shared) = clients(self.0);
        let bucket = Bucket { name: BUCKET.into(), kms_key: None, owner: None };
        let backups = history(&aws, &bucket, &TimeZone::get("Asia/Tokyo").unwrap()).await.unwrap();
        let report = report(&backups, &bucket, "ap-northeast-1", now());
        (backups, report, shared)
    }
}

/// File name and verdict of each line.
fn verdicts(report: &Report) -> Vec<(&str, &'static str)> {
    report.items.iter().map(|item| (item.subject.rsplit('/').next().unwrap_or_default(), item.verdict)).collect()
}

#[tokio::test]
async fn the_newest_complete_backup_is_the_latest() {
    let (backups, report, shared) = Bed::new()
        .backup("daily-backups/a", 3, 4)
        .backup("daily-backups/b", 2, 3)
        .backup("monthly-backups/c", 1, 4)
        .backup("manual-backups/d", 0, 3)
        .told()
        .await;
    assert_eq!(
        verdicts(&report),
        [("d.tar.gz", "incomplete"), ("c.tar.gz", "latest"), ("b.tar.gz", "incomplete"), ("a.tar.gz", "sealed")]
    );
    assert_eq!(latest(&backups).unwrap().key, "monthly-backups/c.tar.gz");
    let findings: Vec<_> = report.findings.iter().map(|f| (f.check, f.subject.as_str(), f.severity)).collect();
    assert_eq!(
        findings,
        [("backup-complete", "manual-backups/d.tar.gz", Severity::Medium)],
        "older ones are made good"
    );
    assert_eq!(report.status(), Status::Findings);
    assert_eq!(report.items[1].detail.en, "monthly, 24 hours old, 10 B, 4/4 secrets read whole");
    assert_eq!(report.items[3].detail.ja, "daily、3 日前、10 B、網羅率 4/4");
    let calls = shared.lock().unwrap().calls.clone();
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), [("GetObject", 4), ("ListObjectsV2", 3)]);
}

#[tokio::test]
async fn where_none_is_complete_the_newest_is_taken_and_that_is_said() {
    let (backups, report, _) = Bed::new()
        .backup("daily-backups/a", 3, 3)
        .backup("daily-backups/b", 2, 2)
        .with("daily-backups/c.tar.gz", "x")
        .told()
        .await;
    assert_eq!(latest(&backups).unwrap().key, "daily-backups/b.tar.gz");
    assert_eq!(verdicts(&report)[..2], [("b.tar.gz", "latest-incomplete"), ("a.tar.gz", "incomplete")]);
    assert_eq!(report.gaps.len(), 1);
    assert_eq!(report.gaps[0].detail, "no backup is complete; a restore would take the newest, daily-backups/b.tar.gz");
}

#[tokio::test]
async fn without_its_manifest_it_is_no_backup() {
    let (backups, report, _) = Bed::new().with("daily-backups/secrets-backup-20261122_020000.tar.gz", "x").told().await;
    assert_eq!(backups[0].at, Some("2026-11-21T17:00:00Z".parse().unwrap()), "by its name, in the operator's zone");
    assert_eq!((latest(&backups), report.items[0].verdict, report.items[0].outcome), (None, "unsealed", Outcome::Fail));
    assert_eq!(report.findings[0].check, "backup-sealed");
    assert_eq!(report.gaps[0].detail, "there is no finished backup in this bucket");
}

#[tokio::test]
async fn parts_count_together_and_must_all_be_there() {
    let parts = ["x.tar.gz", "x.part-0002.tar.gz"];
    let bed = || {
        Bed::new()
            .with("daily-backups/x.tar.gz", [0; 10])
            .with("daily-backups/x.part-0001.manifest.json", "{}")
            .with("daily-backups/x.part-0002.manifest.json", "{}")
    };
    let whole = || bed().with("daily-backups/x.part-0002.tar.gz", [0; 10]);
    let sealed = |bed: Bed| bed.with("daily-backups/x.manifest.json", manifest(1, 4, &parts));

    let (backups, report, _) = sealed(whole()).told().await;
    assert_eq!((backups.len(), backups[0].parts, backups[0].size), (1, 2, 20));
    assert_eq!(report.items[0].verdict, "latest");
    assert_eq!(report.items[0].detail.en, "daily, 24 hours old, 20 B in 2 parts, 4/4 secrets read whole");

    let (backups, report, _) = whole().told().await;
    assert_eq!((backups.len(), report.items[0].verdict), (1, "unsealed"), "parts without what seals them");

    let (backups, report, _) = sealed(bed()).told().await;
    assert_eq!((latest(&backups), report.items[0].verdict), (None, "archive-missing"));
    assert_eq!(backups[0].seal, Seal::Broken("daily-backups/x.part-0002.tar.gz".into()));
    assert_eq!((report.findings[0].check, report.findings[0].severity), ("backup-whole", Severity::High));

    let (backups, ..) = sealed(bed().with("daily-backups/x.part-0002.tar.gz", [0; 9])).told().await;
    assert_eq!(backups[0].seal, Seal::Broken("daily-backups/x.part-0002.tar.gz".into()), "of another size");
    let (backups, ..) = Bed::new().with("daily-backups/x.manifest.json", manifest(1, 4, &[])).told().await;
    assert_eq!(backups[0].seal, Seal::Broken("daily-backups/x.tar.gz".into()), "a manifest alone");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_a_gap_and_never_the_latest() {
    let bed = || Bed::new().backup("daily-backups/a", 3, 4).backup("daily-backups/b", 1, 4);
    let mut denied = bed();
    denied.0.faults.push(Fault::of("GetObject", "b.manifest", "AccessDenied", 403));
    let garbled = bed().with("daily-backups/b.manifest.json", "{]");
    let newer = bed().with("daily-backups/b.manifest.json", r#"{"schema":"secrets-ops/backup/v2"}"#);
    let empty = bed().with("daily-backups/b.manifest.json", "");
    for (bed, reason) in [
        (denied, GapReason::Denied),
        (garbled, GapReason::Malformed),
        (newer, GapReason::Malformed),
        (empty, GapReason::Malformed),
    ] {
        let (backups, report, _) = bed.told().await;
        assert_eq!(latest(&backups).unwrap().key, "daily-backups/a.tar.gz");
        let unreadable = report.items.iter().find(|item| item.verdict == "unreadable").unwrap();
        assert_eq!(unreadable.outcome, Outcome::Unknown);
        assert_eq!((report.gaps[0].reason, report.gaps[0].subject.as_str()), (reason, "daily-backups/b.manifest.json"));
        assert_eq!(
            (report.status(), report.coverage),
            (Status::Incomplete, crate::model::Coverage { wanted: 2, seen: 1 })
        );
    }
}

#[tokio::test]
async fn what_lies_deeper_belongs_to_others() {
    let (backups, ..) = Bed::new()
        .backup("daily-backups/999999999999/us-east-1/a", 0, 4)
        .backup("daily-backups/b", 1, 4)
        .with("daily-backups/readme.txt", "x")
        .told()
        .await;
    assert_eq!(backups.iter().map(|backup| backup.key.as_str()).collect::<Vec<_>>(), ["daily-backups/b.tar.gz"]);
}

#[tokio::test]
async fn a_list_that_fails_is_an_error() {
    let mut bed = Bed::new().backup("daily-backups/a", 3, 4);
    bed.0.faults.push(Fault::of("ListObjectsV2", "", "AccessDenied", 403));
    let (aws, _) = clients(bed.0);
    let bucket = Bucket { name: BUCKET.into(), kms_key: None, owner: None };
    let error = history(&aws, &bucket, &TimeZone::UTC).await.unwrap_err();
    assert_eq!((error.operation, error.class), ("s3:ListObjectsV2", crate::aws::Class::Denied));
}

#[tokio::test]
async fn the_list_as_people_read_it() {
    let (_, report, _) = Bed::new()
        .backup("daily-backups/secrets-backup-20261122_020000", 1, 4)
        .backup("daily-backups/secrets-backup-20261123_020000", 0, 3)
        .with("manual-backups/secrets-backup-20261101_120000.tar.gz", vec![0; 3_000_000])
        .told()
        .await;
    insta::assert_snapshot!("list_ja", render(&report, Format::Table, Lang::Ja));
    insta::assert_snapshot!("list_en", render(&report, Format::Table, Lang::En));
}
