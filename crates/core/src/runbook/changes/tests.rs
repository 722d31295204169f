use super::*;
use crate::aws::fake::{Fault, LOST, Shared, World, clients};
use crate::model::{Coverage, Finding, Item, Outcome, Severity, Status, Text};
use crate::runbook::job;

const STATE: &str = "state/audit-daily.json";

fn settings() -> Settings {
    Settings::read(&|name| match name {
        "SECRETS_OPS_LANG" => Some("en".to_owned()),
        "SECRETS_OPS_TOPIC_ARN" => Some("arn:aws:sns:ap-northeast-1:123456789012:alerts".to_owned()),
        _ => None,
    })
    .unwrap()
}

fn finding(subject: &str) -> Finding {
    Finding {
        check: "tagged",
        severity: Severity::Low,
        subject: subject.into(),
        arn: None,
        detail: Text::fixed("タグがない", "has no tag"),
        remediation: Text::fixed("タグを付ける", "Tag it"),
    }
}

fn report(now: &str, subjects: &[&str]) -> Report {
    let item = |subject: &str| Item {
        subject: subject.into(),
        title: None,
        runbook: None,
        outcome: Outcome::Pass,
        verdict: "x",
        detail: Text::fixed("", ""),
        next: None,
    };
    Report {
        schema: "secrets-ops/audit-daily/v1",
        title: Text::fixed("日次", "Daily"),
        as_of: now.parse().unwrap(),
        region: "ap-northeast-1".into(),
        items: ["a", "b"].map(item).to_vec(),
        findings: subjects.iter().map(|subject| finding(subject)).collect(),
        gaps: vec![],
        coverage: Coverage { wanted: 2, seen: 2 },
        extras: Extras::default(),
    }
}

/// On this day of November 2026, at 09:00 in Tokyo.
fn on(day: u8, subjects: &[&str]) -> Report {
    report(&format!("2026-11-{day:02}T00:00:00Z"), subjects)
}

struct Fixture {
    aws: Aws,
    shared: Shared,
    job: &'static str,
}

impl Fixture {
    fn new(faults: Vec<Fault>) -> Self {
        let (aws, shared) = clients(World { faults, ..World::default() });
        Self { aws, shared, job: "audit-daily" }
    }

    async fn tell(&self, report: &Report) -> Answer {
        job::tell(&self.aws, &settings(), self.job, report, report.as_of).await
    }

    /// The notices that came since the last time that somebody asked.
    fn notices(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.shared.lock().unwrap().notices)
    }

    fn faults(&self, faults: Vec<Fault>) {
        self.shared.lock().unwrap().faults = faults;
    }
}

fn counts(answer: &Answer) -> [u64; 4] {
    ["opened", "still-open", "resolved", "not-looked-at-again"].map(|name| answer.counts[name])
}

#[tokio::test]
async fn once_for_each_change() {
    let fixture = Fixture::new(vec![]);
    let answer = fixture.tell(&on(1, &["a", "b"])).await;
    assert_eq!((counts(&answer), answer.status, answer.gaps.len()), ([2, 0, 0, 0], Status::Findings, 0));
    let [(subject, body)] = &fixture.notices()[..] else { panic!() };
    assert_eq!(subject, "[goal-mandala-prod] audit-daily findings: 2 findings, 0 gaps; 2 new, 0 resolved");
    assert!(body.contains("New findings\n- [low] tagged a: has no tag\n") && !body.contains("Still open"), "{body}");

    assert_eq!(counts(&fixture.tell(&on(2, &["a", "b"])).await), [0, 2, 0, 0]);
    assert_eq!(fixture.notices(), []);

    assert_eq!(counts(&fixture.tell(&on(3, &["b"])).await), [0, 1, 1, 0]);
    let [(_, body)] = &fixture.notices()[..] else { panic!() };
    insta::assert_snapshot!("resolved_en", body);

    assert_eq!(counts(&fixture.tell(&on(4, &[])).await), [0, 0, 1, 0]);
    let [(subject, _)] = &fixture.notices()[..] else { panic!() };
    assert_eq!(subject, "[goal-mandala-prod] audit-daily ok: 0 findings, 0 gaps; 0 new, 1 resolved");
    fixture.tell(&on(5, &[])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn the_report_knows_since_when_and_what_is_gone() {
    let fixture = Fixture::new(vec![]);
    fixture.tell(&on(1, &["a", "b"])).await;
    let answer = fixture.tell(&on(2, &["b"])).await;
    let json: serde_json::Value =
        serde_json::from_str(&fixture.shared.lock().unwrap().text(&answer.artefacts[0])).unwrap();
    assert_eq!(json["first_seen"]["tagged b"], "2026-11-01T00:00:00Z");
    assert_eq!(
        (&json["resolved"][0]["subject"], &json["resolved"][0]["at"]),
        (&"a".into(), &"2026-11-02T00:00:00Z".into())
    );
    // The command line tells other systems the same a week later.
    let (dated, gap) = dated(&fixture.aws, &settings(), on(9, &["b"])).await;
    assert_eq!((dated.extras.resolved.len(), gap), (1, None));
    assert_eq!(dated.extras.first_seen.len(), 1);
    let calls = fixture.shared.lock().unwrap().calls["GetObject"];
    let backup = Report { schema: "secrets-ops/backup-list/v1", ..on(9, &[]) };
    self::dated(&fixture.aws, &settings(), backup).await;
    assert_eq!(fixture.shared.lock().unwrap().calls["GetObject"], calls, "a backup has no state to ask for");
}

#[tokio::test]
async fn a_digest_after_seven_days_and_not_after_six() {
    let fixture = Fixture::new(vec![]);
    fixture.tell(&on(1, &["a"])).await;
    fixture.notices();
    // Half an hour before midnight in Tokyo, and half an hour after it: days count, not hours.
    fixture.tell(&report("2026-11-07T14:30:00Z", &["a"])).await;
    assert_eq!(fixture.notices(), []);
    fixture.tell(&report("2026-11-07T15:30:00Z", &["a"])).await;
    let [(_, body)] = &fixture.notices()[..] else { panic!() };
    insta::assert_snapshot!("digest_en", body);
    // And from then on again.
    fixture.tell(&on(14, &["a"])).await;
    assert_eq!(fixture.notices(), []);
    fixture.tell(&on(15, &["a"])).await;
    assert_eq!(fixture.notices().len(), 1);
    // Nothing open, nothing to say.
    fixture.tell(&on(16, &[])).await;
    assert_eq!(fixture.notices().len(), 1);
    fixture.tell(&on(30, &[])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn weekly_and_monthly_lists_are_digests_by_themselves() {
    for job in ["audit-weekly", "audit-monthly"] {
        let fixture = Fixture { job, ..Fixture::new(vec![]) };
        for day in [1, 2] {
            fixture.tell(&on(day, &["a"])).await;
            assert_eq!(fixture.notices().len(), 1, "{job}");
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_before_its_notice_leaves_it_to_the_next() {
    let fixture = Fixture::new(vec![]);
    // It got as far as writing the state down.
    let memory = recall(&fixture.aws, &settings(), "audit-daily", settings().patience).await;
    let written = write_down(&fixture.aws, &settings(), &on(1, &["a"]), memory, "audit-daily").await;
    assert!(written.done);
    fixture.tell(&on(2, &["a"])).await;
    assert_eq!(fixture.notices().len(), 1);
    fixture.tell(&on(3, &["a"])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn a_run_that_dies_after_its_notice_tells_it_twice_and_no_more() {
    let fixture = Fixture::new(vec![]);
    fixture.tell(&on(1, &["a"])).await;
    // As it was between notice and note.
    let memory = recall(&fixture.aws, &settings(), "audit-daily", settings().patience).await;
    let mut before = memory.state.clone();
    before.entries.values_mut().for_each(|entry| entry.untold = true);
    let mut memory = memory;
    memory.store(&fixture.aws, &settings(), &before).await.unwrap();
    fixture.notices();
    fixture.tell(&on(2, &["a"])).await;
    assert_eq!(fixture.notices().len(), 1);
    fixture.tell(&on(3, &["a"])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn a_notice_that_does_not_get_through_is_sent_by_the_next_run() {
    let fixture = Fixture::new(vec![Fault::of("Publish", "", "AuthorizationError", 403)]);
    let answer = fixture.tell(&on(1, &["a"])).await;
    assert_eq!((answer.gaps.len(), answer.gaps[0].what.as_str()), (1, "sns:Publish"));
    fixture.faults(vec![]);
    fixture.tell(&on(2, &["a"])).await;
    assert_eq!(fixture.notices().len(), 1);
    fixture.tell(&on(3, &["a"])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn two_deliveries_at_once_tell_it_and_neither_fails() {
    let fixture = Fixture::new(vec![]);
    let (first, second) = (on(1, &["a"]), on(1, &["a"]));
    let (first, second) = tokio::join!(fixture.tell(&first), fixture.tell(&second));
    assert_eq!((first.gaps, second.gaps), (vec![], vec![]));
    assert!(!fixture.notices().is_empty());
    fixture.tell(&on(2, &["a"])).await;
    assert_eq!(fixture.notices(), []);
}

/// S3 has written the state, the answer is lost, and the SDK's second attempt meets the first.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_conflict() {
    let fixture = Fixture::new(vec![Fault { times: 1, ..Fault::of("PutObject", "state/", LOST, 500) }]);
    let answer = fixture.tell(&on(1, &["a"])).await;
    assert_eq!((answer.gaps.len(), fixture.notices().len()), (0, 1));
    fixture.tell(&on(2, &["a"])).await;
    assert_eq!(fixture.notices(), []);
}

#[tokio::test]
async fn without_a_state_everything_is_new_and_the_notice_says_so() {
    for (operation, code) in [("GetObject", "AccessDenied"), ("PutObject", "AccessDenied")] {
        let fixture = Fixture::new(vec![]);
        fixture.tell(&on(1, &["a"])).await;
        let stored = fixture.shared.lock().unwrap().text(STATE);
        fixture.notices();
        fixture.faults(vec![Fault::of(operation, "state/", code, 403)]);
        for day in [2, 3] {
            let answer = fixture.tell(&on(day, &["a"])).await;
            assert_eq!((counts(&answer), answer.status, answer.success), ([1, 0, 0, 0], Status::Incomplete, true));
            assert_eq!(answer.gaps[0].subject, STATE, "{operation}");
            let [(_, body)] = &fixture.notices()[..] else { panic!() };
            assert!(body.contains(&format!("Note: the state of earlier runs, {STATE}, could not be used")), "{body}");
        }
        assert_eq!(fixture.shared.lock().unwrap().text(STATE), stored, "{operation}: what it says may be right");
        fixture.faults(vec![]);
        fixture.tell(&on(4, &["a"])).await;
        assert_eq!(fixture.notices(), [], "{operation}");
    }
}

/// The SDK's retries take longer than a job has left.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_late_is_done_without() {
    let fixture = Fixture::new(vec![]);
    fixture.tell(&on(1, &["a"])).await;
    fixture.notices();
    fixture.faults(vec![Fault::of("GetObject", "state/", "SlowDown", 503)]);
    let answer = fixture.tell(&on(2, &["a"])).await;
    assert_eq!((answer.gaps[0].reason, answer.artefacts.len()), (GapReason::TimedOut, 2));
    assert_eq!(fixture.notices().len(), 1);
}

#[tokio::test]
async fn a_garbled_state_is_told_of_once_and_written_anew() {
    for garbled in ["", "{}", "{\"schema\":\"secrets-ops/state/v2\",\"entries\":{}}"] {
        let fixture = Fixture::new(vec![]);
        fixture.tell(&on(1, &["a"])).await;
        fixture.notices();
        fixture.shared.lock().unwrap().objects.insert(STATE.into(), garbled.into());
        let answer = fixture.tell(&on(2, &["a"])).await;
        assert_eq!((answer.gaps[0].reason, fixture.notices().len()), (GapReason::Malformed, 1), "{garbled}");
        let answer = fixture.tell(&on(3, &["a"])).await;
        assert_eq!((answer.gaps.len(), fixture.notices()), (0, vec![]), "{garbled}");
    }
}

#[tokio::test]
async fn half_a_report_resolves_nothing_and_its_gap_is_told_once() {
    let fixture = Fixture::new(vec![]);
    fixture.tell(&on(1, &["a", "b"])).await;
    fixture.notices();
    let half = |day| {
        let mut half = on(day, &[]);
        half.items.clear();
        half.gaps.push(job::deadline_gap("secretsmanager:ListSecrets", "stopped".into()));
        half.coverage = Coverage { wanted: 1, seen: 0 };
        half
    };
    assert_eq!(counts(&fixture.tell(&half(2)).await), [1, 0, 0, 2]);
    let [(_, body)] = &fixture.notices()[..] else { panic!() };
    assert!(body.contains("Newly not looked at\n") && body.contains("2 open before and not looked at now"), "{body}");
    assert_eq!(counts(&fixture.tell(&half(3)).await), [0, 1, 0, 2]);
    assert_eq!(fixture.notices(), []);
    assert_eq!(counts(&fixture.tell(&on(4, &["a", "b"])).await), [0, 2, 1, 0]);
}

#[tokio::test]
async fn other_jobs_tell_of_every_run() {
    let fixture = Fixture { job: "restore-drill", ..Fixture::new(vec![]) };
    for day in [1, 2] {
        fixture.tell(&on(day, &["a"])).await;
        assert_eq!(fixture.notices().len(), 1);
    }
    assert!(!fixture.shared.lock().unwrap().objects.keys().any(|key| key.starts_with("state/")));
}

#[test]
fn the_notice_in_japanese() {
    let report = on(2, &["b"]);
    let state = changes(&State::default(), &on(1, &["a"])).next.told();
    let changes = changes(&state, &report);
    let japanese = Settings::read(&|_| None).unwrap();
    let compared = Compared { changes: &changes, all: true, trouble: None };
    let notice = Notice::of_changes(&japanese, "audit-daily", &report, &compared, Some("s3://b/r.txt")).unwrap();
    insta::assert_snapshot!("changes_ja", notice.body);
}
