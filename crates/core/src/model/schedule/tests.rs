use super::*;

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn rules(expression: &str, duration: Option<&str>) -> RotationRules {
    RotationRules {
        schedule_expression: Some(expression.into()),
        duration: duration.map(Into::into),
        ..RotationRules::default()
    }
}

fn schedule(expression: &str, duration: Option<&str>) -> Schedule {
    Schedule::of(&rules(expression, duration)).unwrap().unwrap()
}

/// 2026-11-22 is a Sunday.
#[test]
fn the_next_window_after_a_rotation() {
    for (expression, duration, last, start, end) in [
        ("rate(10 days)", None, "2026-11-22T00:00:00Z", "2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z"),
        ("rate(10 days)", None, "2026-11-22T23:59:59Z", "2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z"),
        ("rate(1 day)", Some("3h"), "2026-11-22T01:00:00Z", "2026-11-23T00:00:00Z", "2026-11-23T03:00:00Z"),
        ("rate(1000 days)", None, "2026-11-22T00:00:00Z", "2029-08-18T00:00:00Z", "2029-08-19T00:00:00Z"),
        ("rate(4 hours)", None, "2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z", "2026-11-22T05:00:00Z"),
        ("rate(4 hours)", None, "2026-11-22T04:00:00Z", "2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z"),
        ("rate(4 hours)", Some("2h"), "2026-11-22T20:30:00Z", "2026-11-23T00:00:00Z", "2026-11-23T02:00:00Z"),
        ("rate(10 hours)", None, "2026-11-22T01:30:00Z", "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"),
        ("rate(48 hours)", None, "2026-11-22T01:30:00Z", "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z"),
        // The first of the month, at 16:00: the start itself is not after itself.
        ("cron(0 16 1 * ? *)", None, "2026-11-01T15:59:59Z", "2026-11-01T16:00:00Z", "2026-11-02T00:00:00Z"),
        ("cron(0 16 1 * ? *)", None, "2026-11-01T16:00:00Z", "2026-12-01T16:00:00Z", "2026-12-02T00:00:00Z"),
        ("cron(0 16 1,15 * ? *)", Some("1h"), "2026-11-01T16:00:00Z", "2026-11-15T16:00:00Z", "2026-11-15T17:00:00Z"),
        ("cron(0 17 L * ? *)", None, "2026-11-22T00:00:00Z", "2026-11-30T17:00:00Z", "2026-12-01T00:00:00Z"),
        ("cron(0 17 L FEB ? *)", None, "2026-11-22T00:00:00Z", "2027-02-28T17:00:00Z", "2027-03-01T00:00:00Z"),
        ("cron(0 8 ? * MON-FRI *)", None, "2026-11-22T00:00:00Z", "2026-11-23T08:00:00Z", "2026-11-24T00:00:00Z"),
        ("cron(0 18 ? * SAT *)", None, "2026-11-22T00:00:00Z", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z"),
        ("cron(0 18 ? * 7 *)", None, "2026-11-22T00:00:00Z", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z"),
        ("cron(0 18 ? * L *)", None, "2026-11-22T00:00:00Z", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z"),
        ("cron(0 0 ? * SUN#1 *)", None, "2026-11-22T00:00:00Z", "2026-12-06T00:00:00Z", "2026-12-07T00:00:00Z"),
        ("cron(0 0 ? * tue#3 *)", None, "2026-11-22T00:00:00Z", "2026-12-15T00:00:00Z", "2026-12-16T00:00:00Z"),
        ("cron(0 0 ? * SUN#5 *)", None, "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("cron(0 0 ? * SUNL *)", None, "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("cron(0 0 ? * 6L *)", None, "2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z"),
        // As the user guide's example has it, with `*` for `?`.
        ("cron(0 1 * 1/3 SUN *)", None, "2026-11-22T00:00:00Z", "2027-01-03T01:00:00Z", "2027-01-04T00:00:00Z"),
        ("cron(0 8 1/10 * ? *)", None, "2026-11-22T00:00:00Z", "2026-12-01T08:00:00Z", "2026-12-02T00:00:00Z"),
        // Several a day: each closes after an hour.
        ("cron(0 4/12 * * ? *)", None, "2026-11-22T04:30:00Z", "2026-11-22T16:00:00Z", "2026-11-22T17:00:00Z"),
        ("cron(0 4/12 * * ? *)", None, "2026-11-22T16:30:00Z", "2026-11-23T04:00:00Z", "2026-11-23T05:00:00Z"),
        ("cron(0 8,20 ? * * *)", Some("4h"), "2026-11-22T08:00:00Z", "2026-11-22T20:00:00Z", "2026-11-23T00:00:00Z"),
        ("cron(0 0 29 2 ? *)", None, "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z", "2104-03-01T00:00:00Z"),
        ("cron(0 23 31 DEC ? *)", None, "2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z", "2028-01-01T00:00:00Z"),
    ] {
        let window = schedule(expression, duration).after(at(last));
        assert_eq!(window, Some(Window { start: at(start), end: at(end) }), "{expression} after {last}");
    }
    assert_eq!(schedule("cron(0 0 30 FEB ? *)", None).after(at("2026-11-22T00:00:00Z")), None);
    assert_eq!(schedule("rate(1000 days)", None).after(Timestamp::MAX), None, "no panic at the end of time");
}

#[test]
fn days_are_a_rate() {
    let days = |days| RotationRules { automatically_after_days: Some(days), ..RotationRules::default() };
    assert_eq!(Schedule::of(&days(30)), Schedule::of(&rules("rate(30 days)", None)));
    assert_eq!(Schedule::of(&RotationRules::default()), Ok(None));
    assert!(Schedule::of(&days(1)).is_ok() && Schedule::of(&days(1000)).is_ok());
    assert!(Schedule::of(&days(0)).is_err() && Schedule::of(&days(1001)).is_err());
    let both = RotationRules { automatically_after_days: Some(7), ..rules("rate(30 days)", None) };
    assert_eq!(
        Schedule::of(&both),
        Schedule::of(&days(30)),
        "the expression is the rule, the days are computed from it"
    );
}

#[test]
fn the_window_in_which_a_moment_lies_has_an_end() {
    for (expression, duration, moment, want) in [
        ("rate(10 days)", None, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("rate(10 days)", None, "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"),
        ("rate(10 days)", Some("3h"), "2026-11-22T02:59:59Z", "2026-11-22T03:00:00Z"),
        ("rate(10 days)", Some("3h"), "2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z"),
        ("rate(10 days)", Some("3h"), "2026-11-22T23:59:59Z", "2026-11-22T23:59:59Z"),
        ("rate(4 hours)", None, "2026-11-22T08:59:59Z", "2026-11-22T09:00:00Z"),
        ("rate(4 hours)", None, "2026-11-22T09:00:00Z", "2026-11-22T09:00:00Z"),
        ("cron(0 16 22 * ? *)", None, "2026-11-22T16:00:00Z", "2026-11-23T00:00:00Z"),
        ("cron(0 16 22 * ? *)", None, "2026-11-22T15:59:59Z", "2026-11-22T15:59:59Z"),
        ("cron(0 16 21 * ? *)", None, "2026-11-22T16:00:00Z", "2026-11-22T16:00:00Z"),
        ("cron(0 8,16 22 * ? *)", Some("2h"), "2026-11-22T17:59:59Z", "2026-11-22T18:00:00Z"),
        ("cron(0 8,16 22 * ? *)", Some("2h"), "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
    ] {
        assert_eq!(schedule(expression, duration).closing(at(moment)), at(want), "{expression} {moment}");
    }
}

#[test]
fn what_aws_would_refuse_is_refused_by_name() {
    for (expression, duration) in [
        ("", None),
        ("10 days", None),
        ("rate()", None),
        ("rate(0 days)", None),
        ("rate(1001 days)", None),
        ("rate(3 hours)", None),
        ("rate(-1 days)", None),
        ("rate(+5 days)", None),
        ("rate(5 minutes)", None),
        ("rate(5 days 3 hours)", None),
        ("rate(99999999999999999999 days)", None),
        ("cron(0 8 1 * ?)", None),
        ("cron(30 8 1 * ? *)", None),
        ("cron(0 8 1 * ? 2026)", None),
        ("cron(0 24 1 * ? *)", None),
        ("cron(0 8 0 * ? *)", None),
        ("cron(0 8 32 * ? *)", None),
        ("cron(0 8 1 13 ? *)", None),
        ("cron(0 8 1 * MON *)", None),
        ("cron(0 8 ? * ? *)", None),
        ("cron(0 8 ? * 8 *)", None),
        ("cron(0 8 ? * MON#6 *)", None),
        ("cron(0 8 ? * MON#0 *)", None),
        ("cron(0 8 15W * ? *)", None),
        ("cron(0 8 5-3 * ? *)", None),
        ("cron(0 8 1/0 * ? *)", None),
        ("cron(0 8 1//2 * ? *)", None),
        ("cron(0 8, 1 * ? *)", None),
        ("cron(0 ８ 1 * ? *)", None),
        ("rate(10 days)", Some("0h")),
        ("rate(10 days)", Some("25h")),
        ("rate(10 days)", Some("3")),
        ("rate(10 days)", Some("h")),
        ("rate(10 days)", Some("-3h")),
    ] {
        assert!(Schedule::of(&rules(expression, duration)).is_err(), "{expression} {duration:?}");
    }
    for (duration, hours) in [("1h", 1), ("24h", 24)] {
        assert_eq!(schedule("rate(1 day)", Some(duration)).open_for, Some(hours));
    }
    assert_eq!(
        Schedule::of(&rules("cron(0 8 ? * MON#6 *)", None)).unwrap_err(),
        r#"cron(0 8 ? * MON#6 *): "MON#6" is no day-of-week"#
    );
}
