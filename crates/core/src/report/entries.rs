//! A report as other systems keep track of it: one entry for each thing, under the same id in every run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::checks;
use crate::model::{Finding, GAP, Gap, GapReason, Lang, Report, Resolved, Severity, Suppressed};

/// What the entry says of the thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stands<'a> {
    Failed,
    Suppressed(&'a Suppressed),
    /// Could not be looked at.
    Unknown(GapReason),
    /// At this moment.
    Resolved(Timestamp),
}

/// One thing.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Account, Region, check and subject; no time.
    pub(super) uid: String,
    pub(super) check: &'a str,
    /// AWS's own control for the same thing.
    pub(super) control: Option<&'static str>,
    /// Empty where it is about the account as a whole.
    pub(super) subject: String,
    pub(super) arn: Option<&'a str>,
    /// Absent for what could not be looked at.
    pub(super) severity: Option<Severity>,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) remediation: Option<&'a str>,
    pub(super) first_seen: Timestamp,
    pub(super) stands: Stands<'a>,
}

/// All of a report, in its order. What has the same id is one entry with all details: another system would keep only one.
pub(super) fn entries(report: &Report, lang: Lang) -> Vec<Entry<'_>> {
    let found = report.findings.iter().map(|finding| of_finding(report, finding, Stands::Failed, lang));
    let suppressed = report
        .extras
        .suppressed
        .iter()
        .map(|suppressed| of_finding(report, &suppressed.finding, Stands::Suppressed(suppressed), lang));
    let gaps = report.gaps.iter().map(|gap| of_gap(report, gap, lang));
    let resolved = report.extras.resolved.iter().map(|resolved| of_resolved(report, resolved, lang));
    let mut all: Vec<Entry<'_>> = Vec::new();
    let mut places = BTreeMap::new();
    for entry in found.chain(suppressed).chain(gaps).chain(resolved) {
        match places.entry(entry.uid.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(all.len());
                all.push(entry);
            }
            // What is so now stands before what was so once.
            Slot::Occupied(_) if matches!(entry.stands, Stands::Resolved(_)) => {}
            Slot::Occupied(slot) => {
                let detail = &mut all[*slot.get()].detail;
                if *detail != entry.detail {
                    detail.extend(["; ", entry.detail.as_str()]);
                }
            }
        }
    }
    all
}

fn of_finding<'a>(report: &'a Report, finding: &'a Finding, stands: Stands<'a>, lang: Lang) -> Entry<'a> {
    Entry {
        uid: uid(report, finding.check, &finding.subject),
        check: finding.check,
        control: control(finding.check),
        // A line of a checklist is about the account.
        subject: if finding.subject == finding.check { String::new() } else { finding.subject.clone() },
        arn: finding.arn.as_deref(),
        severity: Some(finding.severity),
        title: format!("{}: {}", finding.check, finding.subject),
        detail: finding.detail.get(lang).to_owned(),
        remediation: Some(finding.remediation.get(lang)),
        first_seen: first_seen(report, &finding.key()),
        stands,
    }
}

fn of_gap<'a>(report: &'a Report, gap: &'a Gap, lang: Lang) -> Entry<'a> {
    let reason = gap.reason.text();
    Entry {
        uid: uid(report, GAP, &gap.topic()),
        check: GAP,
        control: None,
        subject: gap.subject.clone(),
        arn: Some(gap.subject.as_str()).filter(|subject| subject.starts_with("arn:")),
        severity: None,
        title: match lang {
            Lang::Ja => format!("確認できなかった: {}", gap.topic()),
            Lang::En => format!("could not be looked at: {}", gap.topic()),
        },
        detail: format!("{}: {}", reason.get(lang), gap.detail),
        remediation: None,
        first_seen: first_seen(report, &gap.key()),
        stands: Stands::Unknown(gap.reason),
    }
}

fn of_resolved<'a>(report: &'a Report, resolved: &'a Resolved, lang: Lang) -> Entry<'a> {
    let is_gap = resolved.check == GAP;
    Entry {
        uid: uid(report, &resolved.check, &resolved.subject),
        check: &resolved.check,
        control: control(&resolved.check),
        subject: if is_gap || resolved.subject == resolved.check { String::new() } else { resolved.subject.clone() },
        arn: resolved.arn.as_deref(),
        severity: resolved.severity,
        title: format!("{}: {}", resolved.check, resolved.subject),
        detail: match lang {
            Lang::Ja => "解消した".to_owned(),
            Lang::En => "resolved".to_owned(),
        },
        remediation: None,
        first_seen: resolved.first_seen,
        stands: Stands::Resolved(resolved.at),
    }
}

fn first_seen(report: &Report, key: &str) -> Timestamp {
    report.extras.first_seen.get(key).copied().unwrap_or(report.as_of)
}

fn uid(report: &Report, check: &str, subject: &str) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(subject)[..16]);
    format!("secrets-ops/{}/{}/{check}/{hash}", report.extras.account, report.region)
}

fn control(check: &str) -> Option<&'static str> {
    checks::ALL.iter().find(|known| known.id == check)?.control
}

/// The partition of a Region.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// What an ARN is of, as Security Hub calls it.
pub(super) fn resource_type(arn: &str) -> &'static str {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    match (service, resource.split([':', '/']).next().unwrap_or_default()) {
        ("secretsmanager", "secret") => "AwsSecretsManagerSecret",
        ("kms", "key") => "AwsKmsKey",
        ("iam", "role") => "AwsIamRole",
        ("iam", "user") => "AwsIamUser",
        ("lambda", "function") => "AwsLambdaFunction",
        ("cloudtrail", "trail") => "AwsCloudTrailTrail",
        ("s3", _) => "AwsS3Bucket",
        _ => "Other",
    }
}
