use super::*;

const KNOWN: &[&str] = &["tagged", "rotation-enabled"];

fn finding(check: &'static str, subject: &str) -> Finding {
    Finding {
        check,
        severity: Severity::High,
        subject: subject.into(),
        arn: Some(format!("arn:aws:secretsmanager:r:1:secret:{subject}-AbCdEf")),
        detail: Text::fixed("", ""),
        remediation: Text::fixed("", ""),
    }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// One entry of a file; `changed` replaces or, with an empty value, removes a field.
fn file(changed: &[(&str, &str)]) -> Suppressions {
    let mut entry = serde_json::json!({"check": "tagged", "subject": "legacy-*", "owner": "platform",
        "reason": "moved in spring", "until": "2026-12-31"});
    for (field, value) in changed {
        if value.is_empty() {
            entry.as_object_mut().unwrap().remove(*field);
        } else {
            entry[*field] = (*value).into();
        }
    }
    let file = serde_json::json!({"schema": "secrets-ops/suppressions/v1", "suppressions": [entry]});
    Suppressions::parse(file.to_string().as_bytes(), "f.json", KNOWN)
}

fn applied(suppressions: &Suppressions, tags: &[(&str, &str, &str)], today: &str) -> Applied {
    let maps: Vec<(&str, BTreeMap<String, String>)> =
        tags.iter().map(|(secret, key, value)| (*secret, [((*key).to_owned(), (*value).to_owned())].into())).collect();
    let tags = maps.iter().map(|(secret, map)| (*secret, map)).collect();
    let findings = vec![finding("tagged", "legacy-a"), finding("rotation-enabled", "legacy-a"), finding("tagged", "b")];
    apply(findings, suppressions, &tags, day(today))
}

/// What is suppressed, and the checks of what is said about suppressions.
fn outcome(applied: &Applied) -> (Vec<String>, Vec<&'static str>) {
    assert_eq!(applied.findings.len() + applied.suppressed.len(), 3, "none is lost");
    let suppressed = applied.suppressed.iter().map(|one| one.finding.key()).collect();
    (suppressed, applied.extra.iter().map(|finding| finding.check).collect())
}

#[test]
fn a_file_suppresses_what_it_names() {
    for (changed, suppressed) in [
        (vec![], vec!["tagged legacy-a"]),
        (vec![("subject", "*")], vec!["tagged legacy-a", "tagged b"]),
        (vec![("check", "*")], vec!["tagged legacy-a", "rotation-enabled legacy-a"]),
        (vec![("subject", "legacy")], vec![]),
        (vec![("subject", "arn:*:secret:b-??????")], vec!["tagged b"]),
    ] {
        let applied = applied(&file(&changed), &[], "2026-11-22");
        assert_eq!(outcome(&applied), (suppressed.into_iter().map(str::to_owned).collect(), vec![]), "{changed:?}");
    }
    let applied = applied(&file(&[]), &[], "2026-11-22");
    let one = &applied.suppressed[0];
    assert_eq!(
        (one.owner.as_str(), one.reason.as_str(), one.until),
        ("platform", "moved in spring", day("2026-12-31"))
    );
}

#[test]
fn the_last_day_counts_and_a_year_is_the_most() {
    for (today, suppressed, said) in [
        ("2026-12-30", 1, vec![]),
        ("2026-12-31", 1, vec![]),
        ("2027-01-01", 0, vec!["suppression-current"]),
        // 366 days before the last one, and 367.
        ("2025-12-30", 1, vec![]),
        ("2025-12-29", 0, vec!["suppression-valid"]),
    ] {
        let applied = applied(&file(&[]), &[], today);
        assert_eq!((applied.suppressed.len(), outcome(&applied).1), (suppressed, said), "{today}");
    }
    let applied = applied(&file(&[]), &[], "2027-01-01");
    assert!(applied.extra[0].detail.en.contains("owner platform") && applied.extra[0].subject == "f.json #1");
}

#[test]
fn what_is_wrong_suppresses_nothing_and_is_told() {
    for (changed, said) in [
        (("check", ""), "has no check"),
        (("subject", ""), "has no subject"),
        (("owner", ""), "has no owner"),
        (("owner", "  "), "has no owner"),
        (("reason", ""), "has no reason"),
        (("until", ""), "has no until"),
        (("until", "soon"), "as a date such as 2026-12-31; it is \"soon\""),
        (("until", "2026-02-30"), "as a date"),
        (("check", "taged"), "names \"taged\", which is no check"),
        (("untill", "2026-12-31"), "unknown field `untill`"),
    ] {
        let applied = applied(&file(&[changed]), &[], "2026-11-22");
        assert_eq!(outcome(&applied), (vec![], vec!["suppression-valid"]), "{changed:?}");
        let extra = &applied.extra[0];
        assert!(extra.detail.en.contains(said), "{}", extra.detail.en);
        assert_eq!((extra.severity, extra.subject.as_str()), (Severity::Low, "f.json #1"));
    }
}

#[test]
fn a_file_that_is_none_is_told_and_one_bad_entry_spoils_no_other() {
    for text in ["", "[]", "{\"schema\":\"secrets-ops/suppressions/v2\",\"suppressions\":[]}", "{\"suppressions\":[]}"]
    {
        let applied = applied(&Suppressions::parse(text.as_bytes(), "f.json", KNOWN), &[], "2026-11-22");
        assert_eq!(outcome(&applied), (vec![], vec!["suppression-valid"]), "{text}");
        assert_eq!(applied.extra[0].subject, "f.json");
    }
    let two = r#"{"schema":"secrets-ops/suppressions/v1","suppressions":[7,
        {"check":"tagged","subject":"b","owner":"o","reason":"r","until":"2026-12-31"}]}"#;
    let applied = applied(&Suppressions::parse(two.as_bytes(), "f.json", KNOWN), &[], "2026-11-22");
    assert_eq!(outcome(&applied), (vec!["tagged b".to_owned()], vec!["suppression-valid"]));
}

#[test]
fn tags_suppress_on_their_own_secret_alone() {
    const TAG: &str = "secrets-ops:suppress:tagged";
    let none = Suppressions::none(KNOWN);
    let good = "until=2026-12-31 owner=platform reason=rotated by hand a=b";
    for (key, value, suppressed, said) in [
        (TAG, good, true, vec![]),
        (TAG, "owner=team a reason=x until=2026-12-31", true, vec![]),
        ("secrets-ops:suppress:taged", good, false, vec!["suppression-valid"]),
        ("secrets-ops:suppress:*", good, false, vec!["suppression-valid"]),
        ("secrets-ops:suppress:", good, false, vec!["suppression-valid"]),
        (TAG, "", false, vec!["suppression-valid"]),
        (TAG, "yes", false, vec!["suppression-valid"]),
        (TAG, "yes until=2026-12-31 owner=o reason=r", false, vec!["suppression-valid"]),
        (TAG, "until=2026-12-31 owner=o", false, vec!["suppression-valid"]),
        (TAG, "until=2026-12-31 reason=r owner=", false, vec!["suppression-valid"]),
        (TAG, "until=2026-12-31 until=2027-01-01 owner=o reason=r", false, vec!["suppression-valid"]),
        (TAG, "until=2026-11-21 owner=o reason=r", false, vec!["suppression-current"]),
        ("suppress", good, false, vec![]),
    ] {
        let applied = applied(&none, &[("legacy-a", key, value)], "2026-11-22");
        let want = if suppressed { vec!["tagged legacy-a".to_owned()] } else { vec![] };
        assert_eq!(outcome(&applied), (want, said), "{key} {value}");
    }
    let applied = applied(&none, &[("legacy-a", TAG, good)], "2026-11-22");
    assert_eq!(applied.suppressed[0].reason, "rotated by hand a=b");
    // A name with a star is no pattern.
    let applied = self::applied(&none, &[("legacy-*", TAG, good)], "2026-11-22");
    assert_eq!(outcome(&applied), (vec![], vec![]));
}
