//! Each question on either side of its limit. The recent part begins on Monday, 16 November 2026.

use jiff::SignedDuration;

use super::*;
use crate::model::Access;

const FROM: &str = "2026-11-01T00:00:00Z";
const RECENT: &str = "2026-11-16T00:00:00Z";
const TO: &str = "2026-11-22T00:00:00Z";
const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:db-AbCdEf";
const APP: &str = "arn:aws:sts::123456789012:assumed-role/app";

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A read by the application at noon in Tokyo, so many hours after the recent part's beginning or before it.
fn read(hours: i64) -> Access {
    Access {
        at: moment("2026-11-16T03:00:00Z") + SignedDuration::from_hours(hours),
        count: 1,
        event: "GetSecretValue".into(),
        secret_id: Some("db".into()),
        principal: APP.into(),
        kind: Some("AssumedRole".into()),
        source: Some("203.0.113.9".into()),
        ..Access::default()
    }
}

/// What the baseline has: a read each day.
fn usual() -> Vec<Access> {
    (-14..0).map(|day| read(24 * day)).collect()
}

fn accesses(entries: Vec<Access>) -> Accesses {
    let (from, to) = (moment(FROM), moment(TO));
    Accesses { from, to, read_from: "t".into(), entries, ..Accesses::default() }
}

fn own(set: &[(&'static str, &'static str)]) -> AccessSettings {
    let set = set.to_vec();
    AccessSettings::read(&move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        .unwrap()
}

fn db() -> Known<'static> {
    Known { name: "db", arn: ARN, created: Some(moment("2026-01-01T00:00:00Z")), deleted: false }
}

fn judged_with(accesses: &Accesses, secrets: &[Known<'_>], settings: &AccessSettings) -> Vec<Judged> {
    judge(accesses, secrets, settings, moment(RECENT), &TimeZone::get("Asia/Tokyo").unwrap())
}

fn answer_of(judged: &[Judged], id: &str) -> Answer {
    judged.iter().find(|judged| judged.kind.id == id).unwrap().answer.clone()
}

/// Subjects of a question's findings over the usual baseline and these recent reads.
fn found(id: &str, recent: Vec<Access>) -> Vec<String> {
    found_with(id, recent, &own(&[]))
}

fn found_with(id: &str, recent: Vec<Access>, settings: &AccessSettings) -> Vec<String> {
    let accesses = accesses([usual(), recent].concat());
    let answer = answer_of(&judged_with(&accesses, &[db()], settings), id).unwrap().unwrap();
    answer.into_iter().map(|unusual| unusual.subject).collect()
}

#[test]
fn nothing_unusual_passes_everything() {
    let all = accesses([usual(), vec![read(0), read(24)]].concat());
    for judged in judged_with(&all, &[db()], &own(&[])) {
        assert_eq!(judged.answer, Ok(Some(vec![])), "{}", judged.kind.id);
    }
}

#[test]
fn ids_are_unique_and_named_after_their_subject() {
    let ids: Vec<&str> = kinds().map(|kind| kind.id).collect();
    assert!(ids.iter().all(|id| id.starts_with("access-")));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
}

#[test]
fn a_principal_is_new_where_the_baseline_does_not_know_it() {
    let id = "access-new-principal";
    let eve = || Access { principal: "eve".into(), ..read(1) };
    assert_eq!(found(id, vec![read(0)]), [""; 0]);
    assert_eq!(found(id, vec![eve(), Access { principal: "bob".into(), ..read(2) }]), ["db"], "one finding a secret");
    assert_eq!(found(id, vec![Access { error: Some("AccessDenied".into()), ..eve() }]), [""; 0], "it read nothing");
    for name in [ARN, ARN.strip_suffix("-AbCdEf").unwrap()] {
        assert_eq!(found(id, vec![Access { secret_id: Some(name.into()), ..read(1) }]), [""; 0], "the same secret");
        assert_eq!(found(id, vec![Access { secret_id: Some(name.into()), ..eve() }]), ["db"]);
    }
    assert_eq!(found(id, vec![Access { secret_id: Some("else".into()), ..eve() }]), [""; 0], "no listed secret");

    let refused_before = accesses(
        [
            usual(),
            vec![Access { error: Some("AccessDenied".into()), at: moment("2026-11-10T00:00:00Z"), ..eve() }, eve()],
        ]
        .concat(),
    );
    let answer = answer_of(&judged_with(&refused_before, &[db()], &own(&[])), id);
    let unusual = answer.unwrap().unwrap().remove(0);
    assert_eq!(
        (unusual.subject.as_str(), unusual.arn.as_deref(), unusual.severity),
        ("db", Some(ARN), Severity::Medium)
    );
    assert_eq!(
        unusual.detail.en,
        "not once in the baseline from 2026-11-01T00:00:00Z: eve (1 reads, the first at 2026-11-16T04:00:00Z, \
         from 203.0.113.9)"
    );
}

#[test]
fn only_what_is_older_than_the_baseline_has_a_past() {
    let eve = Access { principal: "eve".into(), source: Some("198.51.100.1".into()), ..read(1) };
    let all = accesses([usual(), vec![eve]].concat());
    for (created, want) in
        [(Some(FROM), 1), (Some("2026-10-31T23:59:59Z"), 1), (Some("2026-11-01T00:00:01Z"), 0), (None, 1)]
    {
        let secret = Known { created: created.map(moment), ..db() };
        let judged = judged_with(&all, &[secret], &own(&[]));
        for id in ["access-new-principal", "access-network"] {
            assert_eq!(answer_of(&judged, id).unwrap().unwrap().len(), want, "{id} {created:?}");
        }
    }
}

#[test]
fn a_baseline_takes_seven_days_that_were_really_read() {
    let kinds = ["access-new-principal", "access-network"];
    let mut all = accesses([usual(), vec![read(0)]].concat());
    for (truncated_at, whole) in [
        (None, true),
        (Some("2026-11-09T00:00:00Z"), true),
        (Some("2026-11-09T00:00:01Z"), false),
        (Some("2026-11-15T23:00:00Z"), false),
    ] {
        all.truncated_at = truncated_at.map(moment);
        let judged = judged_with(&all, &[db()], &own(&[]));
        for id in kinds {
            let answer = answer_of(&judged, id);
            assert_eq!(answer.is_ok(), whole, "{truncated_at:?} {id}");
            assert!(whole || answer.unwrap_err().reason == GapReason::Truncated);
        }
        assert_eq!(answer_of(&judged, "access-denied"), Ok(Some(vec![])), "the recent part is whole");
    }
    let only_recent = accesses(vec![read(0)]);
    let without_list = accesses([usual(), vec![read(0)]].concat());
    for id in kinds {
        let answer = answer_of(&judged_with(&only_recent, &[db()], &own(&[])), id);
        assert_eq!(answer.unwrap_err().reason, GapReason::NoData, "an empty past knows nobody");
        let answer = answer_of(&judged_with(&without_list, &[], &own(&[])), id);
        assert_eq!(answer.unwrap_err().what, "secretsmanager:ListSecrets");
    }
    let day = Accesses { from: moment(RECENT), ..accesses(vec![read(0)]) };
    for id in kinds {
        assert_eq!(answer_of(&judged_with(&day, &[], &own(&[])), id), Ok(None), "none was asked for");
    }
}

#[test]
fn what_is_missing_is_never_a_pass_and_hides_nothing() {
    let whole = accesses([usual(), vec![read(0)]].concat());
    let cut = Accesses { truncated_at: Some(moment("2026-11-16T00:00:01Z")), ..whole.clone() };
    let garbled = Accesses { unreadable: 1, ..whole.clone() };
    let silent = accesses(usual());
    for (part, reason) in
        [(cut.clone(), GapReason::Truncated), (garbled, GapReason::Malformed), (silent, GapReason::NoData)]
    {
        for judged in judged_with(&part, &[db()], &own(&[])) {
            assert_eq!(judged.answer.unwrap_err().reason, reason, "{}", judged.kind.id);
        }
    }
    let gap = Gap { what: "x".into(), subject: "y".into(), reason: GapReason::Throttled, detail: "z".into() };
    let told = Accesses { gaps: vec![gap.clone()], ..cut.clone() };
    assert_eq!(answer_of(&judged_with(&told, &[db()], &own(&[])), "access-root"), Err(gap), "the reason itself");
    let root = Access { kind: Some("Root".into()), ..read(1) };
    let bad = Accesses { entries: [whole.entries, vec![root]].concat(), ..cut };
    assert_eq!(answer_of(&judged_with(&bad, &[db()], &own(&[])), "access-root").unwrap().unwrap().len(), 1);
}

/// So many reads, a second apart, by the principal.
fn many(number: i64, principal: &str) -> Vec<Access> {
    let one = |n| Access { at: read(1).at + SignedDuration::from_secs(n), principal: principal.into(), ..read(1) };
    (0..number).map(one).collect()
}

#[test]
fn a_burst_is_held_against_the_past_or_the_runbooks_limit() {
    let id = "access-burst";
    assert_eq!(found(id, many(100, "new")), [""; 0], "exactly the runbook's limit");
    assert_eq!(found(id, many(101, "new")), ["new"], "told of the principal, and not again of its secret");
    assert_eq!(found(id, many(20, APP)), [""; 0], "three times one is below the least limit");
    assert_eq!(found(id, many(21, APP)), [APP]);
    let busy: Vec<Access> =
        many(50, APP).into_iter().map(|one| Access { at: one.at - SignedDuration::from_hours(200), ..one }).collect();
    assert_eq!(found(id, [busy.clone(), many(150, APP)].concat()), [""; 0], "three times its own most");
    assert_eq!(found(id, [busy.clone(), many(151, APP)].concat()), [APP]);
    let elsewhere: Vec<Access> =
        busy.iter().map(|one| Access { secret_id: Some("other".into()), ..one.clone() }).collect();
    assert_eq!(found(id, [elsewhere.clone(), many(21, APP)].concat()), ["db"], "too much for this secret alone");
    assert_eq!(found(id, [elsewhere, many(20, APP)].concat()), [""; 0]);
    let spread = (0..1000).map(|n| Access {
        at: read(1).at + SignedDuration::from_secs(3 * n),
        principal: "new".into(),
        ..read(1)
    });
    assert_eq!(found(id, spread.collect()), [""; 0], "100 in each window of 300 s");
    let short = own(&[("SECRETS_OPS_BURST_CALLS", "30")]);
    let mut all = accesses([usual(), many(31, APP)].concat());
    all.truncated_at = Some(moment("2026-11-12T00:00:00Z"));
    let answer = answer_of(&judged_with(&all, &[db()], &short), id).unwrap().unwrap();
    assert!(answer[0].detail.en.ends_with("(limit 30: SECRETS_OPS_BURST_CALLS)"), "{:?}", answer[0].detail);
}

#[test]
fn the_window_of_a_burst_is_half_open_and_sums_of_five_minutes_stand_alone() {
    let id = "access-burst";
    let at = |seconds: i64, count| Access {
        at: read(1).at + SignedDuration::from_secs(seconds),
        count,
        principal: "new".into(),
        ..read(1)
    };
    assert_eq!(found(id, vec![at(0, 60), at(300, 60)]), [""; 0]);
    assert_eq!(found(id, vec![at(0, 60), at(299, 60)]), ["new"]);
    assert_eq!(found(id, vec![at(0, 101)]), ["new"]);
    assert_eq!(found(id, vec![at(0, u64::MAX), at(1, u64::MAX)]), ["new"]);
    let batch = Access { secret_id: Some("db,other,more".into()), error: Some("AccessDenied".into()), ..at(0, 50) };
    assert_eq!(found(id, vec![batch]), [""; 0], "a batch is one call, whatever it names");
}

#[test]
fn people_at_night_and_programs_at_any_time() {
    let id = "access-off-hours";
    let person = |at: &str| Access { by_person: true, at: moment(at), principal: "taro".into(), ..read(0) };
    for (at, want) in [
        ("2026-11-15T22:59:59Z", &[][..]), // before the part that is judged
        ("2026-11-16T10:59:59Z", &[]),     // Monday 19:59 in Tokyo
        ("2026-11-16T11:00:00Z", &["taro"]),
        ("2026-11-21T01:00:00Z", &["taro"]), // Saturday morning
    ] {
        assert_eq!(found(id, vec![read(0), person(at)]), want, "{at}");
        assert_eq!(found(id, vec![Access { by_person: false, ..person(at) }, read(0)]), [""; 0], "{at}");
    }
    let refused = Access { error: Some("AccessDenied".into()), ..person("2026-11-16T11:00:00Z") };
    assert_eq!(found(id, vec![refused]), [""; 0]);
    let wide = own(&[("SECRETS_OPS_BUSINESS_HOURS", "08:00-20:01")]);
    assert_eq!(found_with(id, vec![person("2026-11-16T11:00:00Z")], &wide), [""; 0]);
}

#[test]
fn denials_in_all_spellings_are_grouped_by_caller() {
    let id = "access-denied";
    let failed = |code: &str, principal: &str, secret: Option<&str>| Access {
        error: Some(code.into()),
        principal: principal.into(),
        secret_id: secret.map(str::to_owned),
        ..read(1)
    };
    let all = accesses(vec![
        failed("AccessDenied", "eve", Some("db")),
        failed("AccessDeniedException", "eve", Some("db,x")),
        failed("Client.UnauthorizedOperation", "mallory", None),
        failed("ResourceNotFoundException", "bob", Some("db")),
    ]);
    let answer = answer_of(&judged_with(&all, &[db()], &own(&[])), id).unwrap().unwrap();
    let told: Vec<(&str, &str)> = answer.iter().map(|one| (one.subject.as_str(), one.detail.en.as_ref())).collect();
    assert_eq!(
        told,
        [
            ("eve", "2 reads denied (from 203.0.113.9; of db, x)"),
            ("mallory", "1 reads denied (from 203.0.113.9; of ?)")
        ]
    );
}

#[test]
fn networks_of_the_settings_or_of_the_past() {
    let id = "access-network";
    let from = |source: &str| Access { source: Some(source.into()), ..read(1) };
    for (source, want) in [
        ("203.0.113.200", &[][..]),
        ("203.0.114.9", &["db"]),
        ("2001:db8::1", &["db"]),
        ("rds.amazonaws.com", &[]),
        ("AWS Internal", &[]),
        ("::ffff:203.0.113.1", &[]),
    ] {
        assert_eq!(found(id, vec![from(source)]), want, "{source}");
    }
    assert_eq!(found(id, vec![Access { error: Some("AccessDenied".into()), ..from("192.0.2.1") }]), [""; 0]);
    let ours = own(&[("SECRETS_OPS_NETWORKS", "203.0.113.0/25,2001:db8::/32")]);
    for (source, want) in [
        ("203.0.113.127", &[][..]),
        ("203.0.113.128", &[APP]),
        ("2001:db8:ffff::1", &[]),
        ("2001:db9::1", &[APP]),
        ("rds.amazonaws.com", &[]),
    ] {
        assert_eq!(found_with(id, vec![from(source)], &ours), want, "{source}");
    }
    let nowhere = accesses([usual(), vec![Access { source: None, ..read(1) }]].concat());
    let answer = answer_of(&judged_with(&nowhere, &[db()], &ours), id);
    assert_eq!(answer.unwrap_err().detail, "1 reads do not say where they came from");
    let unread_before = accesses(vec![Access { secret_id: Some("other".into()), ..read(-24) }, from("192.0.2.1")]);
    let judged = judged_with(&unread_before, &[db()], &own(&[]));
    assert_eq!(answer_of(&judged, id), Ok(Some(vec![])), "no past of its own");
    assert_eq!(answer_of(&judged, "access-new-principal").unwrap().unwrap().len(), 1, "but not passed over");
}

#[test]
fn reads_of_what_is_scheduled_for_deletion() {
    let id = "access-marked-for-deletion";
    let failed = |code: &str| Access { error: Some(code.into()), ..read(1) };
    let marked = || Access { marked_for_deletion: true, ..failed("InvalidRequestException") };
    assert_eq!(found(id, vec![marked()]), ["db"]);
    assert_eq!(found(id, vec![Access { secret_id: Some("gone".into()), ..marked() }]), ["gone"]);
    assert_eq!(found(id, vec![failed("InvalidRequestException")]), [""; 0], "it may be another fault");
    let all = |code: &str| accesses([usual(), vec![failed(code)]].concat());
    let deleted = [Known { deleted: true, ..db() }];
    for (code, want) in [("InvalidRequestException", 1), ("AccessDenied", 0)] {
        let answer = answer_of(&judged_with(&all(code), &deleted, &own(&[])), id).unwrap().unwrap();
        assert_eq!(answer.len(), want, "{code}");
    }
    let before = accesses([usual(), vec![read(1)]].concat());
    assert_eq!(answer_of(&judged_with(&before, &deleted, &own(&[])), id), Ok(Some(vec![])), "read before its deletion");
}

#[test]
fn one_secrets_partial_arn_never_hides_another_secrets_whole_one() {
    // The second secret's name ends like an ARN: its partial ARN reads like the first one's whole.
    let second = Known { name: "db-AbCdEf", arn: &format!("{ARN}-XxYyZz"), ..db() };
    for secrets in [[db(), second], [second, db()]] {
        let eve = Access { principal: "eve".into(), secret_id: Some(ARN.into()), ..read(1) };
        let all = accesses([usual(), vec![eve]].concat());
        let answer = answer_of(&judged_with(&all, &secrets, &own(&[])), "access-new-principal").unwrap().unwrap();
        assert_eq!(answer[0].subject, "db");
    }
}
