use super::*;
use crate::model::{Coverage, Extras, Finding, GAP, Gap, GapReason, Item, Table};

/// What somebody might have chosen as a name or user agent.
const HOSTILE: &str =
    "=cmd|' /C calc'!A0\u{1b}[2J\u{202e}\r\n<script>alert(1)</script> | **x** `y` https://evil.example \u{0}";

fn finding(check: &'static str, subject: &str, severity: Severity) -> Finding {
    Finding {
        check,
        severity,
        subject: subject.into(),
        detail: Text::fixed("<b>3 日</b>超過 | 表", "<b>3 days</b> past | the date"),
        remediation: Text::fixed("ログを確認する", "Read the log"),
        arn: None,
    }
}

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
                next: None,
            },
            Item {
                subject: "hit-rate".into(),
                title: Some(Text::fixed("キャッシュヒット率", "Cache hit rate")),
                runbook: Some("R03"),
                outcome: Outcome::Unknown,
                verdict: "no-data",
                detail: Text::fixed("データなし", "no data"),
                next: None,
            },
        ],
        findings: vec![finding("rotation-on-time", "=cmd|' /C calc'!A0\u{1b}[2J", Severity::High)],
        gaps: vec![Gap {
            what: "secretsmanager:GetResourcePolicy".into(),
            subject: "a/b".into(),
            reason: GapReason::Denied,
            detail: "AccessDeniedException: not authorized".into(),
        }],
        coverage: Coverage { wanted: 3000, seen: 2999 },
        extras: Extras::default(),
    }
}

/// A report with every part that there is, and strangers' words wherever they can stand.
fn full() -> Report {
    let mut report = report();
    let arn = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:goal-mandala-prod-secret-database-AbCdEf";
    report.findings.push(Finding {
        arn: Some(arn.into()),
        ..finding("rotation-enabled", "goal-mandala-prod-secret-database", Severity::Medium)
    });
    report.items.push(Item { outcome: Outcome::Fail, verdict: "bad", ..report.items[1].clone() });
    report.items.push(Item { outcome: Outcome::NotApplicable, verdict: "managed", ..report.items[0].clone() });
    report.extras = Extras {
        account: "123456789012".into(),
        tables: vec![Table {
            id: "top-sources",
            title: Text::fixed("アクセス元の上位", "Busiest sources"),
            columns: vec![
                Text::fixed("アクセス元", "Source"),
                Text::fixed("回数", "Calls"),
                Text::fixed("ユーザーエージェント", "User agent"),
            ],
            rows: vec![
                vec!["203.0.113.7".into(), "1204".into(), HOSTILE.into()],
                vec!["東京オフィス".into(), "3".into(), "aws-cli/2.31.0".into()],
            ],
        }],
        suppressed: vec![Suppressed {
            finding: finding("tagged", "legacy", Severity::Low),
            owner: "platform".into(),
            reason: "moved in spring <i>".into(),
            until: "2026-12-31".parse().unwrap(),
        }],
        resolved: vec![
            Resolved {
                check: "rotation-settled".into(),
                subject: "goal-mandala-prod-secret-jwt".into(),
                arn: None,
                severity: Some(Severity::Low),
                first_seen: "2026-11-01T00:00:00Z".parse().unwrap(),
                at: "2026-11-20T00:00:00Z".parse().unwrap(),
            },
            Resolved {
                check: GAP.into(),
                subject: "cloudtrail:LookupEvents".into(),
                arn: None,
                severity: None,
                first_seen: "2026-11-01T00:00:00Z".parse().unwrap(),
                at: "2026-11-20T00:00:00Z".parse().unwrap(),
            },
        ],
        first_seen: [(report.findings[0].key(), "2026-11-10T00:00:00Z".parse().unwrap())].into(),
        calls: [("secretsmanager:ListSecrets".to_owned(), 3), ("ce:GetCostAndUsage".to_owned(), 2)].into(),
        calls_usd: Some(0.02),
        ..Extras::default()
    };
    report
}

#[test]
fn every_form_in_both_languages() {
    for (name, format) in Format::ALL {
        for (code, lang) in [("ja", Lang::Ja), ("en", Lang::En)] {
            if !format.needs_account() && format != Format::CsvBom {
                insta::assert_snapshot!(format!("{name}_{code}"), render(&report(), format, lang));
            }
            insta::assert_snapshot!(format!("full_{name}_{code}"), render(&full(), format, lang));
        }
    }
}

#[test]
fn names_of_forms() {
    for (name, format) in Format::ALL {
        assert_eq!(name.parse(), Ok(format));
        let told = "xml".parse::<Format>().unwrap_err();
        assert!(told.contains(name), "{name} in {told}");
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

/// Wherever a text can stand, in every form: nothing moves the cursor, no line is forged, no markup gets through.
#[test]
fn strangers_words_are_harmless_everywhere() {
    let mut report = full();
    let text = || Text::fixed(HOSTILE, HOSTILE);
    for item in &mut report.items {
        (item.subject, item.detail) = (HOSTILE.into(), text());
        item.title = item.title.as_ref().map(|_| text());
    }
    for finding in report.findings.iter_mut().chain(report.extras.suppressed.iter_mut().map(|one| &mut one.finding)) {
        (finding.subject, finding.detail, finding.remediation) = (HOSTILE.into(), text(), text());
        finding.arn = Some(HOSTILE.into());
    }
    for gap in &mut report.gaps {
        (gap.what, gap.subject, gap.detail) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    }
    for one in &mut report.extras.suppressed {
        (one.owner, one.reason) = (HOSTILE.into(), HOSTILE.into());
    }
    for one in &mut report.extras.resolved {
        (one.subject, one.arn) = (HOSTILE.into(), Some(HOSTILE.into()));
    }
    for table in &mut report.extras.tables {
        table.rows.iter_mut().flatten().for_each(|cell| *cell = HOSTILE.into());
    }
    let lines = |report: &Report, format| render(report, format, Lang::En).lines().count();
    for (name, format) in Format::ALL {
        let out = render(&report, format, Lang::En);
        assert!(!out.contains(['\u{1b}', '\u{0}', '\r']), "{name}: {out}");
        // JSON keeps what was said; what is invisible in it moves no cursor.
        assert!(format == Format::Json || !out.contains('\u{202e}'), "{name}: {out}");
        // Several of one key are one entry, and equal neighbours' advice is said once.
        if !format.needs_account() && !matches!(format, Format::Table | Format::Json) {
            assert_eq!(out.lines().count(), lines(&full(), format), "{name}: {out}");
        }
        match format {
            Format::Html | Format::Junit => assert!(!out.contains("<script") && !out.contains("<i>"), "{out}"),
            Format::Markdown => {
                // A backslash makes a letter of what follows it; between backticks nothing is markup.
                let mut pairs = out.split('\\');
                let first = pairs.next().unwrap_or_default().to_owned();
                let bare: String = pairs.fold(first, |bare, pair| bare + pair.get(1..).unwrap_or_default());
                let outside: String = bare.split('`').step_by(2).collect();
                assert_eq!(["<", "https://", "**x", "[2J"].map(|bad| outside.contains(bad)), [false; 4], "{outside}");
            }
            Format::Csv | Format::CsvBom => {
                assert!(!out.contains(",=") && !out.contains("\"=") && !out.contains("\n="))
            }
            _ => {}
        }
    }
}

#[test]
fn coverage_is_rounded_down() {
    assert!(render(&report(), Format::Table, Lang::En).contains("coverage 99.9 % = 2999/3000"));
}

#[test]
fn excel_is_told_of_utf_8() {
    let (plain, marked) = (render(&full(), Format::Csv, Lang::Ja), render(&full(), Format::CsvBom, Lang::Ja));
    assert_eq!(marked.as_bytes()[..3], [0xef, 0xbb, 0xbf]);
    assert_eq!(marked.strip_prefix('\u{feff}'), Some(plain.as_str()));
}

fn findings(asff: &str) -> Vec<Vec<serde_json::Value>> {
    let page = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["Findings"].as_array().unwrap().clone();
    asff.lines().map(page).collect()
}

#[test]
fn asff_comes_in_pages_of_a_hundred() {
    let report = |number| Report {
        findings: (0..number).map(|index| finding("x", &format!("s{index}"), Severity::Low)).collect(),
        gaps: vec![],
        extras: Extras { account: "123456789012".into(), ..Extras::default() },
        ..report()
    };
    for (number, pages) in [(0, vec![]), (1, vec![1]), (100, vec![100]), (101, vec![100, 1]), (200, vec![100, 100])] {
        let found = findings(&render(&report(number), Format::Asff, Lang::En));
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), pages, "{number}");
    }
    let nobody = Report { extras: Extras::default(), ..report(1) };
    assert_eq!(render(&nobody, Format::Asff, Lang::En), "", "Security Hub would refuse what has no account");
}

#[test]
fn ids_are_the_same_whatever_the_time_and_words() {
    let now = full();
    let mut later = full();
    later.as_of = "2027-01-01T00:00:00Z".parse().unwrap();
    later.findings[0].detail = Text::fixed("別の文", "other words");
    later.gaps[0].reason = GapReason::Throttled;
    later.extras.resolved.clear();
    let ids = |report: &Report| {
        let found = findings(&render(report, Format::Asff, Lang::En)).concat();
        found.iter().map(|one| one["Id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&now)[..4], ids(&later)[..4]);
    assert_eq!(ids(&now).iter().collect::<std::collections::BTreeSet<_>>().len(), 6, "each its own");
    // What is gone is archived under the id that it had.
    let mut before = full();
    before.findings = vec![finding("rotation-settled", "goal-mandala-prod-secret-jwt", Severity::Low)];
    before.gaps =
        vec![Gap { what: "cloudtrail:LookupEvents".into(), subject: String::new(), ..before.gaps[0].clone() }];
    before.extras.resolved.clear();
    assert_eq!((&ids(&before)[0], &ids(&before)[2]), (&ids(&now)[4], &ids(&now)[5]));
}

#[test]
fn several_of_one_id_are_one_with_all_that_is_said() {
    let mut report = full();
    let again = Finding { detail: Text::fixed("もう一つ", "one more"), ..report.findings[0].clone() };
    report.findings.insert(1, again);
    let found = findings(&render(&report, Format::Asff, Lang::En)).concat();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0]["Description"], "<b>3 days</b> past | the date; one more");
}

/// Security Hub refuses the whole of what goes over a limit; the limits are in its API reference.
#[test]
fn long_texts_are_cut_to_what_security_hub_takes() {
    let long = "秘密😀".repeat(100_000);
    let mut report = full();
    let text = || Text::new(long.clone(), long.clone());
    for finding in &mut report.findings {
        (finding.subject, finding.detail, finding.remediation) = (long.clone(), text(), text());
        finding.arn = Some(long.clone());
    }
    for one in &mut report.extras.suppressed {
        (one.owner, one.reason) = (long.clone(), long.clone());
    }
    report.gaps[0].detail = String::new();
    for one in findings(&render(&report, Format::Asff, Lang::Ja)).concat() {
        let length = |value: &serde_json::Value| value.as_str().unwrap_or_default().encode_utf16().count();
        for (value, most) in [
            (&one["Id"], 512),
            (&one["GeneratorId"], 512),
            (&one["Title"], 256),
            (&one["Description"], 1024),
            (&one["Remediation"]["Recommendation"]["Text"], 512),
            (&one["Note"]["Text"], 512),
            (&one["Note"]["UpdatedBy"], 512),
            (&one["Resources"][0]["Id"], 512),
        ] {
            assert!(length(value) <= most && (value.is_null() || length(value) > 0), "{most} {value}");
        }
        assert!(one.to_string().len() < 240_000);
    }
}

#[test]
fn unknown_is_neither_passed_nor_failed() {
    for (reason, status) in [
        (GapReason::Denied, "WARNING"),
        (GapReason::NotConfigured, "WARNING"),
        (GapReason::Throttled, "NOT_AVAILABLE"),
        (GapReason::Unavailable, "NOT_AVAILABLE"),
        (GapReason::Deadline, "NOT_AVAILABLE"),
    ] {
        let mut report = full();
        report.gaps[0].reason = reason;
        let found = findings(&render(&report, Format::Asff, Lang::En)).concat();
        assert_eq!(found[3]["Compliance"]["Status"], status);
    }
    let ocsf = render(&full(), Format::Ocsf, Lang::En);
    let gap: serde_json::Value = serde_json::from_str(ocsf.lines().nth(3).unwrap()).unwrap();
    assert_eq!((&gap["compliance"]["status_id"], &gap["status_id"]), (&0.into(), &1.into()));
}

#[test]
fn partitions_and_kinds_of_resources() {
    for (region, want) in [("ap-northeast-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        assert_eq!(entries::partition(region), want);
    }
    for (arn, want) in [
        ("arn:aws:secretsmanager:r:1:secret:a-b", "AwsSecretsManagerSecret"),
        ("arn:aws:kms:r:1:key/abc", "AwsKmsKey"),
        ("arn:aws:kms:r:1:alias/abc", "Other"),
        ("arn:aws:iam::1:role/x", "AwsIamRole"),
        ("arn:aws:iam::1:user/x", "AwsIamUser"),
        ("arn:aws:lambda:r:1:function:x", "AwsLambdaFunction"),
        ("arn:aws:cloudtrail:r:1:trail/x", "AwsCloudTrailTrail"),
        ("secret:a", "Other"),
        ("", "Other"),
    ] {
        assert_eq!(entries::resource_type(arn), want, "{arn}");
    }
}
