//! The history as a report.

use jiff::Timestamp;

use super::{Backup, Seal, latest};
use crate::aws::s3::Bucket;
use crate::model::{Coverage, Extras, Finding, Gap, GapReason, Item, Outcome, Report, Severity, Text};

/// Every backup with its age, size and coverage, and the one that a restore would take.
pub fn report(backups: &[Backup], bucket: &Bucket, region: &str, now: Timestamp) -> Report {
    let chosen = latest(backups);
    let newest = chosen.and_then(|chosen| backups.iter().position(|backup| backup.key == chosen.key));
    let items = backups.iter().enumerate().map(|(place, backup)| item(backup, newest == Some(place), bucket, now));
    let findings = backups.iter().enumerate().filter_map(|(place, backup)| {
        // An older one that is not whole has been made good since.
        let matters = newest.is_none_or(|newest| place < newest);
        finding(backup, matters)
    });
    let unread: Vec<&Gap> = backups.iter().filter_map(unread).collect();
    let seen = backups.len().saturating_sub(unread.len());
    let mut gaps: Vec<Gap> = unread.into_iter().cloned().collect();
    let nothing = |detail: String| Gap {
        what: "s3:ListObjectsV2".into(),
        subject: bucket.name.clone(),
        reason: GapReason::NoData,
        detail,
    };
    match chosen {
        None => gaps.push(nothing("there is no finished backup in this bucket".into())),
        Some(chosen) if !chosen.is_complete() => {
            gaps.push(nothing(format!("no backup is complete; a restore would take the newest, {}", chosen.key)));
        }
        Some(_) => {}
    }
    let mut report = Report {
        schema: "secrets-ops/backup-list/v1",
        title: Text::fixed("バックアップ一覧", "Backups"),
        as_of: now,
        region: region.to_owned(),
        items: items.collect(),
        findings: findings.collect(),
        gaps,
        coverage: Coverage { wanted: backups.len() as u64, seen: seen as u64 },
        extras: Extras::default(),
    };
    report.sort_findings();
    report
}

fn unread(backup: &Backup) -> Option<&Gap> {
    match &backup.seal {
        Seal::Unread(gap) => Some(gap),
        Seal::Absent | Seal::Broken(_) | Seal::Whole(_) => None,
    }
}

fn item(backup: &Backup, chosen: bool, bucket: &Bucket, now: Timestamp) -> Item {
    let (outcome, verdict) = match &backup.seal {
        Seal::Absent => (Outcome::Fail, "unsealed"),
        Seal::Broken(_) => (Outcome::Fail, "archive-missing"),
        Seal::Unread(_) => (Outcome::Unknown, "unreadable"),
        Seal::Whole(_) => match (backup.is_complete(), chosen) {
            (true, true) => (Outcome::Pass, "latest"),
            (true, false) => (Outcome::Pass, "sealed"),
            (false, true) => (Outcome::Unknown, "latest-incomplete"),
            (false, false) => (Outcome::Unknown, "incomplete"),
        },
    };
    Item {
        subject: format!("s3://{}/{}", bucket.name, backup.key),
        title: None,
        runbook: None,
        outcome,
        verdict,
        detail: detail(backup, now),
        next: None,
    }
}

fn detail(backup: &Backup, now: Timestamp) -> Text {
    let (kind, size, parts) = (backup.kind.name(), size(backup.size), backup.parts);
    let hours = backup.at.map(|at| now.duration_since(at).as_hours().max(0));
    let age = match hours {
        None => Text::fixed("時刻不明", "of unknown age"),
        Some(hours) if hours < 48 => Text::new(format!("{hours} 時間前"), format!("{hours} hours old")),
        Some(hours) => Text::new(format!("{} 日前", hours / 24), format!("{} days old", hours / 24)),
    };
    let (mut ja, mut en) = (format!("{kind}、{}、{size}", age.ja), format!("{kind}, {}, {size}", age.en));
    if parts > 1 {
        ja += &format!("、{parts} 分割");
        en += &format!(" in {parts} parts");
    }
    if let Some(summary) = backup.summary() {
        let Coverage { wanted, seen } = summary.coverage;
        ja += &format!("、網羅率 {seen}/{wanted}");
        en += &format!(", {seen}/{wanted} secrets read whole");
    }
    Text::new(ja, en)
}

/// Rounded down, with one digit behind the point.
fn size(bytes: u64) -> String {
    let mut unit = "KiB";
    let mut tenths = bytes.saturating_mul(10) / 1024;
    if tenths < 10 {
        return format!("{bytes} B");
    }
    for larger in ["MiB", "GiB"] {
        if tenths >= 10 * 1024 {
            (tenths, unit) = (tenths / 1024, larger);
        }
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn finding(backup: &Backup, newer_than_chosen: bool) -> Option<Finding> {
    let (check, severity, detail) = match &backup.seal {
        Seal::Absent => (
            "backup-sealed",
            Severity::Medium,
            Text::fixed(
                "マニフェストがありません。途中で終わったバックアップです",
                "no manifest beside it: this backup was never finished",
            ),
        ),
        Seal::Broken(key) => (
            "backup-whole",
            Severity::High,
            Text::new(
                format!("マニフェストにあるアーカイブ {key} がないか、大きさが違います"),
                format!("the archive {key}, which its manifest names, is not there or of another size"),
            ),
        ),
        Seal::Whole(summary) if newer_than_chosen && !backup.is_complete() => (
            "backup-complete",
            Severity::Medium,
            Text::new(
                format!(
                    "不完全です（{}/{} 件）。復元にはこれより古い完全なバックアップが使われます",
                    summary.coverage.seen, summary.coverage.wanted
                ),
                format!(
                    "incomplete ({} of {} secrets were read whole); a restore would take an older one that is complete",
                    summary.coverage.seen, summary.coverage.wanted
                ),
            ),
        ),
        Seal::Whole(_) | Seal::Unread(_) => return None,
    };
    Some(Finding {
        check,
        severity,
        subject: backup.key.clone(),
        detail,
        remediation: Text::fixed(
            "復元に使わないこと。その日のログで失敗の原因を確認し、`secrets-ops backup run` で取り直す",
            "Do not restore from it; find out from that day's log why it failed, and take a new one with `secrets-ops backup run`",
        ),
        arn: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (3 * 1024 * 1024 * 1024 / 2, "1.5 GiB"),
            (5000 * 1024 * 1024 * 1024, "5000.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
