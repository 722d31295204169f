use super::*;
use crate::model::{Coverage, Extras, Finding, Item, Suppressed, Text, Verdicts};

const TEXT: Text = Text::fixed("", "");

fn finding(check: &'static str, subject: &str, severity: Severity) -> Finding {
    Finding { check, severity, subject: subject.into(), arn: None, detail: TEXT, remediation: TEXT }
}

fn gap(what: &str, subject: &str) -> Gap {
    Gap { what: what.into(), subject: subject.into(), reason: GapReason::Denied, detail: String::new() }
}

fn item(subject: &str, title: bool, outcome: Outcome) -> Item {
    Item {
        subject: subject.into(),
        title: title.then_some(TEXT),
        runbook: None,
        outcome,
        verdict: "x",
        detail: TEXT,
        next: None,
    }
}

/// On this day of November 2026, at 09:00 in Tokyo.
fn on(day: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * (day - 1))
}

fn report(day: i64, findings: Vec<Finding>) -> Report {
    Report {
        schema: "secrets-ops/audit-daily/v1",
        title: TEXT,
        as_of: on(day),
        region: "ap-northeast-1".into(),
        items: vec![item("a", false, Outcome::Pass), item("b", false, Outcome::Pass)],
        findings,
        gaps: vec![],
        coverage: Coverage { wanted: 2, seen: 2 },
        extras: Extras::default(),
    }
}

fn low(subject: &str) -> Finding {
    finding("tagged", subject, Severity::Low)
}

/// Opened, still open, resolved and unknown, by subject.
fn told(changes: &Changes) -> [Vec<String>; 4] {
    let names = |keys: &BTreeSet<String>| keys.iter().cloned().collect::<Vec<_>>();
    let resolved = changes.resolved.iter().map(|one| format!("{} {}", one.check, one.subject)).collect();
    [names(&changes.opened), names(&changes.still_open), resolved, names(&changes.unknown)]
}

fn want(lists: [&[&str]; 4]) -> [Vec<String>; 4] {
    lists.map(|list| list.iter().map(|name| (*name).to_owned()).collect())
}

fn after(report: &Report) -> State {
    changes(&State::default(), report).next.told()
}

#[test]
fn opened_then_still_open_then_resolved() {
    let first = changes(&State::default(), &report(1, vec![low("a")]));
    assert_eq!(told(&first), want([&["tagged a"], &[], &[], &[]]));
    let second = changes(&first.next.clone().told(), &report(2, vec![low("a"), low("b")]));
    assert_eq!(told(&second), want([&["tagged b"], &["tagged a"], &[], &[]]));
    assert_eq!((second.next.entries["tagged a"].first, second.next.entries["tagged a"].last), (on(1), on(2)));
    let third = changes(&second.next.told(), &report(3, vec![low("b")]));
    assert_eq!(told(&third), want([&[], &["tagged b"], &["tagged a"], &[]]));
    assert_eq!((third.resolved[0].first_seen, third.resolved[0].at), (on(1), on(3)));
    // Told once.
    let fourth = changes(&third.next.told(), &report(4, vec![low("b")]));
    assert_eq!(told(&fourth), want([&[], &["tagged b"], &[], &[]]));
    // Back again is new again.
    let fifth = changes(&fourth.next.told(), &report(5, vec![low("a"), low("b")]));
    assert_eq!(told(&fifth), want([&["tagged a"], &["tagged b"], &[], &[]]));
    assert_eq!(fifth.next.entries["tagged a"].first, on(5));
}

#[test]
fn what_no_notice_has_told_is_told_again() {
    let first = changes(&State::default(), &report(1, vec![low("a")]));
    let second = changes(&first.next, &report(2, vec![low("a")]));
    assert_eq!(told(&second), want([&["tagged a"], &[], &[], &[]]));
    assert_eq!(second.next.entries["tagged a"].first, on(1));
    let third = changes(&second.next.told(), &report(3, vec![]));
    let fourth = changes(&third.next, &report(4, vec![]));
    assert_eq!(told(&fourth), want([&[], &[], &["tagged a"], &[]]));
}

#[test]
fn worse_is_new_and_milder_is_not() {
    let before = after(&report(1, vec![finding("tagged", "a", Severity::Medium)]));
    for (severity, opened) in [(Severity::Low, 0), (Severity::Medium, 0), (Severity::High, 1), (Severity::Critical, 1)]
    {
        let changes = changes(&before, &report(2, vec![finding("tagged", "a", severity)]));
        assert_eq!((changes.opened.len(), changes.still_open.len()), (opened, 1 - opened), "{severity:?}");
    }
    // Two of one key are as bad as the worse of them.
    let both = vec![finding("tagged", "a", Severity::High), finding("tagged", "a", Severity::Low)];
    assert_eq!(after(&report(1, both)).entries["tagged a"].severity, Some(Severity::High));
}

fn verdicts(letter: Option<&str>) -> Option<Verdicts> {
    let secrets = letter.map(|letter| ("a".to_owned(), format!("p{letter}"))).into_iter().collect();
    Some(Verdicts { checks: vec!["named", "tagged"], secrets })
}

/// A finding of the run before is not in this one. Only where it was looked at is it resolved.
#[test]
fn resolved_only_where_it_was_looked_at() {
    type Change = fn(&mut Report);
    let cases: [(&str, bool, Change); 20] = [
        ("all was seen", true, |_| {}),
        ("the secret's line is unknown", false, |report| report.items[0].outcome = Outcome::Unknown),
        ("a gap about the secret", false, |report| report.gaps = vec![gap("x:Y", "a")]),
        ("a gap about the check", false, |report| report.gaps = vec![gap("tagged", "")]),
        ("a gap about another secret", true, |report| report.gaps = vec![gap("x:Y", "b")]),
        ("the secret is gone", true, |report| drop(report.items.remove(0))),
        ("it is not in half a list", false, |report| {
            report.items.remove(0);
            report.gaps = vec![gap(LIST, "")];
        }),
        ("it is not in what was reached in time", false, |report| {
            report.items.remove(0);
            report.gaps = vec![Gap { reason: GapReason::Deadline, ..gap("x:Y", "") }];
        }),
        ("it is gone, and another one's reading failed", true, |report| {
            report.items.remove(0);
            report.gaps = vec![gap("x:Y", "b")];
        }),
        ("the check's letter is pass", true, |report| report.extras.verdicts = verdicts(Some("p"))),
        ("the question does not arise any more", true, |report| report.extras.verdicts = verdicts(Some("-"))),
        ("the check's letter is unknown", false, |report| report.extras.verdicts = verdicts(Some("u"))),
        ("the check's letter is fail all the same", false, |report| report.extras.verdicts = verdicts(Some("f"))),
        ("letters without that secret", true, |report| report.extras.verdicts = verdicts(None)),
        ("letters without it, of half a list", false, |report| {
            report.extras.verdicts = verdicts(None);
            report.gaps = vec![gap(LIST, "")];
        }),
        ("letters say pass, whatever another call said", true, |report| {
            report.extras.verdicts = verdicts(Some("p"));
            report.gaps = vec![gap("x:Y", "")];
        }),
        ("the check's line is unknown", false, |report| report.items = vec![item("tagged", true, Outcome::Unknown)]),
        ("the check's line passes", true, |report| report.items = vec![item("tagged", true, Outcome::Pass)]),
        ("the check's line fails, and something was not read", false, |report| {
            report.items = vec![item("tagged", true, Outcome::Fail)];
            report.gaps = vec![gap("x:Y", "")];
        }),
        ("a list without such a line, not whole", false, |report| {
            report.items = vec![item("other", true, Outcome::Pass)];
            report.coverage.seen = 1;
        }),
    ];
    let before = after(&report(1, vec![low("a")]));
    for (why, resolved, change) in cases {
        let mut now = report(2, vec![]);
        change(&mut now);
        let gaps = now.gaps.len();
        let changes = changes(&before, &now);
        assert_eq!(
            (changes.resolved.len(), changes.unknown.len()),
            (usize::from(resolved), usize::from(!resolved)),
            "{why}"
        );
        assert_eq!(changes.opened.len(), gaps, "{why}: a new gap is told");
    }
}

#[test]
fn a_gap_is_opened_once_and_resolved_when_it_was_asked_again() {
    let with = |day, gaps| Report { gaps, ..report(day, vec![]) };
    let before = after(&with(1, vec![gap("x:Y", "a")]));
    // Another reason is the same gap.
    let throttled = Gap { reason: GapReason::Throttled, ..gap("x:Y", "a") };
    assert_eq!(told(&changes(&before, &with(2, vec![throttled]))), want([&[], &["gap x:Y a"], &[], &[]]));
    assert_eq!(told(&changes(&before, &with(2, vec![]))), want([&[], &[], &["gap x:Y a"], &[]]));
    assert_eq!(
        told(&changes(&before, &with(2, vec![gap(LIST, "")]))),
        want([&["gap secretsmanager:ListSecrets"], &[], &[], &["gap x:Y a"]]),
        "nothing was asked"
    );
    assert_eq!(told(&changes(&before, &with(2, vec![gap("x:Y", "")]))), want([&["gap x:Y"], &[], &[], &["gap x:Y a"]]));
}

#[test]
fn a_suppressed_one_is_neither_opened_nor_resolved_and_comes_back() {
    let suppressed = |day| {
        let until = "2026-11-30".parse().unwrap();
        let one = Suppressed { finding: low("a"), owner: "o".into(), reason: "r".into(), until };
        Report { extras: Extras { suppressed: vec![one], ..Extras::default() }, ..report(day, vec![]) }
    };
    let open = after(&report(1, vec![low("a")]));
    let quiet = changes(&open, &suppressed(2));
    assert_eq!(told(&quiet), want([&[], &[], &[], &[]]));
    let still = changes(&quiet.next, &suppressed(3));
    assert_eq!(told(&still), want([&[], &[], &[], &[]]));
    let back = changes(&still.next, &report(4, vec![low("a")]));
    assert_eq!(told(&back), want([&["tagged a"], &[], &[], &[]]));
    // Gone while nobody listened: nothing to tell people, but other systems archive it.
    let gone = changes(&still.next, &report(4, vec![]));
    assert_eq!(told(&gone), want([&[], &[], &[], &[]]));
    assert_eq!(gone.next.resolved().len(), 1);
    // A run that could not look leaves it suppressed.
    let mut blind = report(4, vec![]);
    blind.items[0].outcome = Outcome::Unknown;
    assert_eq!(changes(&still.next, &blind).next.entries["tagged a"].stands, Stands::Suppressed);
}

#[test]
fn what_is_resolved_is_kept_for_thirty_days() {
    let before = after(&report(1, vec![low("a")]));
    let gone = changes(&before, &report(2, vec![])).next;
    for (day, untold, kept) in [(31, false, true), (32, false, false), (32, true, true)] {
        let state = if untold { gone.clone() } else { gone.clone().told() };
        assert_eq!(changes(&state, &report(day, vec![])).next.resolved().len(), usize::from(kept), "{day} {untold}");
    }
}

#[test]
fn a_state_survives_being_written_down() {
    let mut state = changes(&State::default(), &report(1, vec![low("a \u{1b} \"b\"")])).next;
    state.digest = Some(on(1));
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
}
