//! Open Cybersecurity Schema Framework 1.5.0, class Compliance Finding (2003) with the profile `cloud`: one event on each
//! line, of which a data lake takes any number.

use serde_json::{Value, json};

use super::entries::{Entry, Stands, entries, partition, resource_type};
use super::escape::plain;
use crate::model::{Lang, Report, Severity};

const VERSION: &str = "1.5.0";
const CLASS: u32 = 2003;

pub(super) fn render(report: &Report, lang: Lang) -> String {
    entries(report, lang).iter().map(|entry| format!("{}\n", event(report, entry, lang))).collect()
}

fn event(report: &Report, entry: &Entry<'_>, lang: Lang) -> Value {
    let now = report.as_of.as_millisecond();
    let first = entry.first_seen.min(report.as_of);
    let (activity, activity_name) = match entry.stands {
        Stands::Resolved(_) => (3, "Close"),
        _ if first < report.as_of => (2, "Update"),
        _ => (1, "Create"),
    };
    let (status, status_name) = match entry.stands {
        Stands::Failed | Stands::Unknown(_) => (1, "New"),
        Stands::Suppressed(_) => (3, "Suppressed"),
        Stands::Resolved(_) => (4, "Resolved"),
    };
    let severity = severity(entry.severity);
    let mut value = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": CLASS,
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Compliance Finding: {activity_name}"),
        "time": now,
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": status,
        "status": status_name,
        "message": plain(&entry.detail),
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {
                "name": "secrets-ops",
                "vendor_name": "secrets-ops",
                "version": env!("CARGO_PKG_VERSION"),
                "lang": match lang { Lang::Ja => "ja", Lang::En => "en" },
            },
        },
        "finding_info": {
            "uid": entry.uid,
            "title": plain(&entry.title),
            "desc": plain(&entry.detail),
            "types": [entry.check],
            "created_time": first.as_millisecond(),
            "first_seen_time": first.as_millisecond(),
        },
        "compliance": {
            "control": entry.control.unwrap_or(entry.check),
            "standards": [if entry.control.is_some() { "AWS Foundational Security Best Practices" } else { "secrets-ops" }],
            "status_id": compliance(entry.stands),
        },
        "resources": [resource(report, entry)],
        "cloud": {"provider": "AWS", "region": report.region},
    });
    let account = &report.extras.account;
    if !account.is_empty() {
        value["cloud"]["account"] = json!({"uid": account, "name": account, "type": "AWS Account", "type_id": 10});
    }
    if let Some(remediation) = entry.remediation {
        value["remediation"] = json!({"desc": plain(remediation)});
    }
    match entry.stands {
        Stands::Resolved(at) => value["finding_info"]["modified_time"] = at.as_millisecond().into(),
        _ => value["finding_info"]["last_seen_time"] = now.into(),
    }
    if let Stands::Suppressed(by) = entry.stands {
        value["comment"] = plain(&format!("{}: {} (until {})", by.owner, by.reason, by.until)).into();
    }
    value
}

fn resource(report: &Report, entry: &Entry<'_>) -> Value {
    let (kind, uid) = match (entry.arn, entry.subject.as_str()) {
        (Some(arn), _) => (resource_type(arn), plain(arn)),
        (None, "") => ("AwsAccount", format!("AWS::::Account:{}", report.extras.account)),
        (None, subject) => ("Other", plain(subject)),
    };
    let mut value =
        json!({"uid": uid, "type": kind, "region": report.region, "cloud_partition": partition(&report.region)});
    if !entry.subject.is_empty() {
        value["name"] = plain(&entry.subject).into();
    }
    value
}

const fn severity(severity: Option<Severity>) -> (u8, &'static str) {
    match severity {
        None => (1, "Informational"),
        Some(Severity::Low) => (2, "Low"),
        Some(Severity::Medium) => (3, "Medium"),
        Some(Severity::High) => (4, "High"),
        Some(Severity::Critical) => (5, "Critical"),
    }
}

/// Unknown is never a pass: what could not be looked at is `Unknown`.
const fn compliance(stands: Stands<'_>) -> u8 {
    match stands {
        Stands::Unknown(_) => 0,
        Stands::Resolved(_) => 1,
        Stands::Failed | Stands::Suppressed(_) => 3,
    }
}
