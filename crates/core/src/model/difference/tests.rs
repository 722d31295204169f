//! One table row for each property and each way to spell it.

use super::*;
use crate::model::{Replica, RotationRules};

const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:a-AbCdEf";
const KEY: &str = "11111111-2222-3333-4444-555555555555";
const KEY_ARN: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/11111111-2222-3333-4444-555555555555";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A secret with everything set.
fn full() -> Secret {
    let date = |text: &str| Some(text.parse().unwrap());
    Secret {
        arn: ARN.into(),
        name: "a".into(),
        description: some("about"),
        kms_key_id: some(KEY_ARN),
        secret_type: some("partner"),
        owning_service: some("rds"),
        rotation_enabled: Some(true),
        rotation_lambda_arn: some("arn:aws:lambda:x"),
        rotation_rules: Some(RotationRules {
            automatically_after_days: Some(30),
            duration: some("3h"),
            schedule_expression: None,
        }),
        external_secret_rotation_metadata: [("k".to_owned(), "v".to_owned())].into(),
        external_secret_rotation_role_arn: some("arn:aws:iam::1:role/r"),
        last_changed_date: date("2026-11-01T00:00:00Z"),
        primary_region: some("ap-northeast-1"),
        tags: [("owner".to_owned(), "ops".to_owned())].into(),
        version_ids_to_stages: [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into(),
        replication_status: vec![Replica { region: some("us-east-1"), kms_key_id: some(KEY), ..Replica::default() }],
        resource_policy: some(r#"{"Version":"2012-10-17","Statement":[]}"#),
        ..Secret::default()
    }
}

/// `property: before -> after`, in English.
fn told(a: &Secret, b: &Secret) -> Vec<String> {
    differences(a, b).iter().map(|d| format!("{}: {} -> {}", d.property, d.before.en, d.after.en)).collect()
}

/// What one change to a secret with everything set looks like, and that it reads the other way round just so.
fn changed(change: impl Fn(&mut Secret)) -> Vec<String> {
    let (before, mut after) = (full(), full());
    change(&mut after);
    let turned: Vec<String> = told(&after, &before)
        .iter()
        .map(|line| {
            let (property, states) = line.split_once(": ").unwrap();
            let (b, a) = states.split_once(" -> ").unwrap();
            format!("{property}: {a} -> {b}")
        })
        .collect();
    let lines = told(&before, &after);
    assert_eq!(lines.iter().collect::<BTreeSet<_>>(), turned.iter().collect::<BTreeSet<_>>());
    lines
}

#[test]
fn each_property_alone() {
    type Change = fn(&mut Secret);
    let rows: &[(Change, &[&str])] = &[
        (|_| {}, &[]),
        (|s| s.description = None, &[r#"Description: "about" -> none"#]),
        (|s| s.description = some(""), &[r#"Description: "about" -> """#]),
        (|s| s.description = some("none"), &[r#"Description: "about" -> "none""#]),
        (|s| s.description = some("a\u{1b}[2J\n"), &[r#"Description: "about" -> "a\u{1b}[2J\n""#]),
        (|s| s.kms_key_id = None, &[&concat_key("KmsKeyId: ", " -> aws/secretsmanager")]),
        (|s| s.secret_type = None, &[r#"Type: "partner" -> none"#]),
        (|s| s.owning_service = some("redshift"), &[r#"OwningService: "rds" -> "redshift""#]),
        (|s| s.rotation_enabled = Some(false), &["RotationEnabled: on -> off"]),
        (|s| s.rotation_enabled = None, &["RotationEnabled: on -> off"]),
        (|s| s.rotation_lambda_arn = None, &[r#"RotationLambdaARN: "arn:aws:lambda:x" -> none"#]),
        (
            |s| s.rotation_rules = None,
            &[r#"RotationRules: "30 days" -> none"#, r#"RotationRules.Duration: "3h" -> none"#],
        ),
        (|s| rules(s).automatically_after_days = Some(31), &[r#"RotationRules: "30 days" -> "31 days""#]),
        (|s| rules(s).duration = some("4h"), &[r#"RotationRules.Duration: "3h" -> "4h""#]),
        (|s| rules(s).schedule_expression = some("rate(9 days)"), &[r#"RotationRules: "30 days" -> "rate(9 days)""#]),
        (
            |s| drop(s.external_secret_rotation_metadata.insert("k".into(), "w".into())),
            &[r#"ExternalSecretRotationMetadata.k: "v" -> "w""#],
        ),
        (
            |s| s.external_secret_rotation_role_arn = None,
            &[r#"ExternalSecretRotationRoleArn: "arn:aws:iam::1:role/r" -> none"#],
        ),
        (|s| drop(s.tags.insert("owner".into(), "dev".into())), &[r#"Tags.owner: "ops" -> "dev""#]),
        (|s| drop(s.tags.insert("x".into(), String::new())), &[r#"Tags.x: none -> """#]),
        (|s| s.tags.clear(), &[r#"Tags.owner: "ops" -> none"#]),
        (|s| drop(s.tags.insert("secrets-ops:value".into(), "missing".into())), &[]),
        (
            |s| s.replication_status.clear(),
            &["ReplicationStatus.us-east-1: 11111111-2222-3333-4444-555555555555 -> none"],
        ),
        (
            |s| s.replication_status[0].kms_key_id = None,
            &["ReplicationStatus.us-east-1: 11111111-2222-3333-4444-555555555555 -> aws/secretsmanager"],
        ),
        (
            |s| s.replication_status.push(Replica { region: some("eu-west-1"), ..Replica::default() }),
            &["ReplicationStatus.eu-west-1: none -> aws/secretsmanager"],
        ),
        (|s| s.replication_status[0].status = some("Failed"), &[]),
        (|s| s.primary_region = None, &[]),
        (|s| s.primary_region = some("us-east-1"), &[r#"PrimaryRegion: none -> "us-east-1""#]),
        (|s| s.deleted_date = Some(jiff::Timestamp::UNIX_EPOCH), &["DeletedDate: none -> scheduled for deletion"]),
        (|s| s.arn = ARN.replace("AbCdEf", "GhIjKl"), &[]),
        // Moved to another Region, it is a primary there as it was here.
        (|s| s.arn = ARN.replace("ap-northeast-1", "us-west-2"), &[r#"PrimaryRegion: none -> "ap-northeast-1""#]),
        (
            |s| {
                for date in [&mut s.last_rotated_date, &mut s.last_changed_date, &mut s.last_accessed_date] {
                    *date = Some(jiff::Timestamp::UNIX_EPOCH);
                }
                (s.created_date, s.next_rotation_date) = (s.last_changed_date, s.last_changed_date);
            },
            &[],
        ),
    ];
    for (row, (change, wanted)) in rows.iter().enumerate() {
        assert_eq!(changed(change), *wanted, "row {row}");
    }
}

fn concat_key(before: &str, after: &str) -> String {
    format!("{before}{KEY_ARN}{after}")
}

fn rules(secret: &mut Secret) -> &mut RotationRules {
    secret.rotation_rules.as_mut().unwrap()
}

#[test]
fn keys_are_equal_where_it_can_be_told() {
    const ALIAS_ARN: &str = "arn:aws:kms:ap-northeast-1:123456789012:alias/x";
    for (a, b, same) in [
        (None, None, true),
        (None, Some("alias/aws/secretsmanager"), true),
        (None, Some("aws/secretsmanager"), true),
        (None, Some("arn:aws:kms:ap-northeast-1:123456789012:alias/aws/secretsmanager"), true),
        (None, Some(KEY), false),
        (Some(KEY), Some(KEY_ARN), true),
        (Some(KEY), Some(KEY), true),
        (Some("alias/x"), Some(ALIAS_ARN), true),
        (Some("alias/x"), Some("alias/y"), false),
        (Some("alias/x"), Some(KEY), false),
        (Some(ALIAS_ARN), Some("arn:aws:kms:us-east-1:123456789012:alias/x"), false),
        (Some(ALIAS_ARN), Some("arn:aws:kms:ap-northeast-1:999999999999:alias/x"), false),
    ] {
        assert_eq!(same_key(a, b), same, "{a:?} {b:?}");
        assert_eq!(same_key(b, a), same, "{b:?} {a:?}");
    }
}

#[test]
fn rules_mean_what_aws_makes_of_them() {
    let with = |enabled, days, expression: Option<&str>| Secret {
        rotation_enabled: enabled,
        rotation_rules: Some(RotationRules {
            automatically_after_days: days,
            duration: None,
            schedule_expression: expression.map(str::to_owned),
        }),
        ..Secret::default()
    };
    let on = Some(true);
    let computed = (with(on, Some(10), Some("rate(10 days)")), with(on, None, Some("rate(10 days)")));
    assert_eq!(told(&computed.0, &computed.1), [""; 0]);
    let cron = told(&with(on, Some(10), Some("cron(0 1 * * ? *)")), &with(on, Some(10), Some("cron(0 2 * * ? *)")));
    assert_eq!(cron, [r#"RotationRules: "cron(0 1 * * ? *)" -> "cron(0 2 * * ? *)""#]);
    for off in [None, Some(false)] {
        assert_eq!(told(&with(off, Some(1), None), &with(off, Some(2), None)), [""; 0]);
        assert_eq!(told(&with(off, Some(1), None), &with(Some(false), Some(2), None)), [""; 0]);
        assert_eq!(told(&with(off, Some(1), None), &with(on, Some(2), None)), ["RotationEnabled: off -> on"]);
    }
}

fn versions(of: &[(&str, &[&str])]) -> Secret {
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let map = of.iter().map(|(id, stages)| ((*id).to_owned(), labels(stages)));
    Secret { version_ids_to_stages: map.collect(), ..Secret::default() }
}

fn macs(of: &[(&str, &str)]) -> Macs {
    of.iter().map(|(id, mac)| ((*id).to_owned(), (*mac).to_owned())).collect()
}

#[test]
fn values_are_told_apart_by_version_and_label() {
    const CURRENT: &[&str] = &["AWSCURRENT"];
    for (a, b, wanted) in [
        (versions(&[("1", CURRENT)]), versions(&[("1", CURRENT)]), vec![]),
        (versions(&[("1", CURRENT)]), versions(&[("2", CURRENT)]), vec!["Value.AWSCURRENT: version 1 -> version 2"]),
        (versions(&[("1", CURRENT)]), versions(&[]), vec!["Value.AWSCURRENT: version 1 -> none"]),
        (
            versions(&[("1", CURRENT), ("0", &["AWSPREVIOUS"])]),
            versions(&[("2", CURRENT), ("1", &["AWSPREVIOUS"])]),
            vec!["Value.AWSCURRENT: version 1 -> version 2", "Value.AWSPREVIOUS: version 0 -> version 1"],
        ),
        (
            versions(&[("1", CURRENT)]),
            versions(&[("1", &["AWSCURRENT", "blue"])]),
            vec!["Value.blue: none -> version 1"],
        ),
        (versions(&[("1", CURRENT)]), versions(&[("1", CURRENT), ("2", &["AWSPENDING"])]), vec![]),
        (versions(&[("1", CURRENT)]), versions(&[("1", &["AWSCURRENT", "AWSPENDING"])]), vec![]),
    ] {
        assert_eq!(told(&a, &b), wanted);
        assert!(differences(&a, &b).iter().all(Difference::is_value));
    }
}

#[test]
fn hashes_tell_what_ids_cannot() {
    let (one, two) = (versions(&[("1", &["AWSCURRENT"])]), versions(&[("2", &["AWSCURRENT"])]));
    for (b, a_macs, b_macs, wanted) in [
        (&two, macs(&[("1", "m")]), macs(&[("2", "m")]), None),
        (&two, macs(&[("1", "m")]), macs(&[("2", "n")]), Some("version 2")),
        (&two, macs(&[("1", "m")]), macs(&[]), Some("version 2")),
        (&two, macs(&[]), macs(&[("2", "m")]), Some("version 2")),
        (&two, macs(&[("1", "m")]), macs(&[("3", "m")]), Some("version 2")),
        (&one, macs(&[("1", "m")]), macs(&[("1", "m")]), None),
        (&one, macs(&[("1", "m")]), macs(&[("1", "n")]), Some("version 1 (another value)")),
        (&one, macs(&[("1", "m")]), macs(&[]), None),
    ] {
        let found = differences_by_mac((&one, &a_macs), (b, &b_macs));
        assert_eq!(found.first().map(|difference| &*difference.after.en), wanted);
        assert!(found.iter().all(|difference| difference.is_value() && difference.before.en == "version 1"));
    }
}

#[test]
fn a_restored_secret_without_its_value_says_so() {
    let unset = |value: &str| Secret { tags: [(VALUE_TAG.to_owned(), value.to_owned())].into(), ..Secret::default() };
    let set = versions(&[("1", &["AWSCURRENT"]), ("0", &["AWSPREVIOUS"])]);
    assert_eq!(told(&set, &unset("missing")), ["Value: version 1 -> not set"]);
    assert_eq!(told(&unset("missing"), &set), ["Value: not set -> version 1"]);
    assert_eq!(told(&unset("missing"), &unset("missing")), [""; 0]);
    assert_eq!(told(&unset("missing"), &Secret::default()), [""; 0], "neither has a value");
    assert_eq!(told(&versions(&[("1", &["AWSCURRENT"])]), &unset("restored")), ["Value.AWSCURRENT: version 1 -> none"]);
    let mut tagged = set.clone();
    tagged.tags = unset("missing").tags;
    assert_eq!(told(&set, &tagged), [""; 0], "the tag is of no account where there is a version");
}

#[test]
fn what_is_unread_is_neither_equal_nor_different() {
    let policy = |text: &str| Secret { resource_policy: some(text), description: some("d"), ..Secret::default() };
    let statement = |sid| format!(r#"{{"Statement":{{"Effect":"Allow","Sid":"{sid}","Action":"{sid}"}}}}"#);
    let (a, b) = (policy(&statement("a")), policy(&statement("b")));
    assert_eq!(told(&a, &b).len(), 2);
    for unread in ["ResourcePolicy", "ReplicationStatus", "Versions", "Tags", "VersionIdsToStages"] {
        let mut blind = Secret { unread: vec![unread.into()], ..full() };
        blind.description = some("d");
        blind.resource_policy = None;
        for found in [told(&a, &blind), told(&blind, &a)] {
            let named = |property: &str| found.iter().any(|line| line.starts_with(property));
            assert_eq!(named("ResourcePolicy"), unread != "ResourcePolicy");
            assert_eq!(named("ReplicationStatus."), unread != "ReplicationStatus");
            assert_eq!(named("Tags."), unread != "Tags");
            assert_eq!(named("Value."), unread != "VersionIdsToStages");
        }
        let unknown: Vec<&str> = incomparable(&a, &blind).into_iter().collect();
        assert_eq!(unknown, if unread == "Versions" { vec![] } else { vec![unread] });
    }
}

// --- Policies

fn policies(a: Option<&str>, b: Option<&str>) -> Vec<String> {
    let with = |text: Option<&str>| Secret { resource_policy: text.map(str::to_owned), ..Secret::default() };
    told(&with(a), &with(b))
}

fn of(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)
}

const READ: &str = r#"{"Sid":"Read","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:role/a","arn:aws:iam::111111111111:role/b"]},"Action":["secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:PrincipalOrgID":["o-1","o-2"]}}}"#;
const DENY: &str = r#"{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*"}"#;

#[test]
fn policies_that_say_the_same_are_equal() {
    let both = of(&format!("[{READ},{DENY}]"));
    for (what, other) in [
        ("order of statements", of(&format!("[{DENY},{READ}]"))),
        ("a statement twice", of(&format!("[{DENY},{READ},{DENY}]"))),
        ("no Sid", of(&format!("[{READ},{DENY}]")).replace(r#""Sid":"Read","#, "")),
        ("another Sid", both.replace(r#""Read""#, r#""Other""#)),
        ("an Id", both.replacen('{', r#"{"Id":"x","#, 1)),
        ("whitespace", both.replace(',', " ,\n\t")),
        ("a list of one action", both.replace(r#""secretsmanager:*""#, r#"["secretsmanager:*"]"#)),
        ("a list of one resource", both.replace(r#""Resource":"*""#, r#""Resource":["*"]"#)),
        ("case of actions", both.replace("secretsmanager:GetSecretValue", "SecretsManager:getsecretvalue")),
        (
            "order of actions",
            both.replace(
                r#""secretsmanager:GetSecretValue","secretsmanager:DescribeSecret""#,
                r#""secretsmanager:DescribeSecret","secretsmanager:GetSecretValue""#,
            ),
        ),
        (
            "order of principals",
            both.replace(
                r#""arn:aws:iam::111111111111:role/a","arn:aws:iam::111111111111:role/b""#,
                r#""arn:aws:iam::111111111111:role/b","arn:aws:iam::111111111111:role/a""#,
            ),
        ),
        ("everybody in another form", both.replace(r#""Principal":"*""#, r#""Principal":{"AWS":"*"}"#)),
        ("order of condition values", both.replace(r#""o-1","o-2""#, r#""o-2","o-1""#)),
        ("case of condition keys", both.replace("aws:PrincipalOrgID", "aws:principalorgid")),
        ("a truth value", both.replace(r#""true""#, "true")),
        (
            "order of elements",
            both.replace(r#"{"Effect":"Deny","Principal":"*","#, r#"{"Principal":"*","Effect":"Deny","#),
        ),
    ] {
        assert_ne!(both, other, "{what}");
        assert_eq!(policies(Some(&both), Some(&other)), [""; 0], "{what}");
    }
    let single = DENY.to_owned();
    assert_eq!(policies(Some(&of(&format!("[{DENY}]"))), Some(&of(&single))), [""; 0], "a statement without a list");
    assert_eq!(policies(None, Some(&of("[]"))), [""; 0], "no statements say nothing");
    let root = |name: &str| of(&DENY.replace(r#""*","Action""#, &format!(r#"{{"AWS":"{name}"}},"Action""#)));
    assert_eq!(policies(Some(&root("111111111111")), Some(&root("arn:aws:iam::111111111111:root"))), [""; 0]);
}

#[test]
fn statements_that_came_or_went_are_shown_on_one_line() {
    let (read, deny) = (of(&format!("[{READ}]")), of(DENY));
    assert_eq!(policies(None, Some(&deny)), [format!("ResourcePolicy: none -> {}", DENY)]);
    assert_eq!(policies(Some(&deny), None), [format!("ResourcePolicy: {} -> none", DENY)]);
    assert_eq!(
        policies(Some(&read), Some(&deny)),
        [format!("ResourcePolicy: {} -> none", READ), format!("ResourcePolicy: none -> {}", DENY)]
    );
    for (what, from, to) in [
        ("effect", r#""Deny""#, r#""Allow""#),
        ("action", "secretsmanager:*", "secretsmanager:Get*"),
        ("resource", r#""Resource":"*""#, r#""Resource":"arn:x""#),
        ("case of a resource", r#""Resource":"*""#, r#""Resource":"X""#),
        ("principal", r#""Principal":"*""#, r#""Principal":{"Service":"*"}"#),
        ("not principal", r#""Principal""#, r#""NotPrincipal""#),
        ("not action", r#""Action""#, r#""NotAction""#),
    ] {
        assert_eq!(policies(Some(&deny), Some(&deny.replace(from, to))).len(), 2, "{what}");
    }
    let condition = read.replace(r#""o-2""#, r#""O-2""#);
    assert_eq!(policies(Some(&read), Some(&condition)).len(), 2, "case of what a condition wants");
    let older = deny.replace("2012-10-17", "2008-10-17");
    assert_eq!(policies(Some(&deny), Some(&older)), ["ResourcePolicy.Version: 2012-10-17 -> 2008-10-17"]);
    let oldest = deny.replace(r#""Version":"2012-10-17","#, "");
    assert_eq!(policies(Some(&older), Some(&oldest)), [""; 0], "the default");
}

#[test]
fn a_policy_about_its_own_secret_stays_the_same_under_a_new_arn() {
    let about = |arn: &str, resource: &str| Secret {
        arn: arn.into(),
        resource_policy: Some(format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"a:b","Resource":["{resource}"]}}]}}"#
        )),
        ..Secret::default()
    };
    let (old, new) = (ARN, &ARN.replace("AbCdEf", "GhIjKl"));
    assert_eq!(told(&about(old, old), &about(new, new)).len(), 0);
    assert_eq!(told(&about(old, old), &about(new, "*")).len(), 0);
    assert_eq!(told(&about(old, old), &about(new, old)).len(), 2, "somebody else's ARN now");
}

#[test]
fn a_rotation_that_is_off_keeps_nothing_that_counts() {
    let off = |lambda: Option<&str>| Secret {
        rotation_enabled: Some(false),
        rotation_lambda_arn: lambda.map(str::to_owned),
        ..Secret::default()
    };
    assert_eq!(told(&off(Some("f")), &off(None)).len(), 0);
    assert_eq!(told(&off(Some("f")), &Secret::default()).len(), 0);
}

#[test]
fn what_is_no_policy_is_compared_as_text() {
    let deny = of(DENY);
    for odd in
        ["", "{", "[]", "{}", "7", r#"{"Statement":7}"#, r#"{"Statement":["x"]}"#, r#"{"Version":1,"Statement":[]}"#]
    {
        assert_eq!(policies(Some(odd), Some(odd)), [""; 0], "{odd}");
        assert_eq!(policies(Some(odd), Some(&deny)), [format!("ResourcePolicy: {odd} -> {deny}")]);
        assert_eq!(policies(Some(odd), None), [format!("ResourcePolicy: {odd} -> none")]);
        let spaced = format!("{odd} ");
        assert_eq!(policies(Some(odd), Some(&spaced)).len(), 1, "{odd}");
    }
    // More than the parser goes down into.
    let deep = format!(r#"{{"Statement":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    assert_eq!(policies(Some(&deep), None).len(), 1);
}
