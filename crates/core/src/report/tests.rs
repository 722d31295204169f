use super::*;
use crate::model::{Coverage, Finding, Gap, GapReason, Item};

fn report() -> Report {
    Report {
        schema: "secrets-ops/rotation/v1",
        title: Text::fixed("ローテーション確認", "Rotation check"),
        as_of: "2026-11-22T00:00:00Z".parse().unwrap(),
        region: "ap-northeast-1".into(),
        items: vec![
            Item {
                subject: "goal-mandala-prod-secret-database".into(),
                title: None,
                runbook: Some("R05"),
                outcome: Outcome::Pass,
                verdict: "on-time",
                detail: Text::fixed("予定どおり", "rotated on time"),
            },
            Item {
                subject: "hit-rate".into(),
                title: Some(Text::fixed("キャッシュヒット率", "Cache hit rate")),
                runbook: Some("R03"),
                outcome: Outcome::Unknown,
                verdict: "no-data",
                detail: Text::fixed("データなし", "no data"),
            },
        ],
        findings: vec![Finding {
            check: "rotation-on-time",
            severity: Severity::High,
            subject: "=cmd|' /C calc'!A0\u{1b}[2J".into(),
            detail: Text::fixed("<b>3 日</b>超過 | 表", "<b>3 days</b> past | the date"),
            remediation: Text::fixed("ログを確認する", "Read the log"),
        }],
        gaps: vec![Gap {
            what: "secretsmanager:GetResourcePolicy".into(),
            subject: "a/b".into(),
            reason: GapReason::Denied,
            detail: "AccessDeniedException: not authorized".into(),
        }],
        coverage: Coverage { wanted: 3000, seen: 2999 },
    }
}

#[test]
fn every_form_in_both_languages() {
    for (name, format) in [
        ("table", Format::Table),
        ("json", Format::Json),
        ("csv", Format::Csv),
        ("markdown", Format::Markdown),
        ("html", Format::Html),
    ] {
        for (code, lang) in [("ja", Lang::Ja), ("en", Lang::En)] {
            insta::assert_snapshot!(format!("{name}_{code}"), render(&report(), format, lang));
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    let report = report();
    assert!(!render(&report, Format::Table, Lang::En).contains('\u{1b}'));
    assert!(render(&report, Format::Csv, Lang::En).contains("'=cmd"));
    assert!(!render(&report, Format::Html, Lang::En).contains("<b>"));
    assert!(render(&report, Format::Markdown, Lang::En).contains("\\<b\\>3 days\\</b\\> past \\| the date"));
}

#[test]
fn coverage_is_rounded_down() {
    assert!(render(&report(), Format::Table, Lang::En).contains("coverage 99.9 % = 2999/3000"));
}
