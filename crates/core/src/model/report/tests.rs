use super::*;

fn report(findings: usize, gaps: usize, coverage: Coverage) -> Report {
    let finding = Finding {
        check: "x",
        severity: Severity::Low,
        subject: "s".into(),
        detail: Text::fixed("", ""),
        remediation: Text::fixed("", ""),
        arn: None,
    };
    let gap = Gap { what: "w".into(), subject: String::new(), reason: GapReason::Denied, detail: "not allowed".into() };
    Report {
        schema: "secrets-ops/test/v1",
        title: Text::fixed("", ""),
        as_of: Timestamp::UNIX_EPOCH,
        region: "ap-northeast-1".into(),
        items: vec![],
        findings: vec![finding; findings],
        gaps: vec![gap; gaps],
        coverage,
        extras: Extras::default(),
    }
}

#[test]
fn unknown_is_never_ok() {
    let full = Coverage { wanted: 2, seen: 2 };
    for (findings, gaps, coverage, want) in [
        (0, 0, full, Status::Ok),
        (1, 0, full, Status::Findings),
        (0, 1, full, Status::Incomplete),
        (1, 1, full, Status::Incomplete),
        (0, 0, Coverage { wanted: 2, seen: 1 }, Status::Incomplete),
    ] {
        assert_eq!(report(findings, gaps, coverage).status(), want, "{findings} {gaps} {coverage:?}");
    }
}

#[test]
fn nothing_wanted_is_not_a_hundred_percent() {
    assert_eq!(Coverage { wanted: 0, seen: 0 }.percent(), None);
    assert_eq!(Coverage { wanted: 4, seen: 3 }.percent(), Some(75.0));
}
