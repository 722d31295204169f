//! Proves that an archive is what its manifest says, and says exactly what is wrong.

use std::io;

use jiff::Timestamp;

use super::fault::Fault;
use super::read::{Opened, Readout, read};
use crate::model::{Coverage, Extras, Finding, Gap, GapReason, Item, Outcome, Report, Severity, Status, Text};

/// Reads a backup to its end and reports every fault as a finding. What could not be read, because the disk or the
/// network failed, is a gap: nothing is said of the backup then.
pub fn verify(opened: Opened, region: &str, now: Timestamp) -> Report {
    let subject = opened.name.clone();
    let readout = read(opened, &mut |_| {});
    report(readout, &subject, region, now)
}

fn report(readout: Readout, subject: &str, region: &str, now: Timestamp) -> Report {
    let Readout { summary, faults, sealed, damaged_parts } = readout;
    let (unread, faults): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(|fault| fault.unread().is_some());
    let mut gaps: Vec<Gap> = unread.iter().map(|fault| gap(fault, subject)).collect();
    let whole = faults.is_empty() && unread.is_empty();
    // A damaged archive is a finding; what else might be missing of it does not matter any more.
    if whole && !sealed {
        gaps.push(Gap {
            what: "manifest beside the archive".into(),
            subject: subject.to_owned(),
            reason: GapReason::NoData,
            detail: "there is none, so that the archive's own hash cannot be compared".into(),
        });
    }
    let (coverage, detail) = match &summary {
        Some(summary) => {
            if whole && summary.status != Status::Ok {
                gaps.push(Gap {
                    what: "backup".into(),
                    subject: summary.name.clone(),
                    reason: GapReason::NoData,
                    detail: format!(
                        "the backup itself is incomplete: {} of {} secrets were read whole; its manifest names the rest",
                        summary.coverage.seen, summary.coverage.wanted
                    ),
                });
            }
            let started = summary.started.strftime("%Y-%m-%dT%H:%M:%SZ");
            let text = Text::new(
                format!("{} {} 件のシークレット、{} 時点", summary.kind, summary.written, started),
                format!("{}, {} secrets, as of {}", summary.kind, summary.written, started),
            );
            (if whole { summary.coverage } else { Coverage::default() }, text)
        }
        None => (Coverage::default(), Text::fixed("読み取れません", "could not be read")),
    };
    let (outcome, verdict) = match (faults.is_empty(), unread.is_empty()) {
        (true, true) => (Outcome::Pass, "intact"),
        (true, false) => (Outcome::Unknown, "unreadable"),
        (false, _) => (Outcome::Fail, "damaged"),
    };
    let mut items = vec![Item {
        subject: subject.to_owned(),
        title: None,
        runbook: Some("R38"),
        outcome,
        verdict,
        detail,
        next: None,
    }];
    items.extend(summary.iter().flat_map(|summary| &summary.parts).map(|part| {
        let damaged = damaged_parts.contains(&part.path);
        Item {
            subject: part.path.clone(),
            title: None,
            runbook: None,
            outcome: if damaged { outcome } else { Outcome::Pass },
            verdict: if damaged { verdict } else { "part" },
            detail: Text::new(
                format!("{} 件のシークレット、{} バイト", part.written, part.size),
                format!("{} secrets, {} bytes", part.written, part.size),
            ),
            next: None,
        }
    }));
    Report {
        schema: "secrets-ops/backup-verify/v1",
        title: Text::fixed("バックアップの検証", "Backup verification"),
        as_of: now,
        region: summary.as_ref().map_or_else(|| region.to_owned(), |summary| summary.region.clone()),
        items,
        findings: faults.iter().map(|fault| finding(fault, subject)).collect(),
        gaps,
        coverage,
        extras: Extras::default(),
    }
}

fn finding(fault: &Fault, subject: &str) -> Finding {
    Finding {
        check: "backup-intact",
        severity: Severity::Critical,
        subject: subject.to_owned(),
        detail: Text::new(fault.to_string(), fault.to_string()),
        remediation: Text::fixed(
            "このアーカイブから復元しないこと。`secrets-ops backup list` で別のバックアップを選ぶか、バケットの以前のバージョンを確認する",
            "Do not restore from this archive: choose another with `secrets-ops backup list`, or look at earlier versions of the object",
        ),
        arn: None,
    }
}

fn gap(fault: &Fault, subject: &str) -> Gap {
    let reason = match fault.unread().map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => GapReason::Denied,
        Some(io::ErrorKind::TimedOut) => GapReason::TimedOut,
        _ => GapReason::Unavailable,
    };
    Gap { what: "backup".into(), subject: subject.to_owned(), reason, detail: fault.to_string() }
}
