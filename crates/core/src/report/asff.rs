//! AWS Security Finding Format: what `aws securityhub batch-import-findings --cli-input-json` takes. One document of at most
//! 100 findings on each line. Limits are those of AWS's API reference for `AwsSecurityFinding`.

use serde_json::{Value, json};

use super::entries::{Entry, Stands, entries, partition, resource_type};
use super::escape::short;
use crate::model::{GapReason, Lang, Report, Severity};

/// Findings that one call takes.
const MOST: usize = 100;

const TYPES: [&str; 1] = ["Software and Configuration Checks/AWS Security Best Practices"];

/// Nothing without an account: Security Hub would refuse it.
pub(super) fn render(report: &Report, lang: Lang) -> String {
    if report.extras.account.is_empty() {
        return String::new();
    }
    let findings: Vec<Value> = entries(report, lang).iter().map(|entry| finding(report, entry)).collect();
    findings.chunks(MOST).map(|page| format!("{}\n", json!({"Findings": page}))).collect()
}

fn finding(report: &Report, entry: &Entry<'_>) -> Value {
    let (account, region) = (&report.extras.account, &report.region);
    let now = report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let first = entry.first_seen.min(report.as_of).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let label = label(entry.severity);
    let mut value = json!({
        "SchemaVersion": "2018-10-08",
        "Id": entry.uid,
        "ProductArn": format!("arn:{}:securityhub:{region}:{account}:product/{account}/default", partition(region)),
        "ProductName": "secrets-ops",
        "GeneratorId": short(&format!("secrets-ops/{}", entry.check), 512),
        "AwsAccountId": account,
        "Region": region,
        "Types": TYPES,
        "FirstObservedAt": first,
        "CreatedAt": first,
        "UpdatedAt": now,
        "Severity": {"Label": label},
        // What may be updated after the first import is what stands here.
        "FindingProviderFields": {"Severity": {"Label": label}, "Types": TYPES},
        "Title": short(&entry.title, 256),
        "Description": short(&entry.detail, 1024),
        "Resources": [resource(report, entry)],
        "Compliance": {"Status": compliance(entry.stands)},
        "Workflow": {"Status": workflow(entry.stands)},
        "RecordState": if matches!(entry.stands, Stands::Resolved(_)) { "ARCHIVED" } else { "ACTIVE" },
    });
    if let Some(control) = entry.control {
        value["Compliance"]["RelatedRequirements"] = json!([control]);
    }
    if let Some(remediation) = entry.remediation {
        value["Remediation"] = json!({"Recommendation": {"Text": short(remediation, 512)}});
    }
    match entry.stands {
        Stands::Resolved(_) => {}
        _ => value["LastObservedAt"] = now.clone().into(),
    }
    if let Stands::Suppressed(by) = entry.stands {
        let text = format!("{} (until {})", by.reason, by.until);
        value["Note"] = json!({"Text": short(&text, 512), "UpdatedBy": short(&by.owner, 512), "UpdatedAt": now});
    }
    value
}

fn resource(report: &Report, entry: &Entry<'_>) -> Value {
    let (kind, id) = match (entry.arn, entry.subject.as_str()) {
        (Some(arn), _) => (resource_type(arn), short(arn, 512)),
        (None, "") => ("AwsAccount", format!("AWS::::Account:{}", report.extras.account)),
        (None, subject) => ("Other", short(subject, 512)),
    };
    json!({"Type": kind, "Id": id, "Partition": partition(&report.region), "Region": report.region})
}

const fn label(severity: Option<Severity>) -> &'static str {
    match severity {
        None => "INFORMATIONAL",
        Some(Severity::Low) => "LOW",
        Some(Severity::Medium) => "MEDIUM",
        Some(Severity::High) => "HIGH",
        Some(Severity::Critical) => "CRITICAL",
    }
}

/// AWS: `WARNING` where information is missing, `NOT_AVAILABLE` where a service failed or an API answered with an error.
const fn compliance(stands: Stands<'_>) -> &'static str {
    match stands {
        Stands::Failed | Stands::Suppressed(_) => "FAILED",
        Stands::Resolved(_) => "PASSED",
        Stands::Unknown(
            GapReason::Denied
            | GapReason::Vanished
            | GapReason::NoData
            | GapReason::Truncated
            | GapReason::NotConfigured
            | GapReason::Undecidable,
        ) => "WARNING",
        Stands::Unknown(
            GapReason::Throttled
            | GapReason::TimedOut
            | GapReason::Unavailable
            | GapReason::Deadline
            | GapReason::Malformed,
        ) => "NOT_AVAILABLE",
    }
}

const fn workflow(stands: Stands<'_>) -> &'static str {
    match stands {
        Stands::Failed | Stands::Unknown(_) => "NEW",
        Stands::Suppressed(_) => "SUPPRESSED",
        Stands::Resolved(_) => "RESOLVED",
    }
}
