//! Backup against backup, and backup against the live estate.

use std::collections::BTreeMap;

use tokio::time::Duration;

use super::super::read::tests::{opened, parts, sealed, secret, written};
use super::super::values::{SealedValue, Values};
use super::super::{BackupSettings, Destination, Job, Kind, run};
use super::tally::MOST;
use super::*;
use crate::aws::fake::{Fault as Wire, Shared, World, arn, clients};
use crate::model::{Coverage, Gap, Lang, Outcome, Secret, Severity, Status};
use crate::report::{Format, render};
use crate::settings::Settings;

/// Stands in every place that must never be shown.
const CANARY: &str = "CANARY-c3VwZXItc2VjcmV0";

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn backup(secrets: &[Secret]) -> Opened {
    let (archive, manifest) = written("x", secrets);
    opened(&archive, Some(&manifest))
}

fn compared(a: &[Secret], b: &[Secret]) -> Report {
    archives(Base::of(backup(a)).unwrap(), backup(b), Scope::default(), now()).unwrap()
}

fn described(name: &str, description: &str) -> Secret {
    Secret { description: Some(description.into()), ..secret(name) }
}

/// Subject, verdict and English detail of each line.
fn lines(report: &Report) -> Vec<(&str, &str, &str)> {
    report.items.iter().map(|item| (item.subject.as_str(), item.verdict, &*item.detail.en)).collect()
}

fn equal(number: &str) -> (&str, &str, &str) {
    ("equal", "equal", number)
}

#[test]
fn what_changed_came_and_went() {
    let a = [described("a", "1"), described("b", "1"), described("c", "1")];
    let b = [described("d", "1"), described("b", "2"), described("a", "1")];
    let report = compared(&a, &b);
    assert_eq!(
        lines(&report),
        [
            ("b", "changed", r#"Description: "1" -> "2""#),
            ("c", "removed", "only in the first"),
            ("d", "added", "only in the second"),
            equal("1"),
        ]
    );
    let finding = &report.findings[0];
    assert_eq!((report.findings.len(), finding.check, finding.severity), (1, "backup-differs", Severity::Low));
    assert_eq!(finding.detail.en, "1 changed, 1 added, 1 removed");
    assert!(finding.remediation.en.contains("`secrets-ops restore plan`"));
    assert_eq!((report.status(), report.schema), (Status::Findings, "secrets-ops/backup-diff/v1"));
    assert_eq!(report.coverage, Coverage { wanted: 4, seen: 4 });
}

#[test]
fn nothing_differs_whatever_the_order() {
    let mut secrets: Vec<Secret> = (0..20).map(|number| described(&format!("s/{number}"), "d")).collect();
    let first = secrets.clone();
    secrets.reverse();
    let report = compared(&first, &secrets);
    assert_eq!(lines(&report), [equal("20")]);
    assert_eq!((report.status(), report.items[0].outcome), (Status::Ok, Outcome::Pass));
    secrets[3].description = None;
    secrets[9].description = None;
    let changed = compared(&first, &secrets);
    secrets.reverse();
    assert_eq!((changed.items.len(), &changed.items), (3, &compared(&first, &secrets).items));
    assert_eq!(lines(&compared(&[], &[])), [equal("0")]);
}

#[test]
fn one_archive_and_several_parts_are_the_same_backup() {
    let all = [secret("a"), secret("b"), secret("c")];
    let several = parts(&[&all[..1], &all[1..]]).opened();
    let report = archives(Base::of(backup(&all)).unwrap(), several, Scope::default(), now()).unwrap();
    assert_eq!(lines(&report), [equal("3")]);
}

#[test]
fn what_could_not_be_read_is_a_gap() {
    let blind = Secret { unread: vec!["ResourcePolicy".into(), "Versions".into()], ..secret("a") };
    let policy = Secret { resource_policy: Some(r#"{"Statement":{"Effect":"Deny"}}"#.into()), ..secret("a") };
    for (a, b, which) in [(&blind, &policy, "first"), (&policy, &blind, "second")] {
        let report = compared(std::slice::from_ref(a), std::slice::from_ref(b));
        assert_eq!(lines(&report), [equal("0")], "neither equal nor changed");
        let gap = Gap {
            what: "ResourcePolicy".into(),
            subject: "a".into(),
            reason: GapReason::NoData,
            detail: format!("the {which} backup could not read it"),
        };
        assert_eq!((report.gaps.as_slice(), report.status()), ([gap].as_slice(), Status::Incomplete));
        assert_eq!(report.coverage, Coverage { wanted: 1, seen: 0 });
    }
    let other = Secret { description: Some("d".into()), ..policy };
    assert_eq!(compared(&[blind], &[other]).items[0].verdict, "changed", "the rest is compared all the same");
}

#[test]
fn a_backup_that_is_not_whole_is_a_gap() {
    let (archive, manifest) = sealed(&[("a-config.json", serde_json::to_vec(&secret("a")).unwrap())], |summary| {
        summary.status = Status::Incomplete;
    });
    let report = |a, b| archives(Base::of(a).unwrap(), b, Scope::default(), now()).unwrap();
    let half = || opened(&archive, Some(&manifest));
    let whole = || backup(&[secret("a")]);
    for report in [report(half(), whole()), report(whole(), half())] {
        assert!(report.gaps[0].detail.starts_with("the backup itself is incomplete: "));
        assert_eq!((report.gaps.len(), report.status()), (1, Status::Incomplete));
    }
    let unsealed = written("x", &[secret("a")]).0;
    let report = report(opened(&unsealed, None), whole());
    assert_eq!(report.gaps[0].detail, "there is no manifest beside it: the backup was never finished");
}

#[test]
fn a_damaged_backup_is_not_compared_at_all() {
    let (archive, manifest) = written("x", &[secret("a")]);
    let cut = || opened(&archive[..archive.len() / 2], Some(&manifest));
    let faults = Base::of(cut()).unwrap_err();
    assert!(matches!(faults[..], [Fault::Damaged { .. }]), "{faults:?}");
    let faults = archives(Base::of(backup(&[])).unwrap(), cut(), Scope::default(), now()).unwrap_err();
    assert!(matches!(faults[..], [Fault::Damaged { .. }]), "{faults:?}");
}

#[test]
fn the_scope_leaves_out_values_and_other_names() {
    let with = |name: &str, id: &str| Secret {
        version_ids_to_stages: BTreeMap::from([(id.to_owned(), vec!["AWSCURRENT".to_owned()])]),
        ..secret(name)
    };
    let (a, b) = ([with("prod-a", "1"), secret("dev-b")], [with("prod-a", "2"), described("dev-c", "d")]);
    let report = |values, filter: Option<&str>| {
        let scope = Scope { values, filter: filter.map(|pattern| pattern.parse().unwrap()) };
        archives(Base::of(backup(&a)).unwrap(), backup(&b), scope, now()).unwrap()
    };
    let changed = ("prod-a", "changed", "Value.AWSCURRENT: version 1 -> version 2");
    assert_eq!(lines(&report(true, Some("prod-*"))), [changed, equal("0")]);
    assert_eq!(lines(&report(false, Some("prod-*"))), [equal("1")]);
    let rest = [("dev-b", "removed", "only in the first"), ("dev-c", "added", "only in the second"), equal("0")];
    assert_eq!(lines(&report(true, Some("dev-?"))), rest);
    assert_eq!(report(true, Some("dev-?")).coverage, Coverage { wanted: 2, seen: 2 });
}

/// A backup of one secret with an encrypted value.
fn with_value(id: &str, mac: &str) -> Opened {
    let configured = Secret {
        version_ids_to_stages: BTreeMap::from([(id.to_owned(), vec!["AWSCURRENT".to_owned()])]),
        ..secret("a")
    };
    let value = SealedValue {
        version_id: id.into(),
        version_stages: vec!["AWSCURRENT".into()],
        created_date: None,
        value_type: "string".into(),
        message: CANARY.into(),
        mac: format!("{CANARY}-{mac}"),
    };
    let values = Values { name: "a".into(), arn: arn("a"), versions: vec![value] };
    let files = [
        ("a-config.json", serde_json::to_vec(&configured).unwrap()),
        ("a-values.json", serde_json::to_vec(&values).unwrap()),
    ];
    let (archive, manifest) = sealed(&files, |summary| summary.values = Some(1));
    opened(&archive, Some(&manifest))
}

#[test]
fn values_are_compared_by_their_hashes_and_never_shown() {
    for (id, mac, wanted) in [
        ("1", "m", None),
        ("2", "m", None),
        ("2", "n", Some("Value.AWSCURRENT: version 1 -> version 2")),
        ("1", "n", Some("Value.AWSCURRENT: version 1 -> version 1 (another value)")),
    ] {
        let base = Base::of(with_value("1", "m")).unwrap();
        let report = archives(base, with_value(id, mac), Scope::default(), now()).unwrap();
        let changed = report.items.iter().find(|item| item.verdict == "changed");
        assert_eq!(changed.map(|item| &*item.detail.en), wanted);
        for lang in [Lang::Ja, Lang::En] {
            for format in [Format::Table, Format::Json, Format::Csv, Format::Markdown, Format::Html] {
                assert!(!render(&report, format, lang).contains(CANARY));
            }
        }
    }
}

#[test]
fn ten_thousand_lines_are_shown_and_the_rest_counted() {
    let mut tally = Tally::new(Scope::default());
    let blind = Secret { unread: vec!["Tags".into()], ..secret("b") };
    for number in 0..MOST + 5 {
        tally.removed(&format!("s{number}"));
        tally.compared(&blind, &blind, vec![], Side::Before);
    }
    tally.added(&secret("a"));
    let base = Base::of(backup(&[])).unwrap();
    let report = tally.report("a", base.summary(), "b", None, "r", now());
    assert_eq!((report.items.len(), report.gaps.len()), (MOST + 2, MOST + 1));
    assert_eq!(lines(&report)[MOST..], [equal("0"), ("more", "more", "6 more")]);
    let gap = report.gaps.last().unwrap();
    assert_eq!(gap.reason, GapReason::Truncated);
    assert_eq!(gap.detail, "6 more secrets that differ and 5 more gaps are not shown; use --filter");
    assert_eq!(report.findings[0].detail.en, "0 changed, 1 added, 10005 removed");
    assert_eq!(report.status(), Status::Incomplete);
}

#[test]
fn a_detail_is_cut_where_it_gets_too_long() {
    let report = compared(&[described("a", &"あ".repeat(2048))], &[described("a", "b")]);
    let detail = &report.items[0].detail;
    assert!(detail.en.starts_with("Description: \"ああ") && detail.en.ends_with("あ... (cut)"));
    assert_eq!(detail.en.chars().count(), 2_000 + "... (cut)".len());
}

// --- The live estate

/// A backup of an estate of `names`, and the clients that still hold it.
async fn backed_up(names: &[&str]) -> (Aws, Shared, Base) {
    let world = World { secrets: names.iter().map(|name| (*name).to_owned()).collect(), ..World::default() };
    let (aws, shared) = clients(world);
    let settings = Settings::read(&|_| None).unwrap();
    let destination = Destination::Bucket { bucket: settings.bucket.clone(), prefix: None };
    let own = BackupSettings { values: None, full_pass_every: 1 };
    let answer = run(Job {
        estate: &aws,
        storage: &aws,
        settings: &settings,
        own: &own,
        kind: Kind::Daily,
        account: "123456789012",
        destination: &destination,
        chunk: None,
        now: now(),
        deadline: later(),
    });
    let answer = answer.await.unwrap();
    let base = {
        let world = shared.lock().unwrap();
        let [archive, manifest] = [&answer.artefacts[0], &answer.artefacts[1]].map(|key| &world.objects[key]);
        Base::of(opened(archive, Some(manifest))).unwrap()
    };
    (aws, shared, base)
}

async fn with_live(aws: &Aws, base: Base) -> Result<Report, JobError> {
    live(aws, base, Scope::default(), now(), later()).await
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*"}]}"#;

#[tokio::test]
async fn what_changed_since_is_told() {
    let (aws, _, base) = backed_up(&["a", "b", "c"]).await;
    assert_eq!(lines(&with_live(&aws, base).await.unwrap()), [equal("3")]);

    let (aws, shared, base) = backed_up(&["a", "b", "c"]).await;
    {
        let mut world = shared.lock().unwrap();
        world.secrets.retain(|name| name != "a");
        // Shown twice, as a list may that changes meanwhile.
        world.secrets.extend(["d".to_owned(), "d".to_owned(), "b".to_owned()]);
        world.policies.insert("b".into(), POLICY.into());
    }
    let report = with_live(&aws, base).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            ("a", "removed", "only in the first"),
            ("b", "changed", r#"ResourcePolicy: none -> {"Effect":"Deny","Principal":"*"}"#),
            ("d", "added", "only in the second"),
            equal("1"),
        ]
    );
    assert_eq!((report.status(), report.coverage), (Status::Findings, Coverage { wanted: 4, seen: 4 }));
    assert!(!shared.lock().unwrap().calls.contains_key("GetSecretValue"));
}

#[tokio::test]
async fn what_is_denied_is_a_gap_with_its_reason() {
    for (operation, what) in [
        ("GetResourcePolicy", Some("secretsmanager:GetResourcePolicy")),
        ("DescribeSecret", Some("secretsmanager:DescribeSecret")),
        ("ListSecretVersionIds", None),
    ] {
        let (aws, shared, base) = backed_up(&["a", "b"]).await;
        shared.lock().unwrap().faults.push(Wire::of(operation, "secret:b", "AccessDeniedException", 400));
        let report = with_live(&aws, base).await.unwrap();
        let gaps: Vec<_> =
            report.gaps.iter().map(|gap| (gap.what.as_str(), gap.subject.as_str(), gap.reason)).collect();
        assert_eq!(gaps, what.map(|what| (what, "b", GapReason::Denied)).into_iter().collect::<Vec<_>>());
        assert_eq!(report.coverage, Coverage { wanted: 2, seen: if what.is_some() { 1 } else { 2 } }, "{operation}");
    }
}

#[tokio::test]
async fn what_vanishes_meanwhile_is_neither_equal_nor_removed() {
    let (aws, shared, base) = backed_up(&["a", "b"]).await;
    shared.lock().unwrap().faults.push(Wire::of("DescribeSecret", "secret:b", "ResourceNotFoundException", 400));
    let report = with_live(&aws, base).await.unwrap();
    assert_eq!(lines(&report), [equal("1")]);
    assert!(report.gaps.iter().all(|gap| (gap.subject.as_str(), gap.reason) == ("b", GapReason::Vanished)));
    assert_eq!((report.status(), report.coverage), (Status::Incomplete, Coverage { wanted: 2, seen: 1 }));
}

#[tokio::test]
async fn half_a_list_is_not_compared() {
    let (aws, shared, base) = backed_up(&["a", "b", "c"]).await;
    shared.lock().unwrap().faults.push(Wire::of("ListSecrets", "2", "AccessDeniedException", 400));
    let JobError::Aws(error) = with_live(&aws, base).await.unwrap_err() else { panic!() };
    assert_eq!(error.operation, "secretsmanager:ListSecrets");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_nothing_counts_as_removed() {
    let (aws, shared, base) = backed_up(&["a", "b", "c", "d"]).await;
    shared.lock().unwrap().faults.push(Wire::of("ListSecrets", "2", "ThrottlingException", 400));
    let soon = Instant::now() + Duration::from_secs(5);
    let report = live(&aws, base, Scope::default(), now(), soon).await.unwrap();
    assert_eq!(lines(&report), [equal("2")]);
    assert_eq!((report.gaps[0].reason, report.coverage), (GapReason::Deadline, Coverage { wanted: 4, seen: 2 }));
    assert_eq!(report.gaps[0].detail, "stopped after 2 secrets; the rest was not compared");
}

// --- As people read it

#[test]
fn a_comparison_as_people_read_it() {
    let policy = |statements: &str| Some(format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
    let allow = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/app"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}"#;
    let before = Secret {
        kms_key_id: None,
        rotation_enabled: Some(true),
        tags: BTreeMap::from([("owner".into(), "ops".into()), ("cost|center".into(), "1".into())]),
        ..described("goal-mandala-prod-secret-database", "データベース")
    };
    let after = Secret {
        kms_key_id: Some("alias/other".into()),
        rotation_enabled: None,
        resource_policy: policy(allow),
        tags: BTreeMap::from([("owner".into(), "<b>dev</b>\u{1b}[2J".into())]),
        ..described("goal-mandala-prod-secret-database", "データベース")
    };
    let blind = Secret { unread: vec!["ResourcePolicy".into()], ..secret("blind") };
    let report = compared(
        &[before, secret("gone"), secret("same"), blind.clone()],
        &[after, secret("new/one"), secret("same"), blind],
    );
    insta::assert_snapshot!("diff_table_ja", render(&report, Format::Table, Lang::Ja));
    insta::assert_snapshot!("diff_markdown_en", render(&report, Format::Markdown, Lang::En));
}
