//! The application's role: negative tests, and what is too wide in its policies.

use super::*;
use crate::runbook::audit::Reply;

const APP: &str = "arn:aws:iam::123456789012:role/goal-mandala-prod-lambda-secrets-role";
const OWN: &str = "goal-mandala-prod-secret-database";
const DEV: &str = "goal-mandala-dev-secret-database";
const WRITES: &str = "sssssss";

fn own_only() -> String {
    allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:goal-mandala-prod-secret-*")
}

/// What is bad (`!`) or cannot be told (`?`), with the subjects.
fn told(role: Principal, letters: &[(String, String)]) -> Vec<String> {
    told_with(role, letters, &[secret(OWN), secret(DEV)], &settings())
}

fn told_with(role: Principal, letters: &[(String, String)], secrets: &[Secret], settings: &IamSettings) -> Vec<String> {
    let mut facts = facts(vec![(APP, role)]);
    facts.simulated.insert(APP.into(), letters.iter().cloned().collect());
    told_of(&facts, secrets, settings)
}

fn told_of(facts: &ReaderFacts, secrets: &[Secret], settings: &IamSettings) -> Vec<String> {
    let keys = BTreeMap::new();
    answers(facts, Estate { region: "ap-northeast-1", secrets, keys: &keys }, settings)
        .into_iter()
        .filter_map(|(question, reply)| {
            let subjects = |found: &[(String, crate::model::Severity, crate::model::Text)]| {
                found.iter().map(|(subject, ..)| subject.clone()).collect::<Vec<_>>().join(", ")
            };
            match reply {
                Ok(Reply::Found(_, found)) if found.is_empty() => None,
                Ok(Reply::Found(_, found)) => Some(format!("!{} {}", question.id, subjects(&found))),
                Ok(Reply::Partly(_, found, gaps)) => {
                    Some(format!("?{} {} {}", question.id, gaps.len(), subjects(&found)).trim_end().to_owned())
                }
                Ok(other) => panic!("{other:?}"),
                Err(gap) => Some(format!("?{} {:?}", question.id, gap.reason)),
            }
        })
        .collect()
}

fn stg() -> String {
    arn("goal-mandala-stg-secret-database")
}

/// As a good role's simulation ends: own read, nothing else.
fn good() -> Vec<(String, String)> {
    let none = format!("s{WRITES}");
    vec![(arn(OWN), format!("a{WRITES}")), (arn(DEV), none.clone()), (stg(), none.clone()), ("*".into(), none)]
}

fn changed(index: usize, letters: &str) -> Vec<(String, String)> {
    let mut all = good();
    all[index].1 = letters.to_owned();
    all
}

fn role(document: &str) -> Principal {
    principal(APP, &[document])
}

#[test]
fn a_role_that_reads_its_own_and_nothing_else_is_good() {
    assert_eq!(told(role(&own_only()), &good()), [""; 0]);
}

#[test]
fn each_excess_is_found_by_simulation() {
    let own = own_only();
    assert_eq!(told(role(&own), &changed(0, "ssssssss")), [format!("!iam-app-reads {OWN}")]);
    assert_eq!(told(role(&own), &changed(1, "asssssss")), [format!("!iam-other-stage {DEV}")]);
    assert_eq!(told(role(&own), &changed(2, "asssssss")), [format!("!iam-other-stage {}", stg())], "a made-up secret");
    for (index, action) in ACTIONS.iter().enumerate().skip(1) {
        let mut letters: Vec<char> = "asssssss".chars().collect();
        letters[index] = 'a';
        let letters: String = letters.into_iter().collect();
        assert_eq!(told(role(&own), &changed(0, &letters)), [format!("!iam-write {action}")]);
    }
    assert_eq!(told(role(&own), &changed(1, "sasssssss")), ["!iam-write secretsmanager:PutSecretValue"]);
    assert_eq!(told(role(&own), &changed(3, "asssssss")), ["!iam-wildcard secretsmanager:GetSecretValue"]);
}

#[test]
fn the_secrets_own_policy_counts_in_the_negative_tests() {
    let opened = Secret { resource_policy: Some(policy(names(APP))), ..secret(DEV) };
    let closed = json!({"Effect": "Deny", "Principal": "*", "Action": "*"});
    let locked = Secret { resource_policy: Some(policy(closed)), ..secret(OWN) };
    let told = told_with(role(&own_only()), &good(), &[locked, opened], &settings());
    assert_eq!(told, [format!("!iam-app-reads {OWN}"), format!("!iam-other-stage {DEV}")]);
}

#[test]
fn what_was_not_simulated_passes_nothing() {
    let told = told(role(&own_only()), &[]);
    assert_eq!(told, ["?iam-app-reads 1", "?iam-other-stage 1", "?iam-write 1", "?iam-wildcard 1"]);
    let doubtful = changed(1, "Asssssss");
    let own = policy(json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": arn(DEV),
        "Condition": {"StringEquals": {"aws:ResourceTag/x": "y"}}}));
    let found = told_with(role(&own), &doubtful, &[secret(OWN), secret(DEV)], &settings());
    assert!(found.contains(&"?iam-other-stage 1".to_owned()), "{found:?}");
}

#[test]
fn a_role_or_a_stage_that_is_not_there_is_named() {
    let other = facts(vec![(ROLE, principal(ROLE, &[]))]);
    let told = told_of(&other, &[secret(OWN)], &settings());
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|line| line.ends_with("NotConfigured")), "{told:?}");
    let user = facts(vec![("arn:aws:iam::123456789012:user/goal-mandala-prod-lambda-secrets-role", role(""))]);
    assert_eq!(told_of(&user, &[secret(OWN)], &settings()).len(), 5, "a user of that name is not the role");
    let alone = IamSettings { stages: vec!["prod".into()], ..settings() };
    assert_eq!(told_with(role(&own_only()), &good(), &[secret(OWN)], &alone), ["?iam-other-stage NotConfigured"]);
    assert_eq!(
        told_with(role(&own_only()), &good(), &[secret(DEV)], &settings()),
        ["?iam-app-reads NoData"],
        "no secret of our own"
    );
    let deleted = Secret { deleted_date: "2026-11-22T00:00:00Z".parse().ok(), ..secret(OWN) };
    assert_eq!(told_with(role(&own_only()), &good(), &[deleted, secret(DEV)], &settings()), ["?iam-app-reads NoData"]);
}

#[test]
fn wide_statements_are_found_by_policy_and_statement() {
    let prod = "arn:aws:secretsmanager:*:*:secret:goal-mandala-prod-secret-*";
    let via = json!({"StringEquals": {"kms:ViaService": "secretsmanager.ap-northeast-1.amazonaws.com"}});
    for (statement, want) in [
        (json!({"Effect": "Allow", "Action": "secretsmanager:*", "Resource": prod}), &["!iam-wildcard p0 #1"][..]),
        (json!({"Effect": "Allow", "Action": "*", "Resource": "*"}), &["!iam-wildcard p0 #1, p0 #1, p0 #1"]),
        (
            json!({"Sid": "S", "Effect": "Allow", "Action": "secretsmanager:Put*", "Resource": prod}),
            &["!iam-wildcard p0 S"],
        ),
        (json!({"Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": prod}), &[]),
        (
            json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
            &["!iam-wildcard p0 #1"],
        ),
        (
            json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
                "Resource": "arn:aws:secretsmanager:*:*:secret:goal-mandala-*"}),
            &["!iam-wildcard p0 #1"],
        ),
        (json!({"Effect": "Allow", "Action": ["secretsmanager:ListSecrets", "kms:ListAliases"], "Resource": "*"}), &[]),
        (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), &[]),
        (
            json!({"Effect": "Deny", "NotAction": ["secretsmanager:GetSecretValue", "kms:Decrypt"], "NotResource": prod}),
            &[],
        ),
        (json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}), &["!iam-wildcard p0 #1"]),
        (
            json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": via}),
            &["!iam-wildcard p0 #1"],
        ),
        (
            json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:*:*:key/*"}),
            &["!iam-wildcard p0 #1"],
        ),
        (json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}), &[]),
        (json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), &["!iam-not-action p0 #1"]),
        (
            json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "NotResource": KEY}),
            &["!iam-not-action p0 #1"],
        ),
        (json!({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": KEY}), &[]),
    ] {
        assert_eq!(told(role(&policy(statement.clone())), &good()), want, "{statement}");
    }
}

#[test]
fn managed_policies_and_the_boundary_are_read_too() {
    let mut one = role(&own_only());
    one.attached.managed.push("arn:aws:iam::aws:policy/SecretsManagerReadWrite".into());
    one.boundary = Some("arn:aws:iam::123456789012:policy/boundary".into());
    let mut facts = facts(vec![(APP, one)]);
    facts.simulated.insert(APP.into(), good().into_iter().collect());
    let secrets = [secret(OWN), secret(DEV)];
    let unread = told_of(&facts, &secrets, &settings());
    assert_eq!(unread, ["?iam-wildcard 2", "?iam-not-action 2"], "neither was among IAM's answers");
    if let Ok(identities) = &mut facts.identities {
        for name in ["arn:aws:iam::aws:policy/SecretsManagerReadWrite", "arn:aws:iam::123456789012:policy/boundary"] {
            identities.managed.insert(
                name.into(),
                allow("secretsmanager:*", "arn:aws:secretsmanager:*:*:secret:goal-mandala-prod-secret-*"),
            );
        }
    }
    assert_eq!(
        told_of(&facts, &secrets, &settings()),
        [
            "!iam-wildcard arn:aws:iam::aws:policy/SecretsManagerReadWrite #1, arn:aws:iam::123456789012:policy/boundary #1"
        ]
    );
}
