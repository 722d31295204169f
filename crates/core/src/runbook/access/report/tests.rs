//! The whole report, and what a stranger's texts do in it.

use jiff::SignedDuration;

use super::*;
use crate::model::{Access, GapReason, Lang, Status};
use crate::report::{Format, render};
use crate::runbook::access::{self, kinds};

const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u{1b}[2J\u{1b}[31mred",
    "line\nFAIL  forged\r\tline",
    "a|b`c`*d*[e](http://x)",
    "\u{202e}desrever\u{2066}",
    "@SUM(1+1)",
];

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn settings() -> AccessSettings {
    AccessSettings::read(&|_| None).unwrap()
}

fn told(accesses: &Reading<Accesses>, trails: Option<&Reading<Vec<TrailFacts>>>, secrets: &[Known<'_>]) -> Report {
    let (from, to) = (moment("2026-10-23T00:00:00Z"), moment("2026-11-22T00:00:00Z"));
    report(&Case {
        accesses,
        trails,
        secrets,
        settings: &settings(),
        recent_from: access::recent_from(from, to),
        now: to,
        region: "ap-northeast-1",
        zone: &TimeZone::get("Asia/Tokyo").unwrap(),
    })
}

fn reads(entries: Vec<Access>) -> Accesses {
    let (from, to) = (moment("2026-10-23T00:00:00Z"), moment("2026-11-22T00:00:00Z"));
    Accesses { from, to, read_from: "CloudTrail LookupEvents".into(), entries, ..Accesses::default() }
}

fn read(at: &str) -> Access {
    Access {
        at: moment(at),
        count: 1,
        event: "GetSecretValue".into(),
        secret_id: Some("db".into()),
        principal: "app".into(),
        source: Some("203.0.113.9".into()),
        user_agent: Some("sdk".into()),
        ..Access::default()
    }
}

const DB: Known<'_> =
    Known { name: "db", arn: "arn:aws:secretsmanager:r:1:secret:db-AbCdEf", created: None, deleted: false };

fn sighted() -> Reading<Vec<TrailFacts>> {
    Ok(vec![TrailFacts { arn: "t".into(), logging: true, reads: true, ..TrailFacts::default() }])
}

#[test]
fn a_quiet_month_is_ok() {
    let all = Ok(reads(vec![read("2026-10-25T00:00:00Z"), read("2026-11-20T03:00:00Z")]));
    let report = told(&all, Some(&sighted()), &[DB]);
    assert_eq!((report.status(), report.items.len(), report.coverage.percent()), (Status::Ok, 8, Some(100.0)));
    let tables: Vec<&str> = report.extras.tables.iter().map(|table| table.id).collect();
    assert_eq!(tables, ["top-sources", "readers"]);
    assert_eq!(
        report.extras.tables[1].rows,
        [["db", "app", "2", "0", "203.0.113.9", "sdk", "9, 12", "2026-11-20T03:00:00Z"]]
    );
    insta::assert_snapshot!("quiet_table_ja", render(&report, Format::Table, Lang::Ja));
    insta::assert_snapshot!("quiet_json", render(&report, Format::Json, Lang::En));
}

#[test]
fn what_was_not_read_is_incomplete_in_every_line() {
    let gap = Gap {
        what: "cloudtrail:LookupEvents".into(),
        subject: String::new(),
        reason: GapReason::Denied,
        detail: "no".into(),
    };
    let report = told(&Err(gap.clone()), Some(&Err(gap.clone())), &[DB]);
    assert!(report.items.iter().all(|item| item.outcome == Outcome::Unknown));
    assert_eq!((report.status(), report.items.len(), report.coverage.seen), (Status::Incomplete, 8, 0));
    assert_eq!((report.gaps.len(), &report.gaps[0]), (1, &gap), "told once");
    assert_eq!(report.items.len(), kinds().count() + 1);

    let short = Accesses {
        truncated_at: Some(moment("2026-11-01T00:00:00Z")),
        gaps: vec![Gap { reason: GapReason::Truncated, ..gap }],
        ..reads(vec![read("2026-11-05T00:00:00Z"), read("2026-11-20T03:00:00Z")])
    };
    let report = told(&Ok(short), None, &[DB]);
    assert_eq!(report.status(), Status::Incomplete, "all that was seen is well, and not all was seen");
    assert!(report.items.iter().all(|item| item.outcome != Outcome::Fail && item.outcome != Outcome::Unknown));
    assert_eq!(report.items[7].verdict, "offline");
    let garbled = Accesses { unreadable: 3, ..reads(vec![read("2026-11-20T03:00:00Z")]) };
    let report = told(&Ok(garbled), Some(&sighted()), &[DB]);
    assert_eq!(report.gaps.iter().filter(|gap| gap.reason == GapReason::Malformed).count(), 1);
}

#[test]
fn secrets_without_a_past_are_counted() {
    let all = || Ok(reads(vec![read("2026-10-25T00:00:00Z"), read("2026-11-20T03:00:00Z")]));
    let young = Known { name: "new", arn: "arn:new", created: Some(moment("2026-11-20T00:00:00Z")), deleted: false };
    let report = told(&all(), None, &[DB, young]);
    let said: Vec<&str> = report
        .items
        .iter()
        .filter(|item| item.detail.en.contains("1 secrets are younger"))
        .map(|item| &*item.subject)
        .collect();
    assert_eq!(said, ["access-new-principal", "access-network"]);
}

#[test]
fn reads_of_what_is_not_listed_are_shown() {
    let stranger = Access { secret_id: Some("elsewhere".into()), ..read("2026-11-20T03:00:00Z") };
    let unnamed = Access { secret_id: None, ..read("2026-11-20T03:00:00Z") };
    let report = told(&Ok(reads(vec![read("2026-10-25T00:00:00Z"), stranger, unnamed])), None, &[DB]);
    let table = report.extras.tables.iter().find(|table| table.id == "unknown-ids").unwrap();
    assert_eq!(table.rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["elsewhere", "?"]);
}

#[test]
fn a_strangers_text_forges_nothing_in_any_form() {
    let mut entries = vec![read("2026-10-25T00:00:00Z")];
    for text in HOSTILE {
        let text = || Some(text.to_owned());
        let base = Access {
            source: text(),
            user_agent: text(),
            error: Some("AccessDenied".into()),
            ..read("2026-11-20T03:00:00Z")
        };
        entries.push(Access {
            secret_id: text(),
            principal: text().unwrap(),
            kind: Some("Root".into()),
            ..base.clone()
        });
        entries.push(Access { secret_id: text(), error: text(), marked_for_deletion: true, ..base.clone() });
        entries.push(Access { principal: text().unwrap(), error: None, by_person: true, count: 1000, ..base });
    }
    let report = told(&Ok(reads(entries)), Some(&sighted()), &[DB]);
    for id in ["access-root", "access-denied", "access-marked-for-deletion", "access-new-principal", "access-burst"] {
        assert!(report.findings.iter().any(|finding| finding.check == id), "{id}");
    }
    for lang in [Lang::Ja, Lang::En] {
        for format in [Format::Table, Format::Json, Format::Csv, Format::Markdown, Format::Html] {
            let out = render(&report, format, lang);
            let hidden = |c: char| {
                (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!out.contains(hidden), "{format:?}");
            match format {
                Format::Table => assert!(!out.lines().any(|line| line.starts_with("FAIL  forged"))),
                Format::Json => {
                    let parsed: serde_json::Value = serde_json::from_str(&out).unwrap();
                    assert!(
                        parsed["tables"].as_array().unwrap().iter().any(|table| table.to_string().contains("<script>"))
                    );
                }
                Format::Csv => {
                    let starts = ["\"=", "\"@", "=", "@", ",=", ",@"];
                    assert!(!out.lines().any(|line| starts.iter().any(|start| line.starts_with(start))), "{out}");
                    assert!(!out.contains(",=") && !out.contains(",\"=") && !out.contains(",@"), "{out}");
                }
                // These have tests of their own beside them.
                Format::CsvBom | Format::Junit | Format::Asff | Format::Ocsf => {}
                Format::Markdown => {
                    assert!(!out.contains("<script>") && !out.contains("[e](") && !out.contains("a|b`c`"), "{out}");
                }
                Format::Html => assert!(!out.contains("<script") && !out.contains("' /C"), "{out}"),
            }
        }
    }
}

#[test]
fn the_ten_busiest_sources_come_first() {
    let from =
        |n: u64, count| Access { source: Some(format!("192.0.2.{n:03}")), count, ..read("2026-11-20T03:00:00Z") };
    let mut entries: Vec<Access> = (0..12).map(|n| from(n, n + 1)).collect();
    entries.push(Access { source: None, count: 50, error: Some("x".into()), ..read("2026-11-21T03:00:00Z") });
    let table = access::top_sources(&reads(entries), 10);
    assert_eq!(table.rows.len(), 10);
    assert_eq!(table.rows[0], ["?", "50", "50", "app", "2026-11-21T03:00:00Z"]);
    assert_eq!((table.rows[1][0].as_str(), table.rows[9][1].as_str()), ("192.0.2.011", "4"));
    assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
}

#[test]
fn a_large_estate_is_judged_read_by_read() {
    let names: Vec<(String, String)> =
        (0..10_000).map(|n| (format!("s{n}"), format!("arn:aws:secretsmanager:r:1:secret:s{n}-AbCdEf"))).collect();
    let secrets: Vec<Known<'_>> = names.iter().map(|(name, arn)| Known { name, arn, ..Known::default() }).collect();
    let start = moment("2026-10-23T00:00:00Z");
    let one = |n: i64| Access {
        at: start + SignedDuration::from_secs(n * 25),
        secret_id: Some(match n % 3 {
            0 => names[(n % 10_000) as usize].0.clone(),
            1 => names[(n % 10_000) as usize].1.clone(),
            _ => names[(n % 10_000) as usize].1.strip_suffix("-AbCdEf").unwrap().to_owned(),
        }),
        principal: format!("p{}", n % 100),
        source: Some(format!("203.0.113.{}", n % 200)),
        ..read("2026-10-25T00:00:00Z")
    };
    let report = told(&Ok(reads((0..100_000).map(one).collect())), Some(&sighted()), &secrets);
    assert_eq!(report.status(), Status::Ok);
    let readers = &report.extras.tables[1];
    assert_eq!((readers.id, readers.rows.len()), ("readers", 500));
    assert_eq!(readers.title.en, "Who reads which secret (500 of 10000 rows)");
    assert_eq!(report.extras.tables.len(), 2, "no stranger");
}
