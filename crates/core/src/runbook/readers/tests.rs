//! Who can read what: the rules over facts made by hand, and gathering over IAM's answers.

mod app;
mod gathering;

use serde_json::{Value, json};

use super::*;
use crate::model::unread;
use crate::model::{Attached, Grant, Identities, Principal};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/path/Reader";
const USER: &str = "arn:aws:iam::123456789012:user/eve";
const KEY: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/k";

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:{name}-AbCdEf")
}

fn secret(name: &str) -> Secret {
    Secret { name: name.into(), arn: arn(name), ..Secret::default() }
}

fn policy(statement: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn allow(action: &str, resource: &str) -> String {
    policy(json!({"Effect": "Allow", "Action": action, "Resource": resource}))
}

fn principal(arn: &str, documents: &[&str]) -> Principal {
    let inline = documents.iter().enumerate().map(|(n, text)| (format!("p{n}"), (*text).to_owned())).collect();
    Principal {
        name: arn.rsplit('/').next().unwrap().to_owned(),
        attached: Attached { inline, managed: vec![] },
        ..Principal::default()
    }
}

fn facts(principals: Vec<(&str, Principal)>) -> ReaderFacts {
    let principals = principals.into_iter().map(|(arn, one)| (arn.to_owned(), one)).collect();
    ReaderFacts {
        identities: Ok(Identities { principals, ..Identities::default() }),
        key_policies: BTreeMap::new(),
        simulated: BTreeMap::new(),
        failed: BTreeMap::new(),
        calls: 0,
        unfinished: None,
    }
}

fn settings() -> IamSettings {
    IamSettings::read(&|_| None).unwrap()
}

fn key_facts(customer_managed: bool) -> Reading<KeyFacts> {
    Ok(KeyFacts {
        arn: KEY.into(),
        state: "Enabled".into(),
        customer_managed,
        deletion_date: None,
        rotation: Ok(None),
        last_use: Err(unread("x")),
    })
}

/// One principal, one secret: what each side says.
struct Case {
    who: &'static str,
    own: String,
    boundary: Option<String>,
    /// The letter for GetSecretValue; all writes are silent.
    letter: char,
    secret: Option<Value>,
    /// The key's policy, and the letter for kms:Decrypt.
    key: Option<(Value, char)>,
}

fn case() -> Case {
    Case { who: ROLE, own: allow("secretsmanager:*", "*"), boundary: None, letter: 'a', secret: None, key: None }
}

fn read(case: Case) -> &'static str {
    let mut one = principal(case.who, &[&case.own]);
    let mut identities = Identities::default();
    if let Some(boundary) = case.boundary {
        one.boundary = Some("b".into());
        identities.managed.insert("b".into(), boundary);
    }
    identities.principals.insert(case.who.to_owned(), one);
    let mut facts = facts(vec![]);
    facts.identities = Ok(identities);
    let mut keys = BTreeMap::new();
    let mut answers = BTreeMap::from([(arn("a"), format!("{}sssssss", case.letter))]);
    let mut secret = secret("a");
    secret.resource_policy = case.secret.map(policy);
    if let Some((of_key, letter)) = case.key {
        keys.insert("alias/x".to_owned(), key_facts(true));
        secret.kms_key_id = Some("alias/x".into());
        facts.key_policies.insert(KEY.into(), Ok(policy(of_key)));
        answers.insert(KEY.into(), letter.to_string());
    }
    facts.simulated.insert(case.who.to_owned(), answers);
    let estate = Estate { region: "ap-northeast-1", secrets: &[secret], keys: &keys };
    let readers = judge(&facts, estate, &settings()).unwrap();
    let found = &readers.by_secret[&arn("a")];
    match found.iter().find(|reader| reader.principal == case.who).and_then(|reader| reader.read.as_ref()) {
        None => "no",
        Some(Grant::Allowed) => "allowed",
        Some(Grant::CannotSay(_)) => "perhaps",
    }
}

fn names(who: &str) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": who}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"})
}

#[test]
fn identity_and_the_secrets_own_policy() {
    let root = "arn:aws:iam::123456789012:root";
    let deny = |principal: Value, condition: Value| json!({"Effect": "Deny", "Principal": principal, "Action": "*", "Resource": "*", "Condition": condition});
    let in_org = json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}});
    let plain_http = json!({"Bool": {"aws:SecureTransport": "false"}});
    let session = "arn:aws:sts::123456789012:assumed-role/Reader/s";
    for (what, case, want) in [
        ("identity alone", case(), "allowed"),
        ("nothing", Case { letter: 's', ..case() }, "no"),
        ("an explicit denial", Case { letter: 'd', ..case() }, "no"),
        ("no answer", Case { letter: 'n', ..case() }, "perhaps"),
        ("denied by the secret", Case { secret: Some(deny(json!("*"), json!({}))), ..case() }, "no"),
        ("denied to the account", Case { secret: Some(deny(json!({"AWS": root}), json!({}))), ..case() }, "no"),
        ("denied without TLS", Case { secret: Some(deny(json!("*"), plain_http)), ..case() }, "allowed"),
        ("denied outside the org", Case { secret: Some(deny(json!("*"), in_org)), ..case() }, "perhaps"),
        ("denied to one session", Case { secret: Some(deny(json!({"AWS": session}), json!({}))), ..case() }, "perhaps"),
        ("allowed by the secret", Case { letter: 's', secret: Some(names(ROLE)), ..case() }, "allowed"),
        ("delegated only", Case { letter: 's', secret: Some(names(root)), ..case() }, "no"),
        ("to one session", Case { letter: 's', secret: Some(names(session)), ..case() }, "perhaps"),
        ("to everybody", Case { letter: 's', secret: Some(names("*")), ..case() }, "allowed"),
        ("an identity denial wins", Case { letter: 'd', secret: Some(names(ROLE)), ..case() }, "no"),
        ("a boundary binds a role", Case { letter: 'b', secret: Some(names(ROLE)), ..case() }, "no"),
        ("of everybody nobody knows", Case { letter: 'b', secret: Some(names("*")), ..case() }, "perhaps"),
        ("nor of the organization", Case { letter: 'o', secret: Some(names(ROLE)), ..case() }, "perhaps"),
        ("the organization alone", Case { letter: 'o', ..case() }, "no"),
        ("a user is not bound", Case { who: USER, letter: 'b', secret: Some(names(USER)), ..case() }, "allowed"),
        ("a policy that is none", Case { secret: Some(json!([7])), ..case() }, "perhaps"),
        ("which cannot undo a denial", Case { letter: 'd', secret: Some(json!([7])), ..case() }, "no"),
    ] {
        assert_eq!(read(case), want, "{what}");
    }
}

#[test]
fn a_missing_condition_key_counts_only_where_a_statement_asks_for_it() {
    let own = |condition: Value, resource: &str| {
        policy(json!([
            {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"},
            {"Sid": "C", "Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": resource, "Condition": condition},
        ]))
    };
    let tagged = json!({"StringEquals": {"aws:ResourceTag/team": "a"}});
    for (own, want) in [
        (own(tagged.clone(), "*"), "perhaps"),
        (own(tagged.clone(), &arn("b")), "allowed"),
        (own(json!({"Bool": {"aws:SecureTransport": "false"}}), "*"), "allowed"),
        (allow("secretsmanager:*", "*"), "allowed"),
        ("not json".to_owned(), "perhaps"),
    ] {
        assert_eq!(read(Case { letter: 'A', own: own.clone(), ..case() }), want, "{own}");
    }
    let boundary = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": tagged}));
    assert_eq!(read(Case { letter: 'A', boundary: Some(boundary), ..case() }), "perhaps");
}

#[test]
fn the_key_stands_between() {
    let of = |principal: Value, condition: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition});
    let root = json!({"AWS": "arn:aws:iam::123456789012:root"});
    let none = || json!({});
    let via = |service: &str| json!({"StringEquals": {"kms:ViaService": service, "kms:CallerAccount": ACCOUNT}});
    let ours = "secretsmanager.ap-northeast-1.amazonaws.com";
    let context = json!({"StringLike": {"kms:EncryptionContext:SecretARN": "*"}});
    let deny = json!([of(root.clone(), none()), {"Effect": "Deny", "Principal": "*", "Action": "kms:*"}]);
    for (what, of_key, letter, want) in [
        ("left to IAM, which allows", of(root.clone(), none()), 'a', "allowed"),
        ("left to IAM, which does not", of(root.clone(), none()), 's', "no"),
        ("left to IAM under a condition", of(root.clone(), context.clone()), 'a', "perhaps"),
        ("by name, IAM silent", of(json!({"AWS": ROLE}), none()), 's', "allowed"),
        ("by name, IAM denies", of(json!({"AWS": ROLE}), none()), 'd', "no"),
        ("somebody else by name", of(json!({"AWS": USER}), none()), 'a', "no"),
        ("everybody through Secrets Manager", of(json!({"AWS": "*"}), via(ours)), 's', "allowed"),
        ("everybody through S3", of(json!({"AWS": "*"}), via("s3.ap-northeast-1.amazonaws.com")), 'a', "no"),
        ("a condition nobody can tell of", of(json!({"AWS": ROLE}), context), 's', "perhaps"),
        ("denied", deny, 'a', "no"),
        ("both, and IAM is silent", json!([of(root, none()), of(json!({"AWS": ROLE}), none())]), 's', "allowed"),
    ] {
        assert_eq!(read(Case { key: Some((of_key, letter)), ..case() }), want, "{what}");
    }
    let denied = of(json!({"AWS": ROLE}), none());
    assert_eq!(read(Case { letter: 's', key: Some((denied, 'a')), ..case() }), "no", "a key alone opens nothing");
    let own = policy(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "K", "Effect": "Deny", "Action": "kms:*", "Resource": KEY},
    ]));
    assert_eq!(read(Case { own, ..case() }), "perhaps", "which keys that hits under AWS's own key is not known");
}

#[test]
fn keys_that_nobody_could_read_about_are_no_answer() {
    let mut facts = facts(vec![(ROLE, principal(ROLE, &[&allow("secretsmanager:*", "*")]))]);
    facts.simulated.insert(ROLE.into(), [(arn("a"), "assssssss".to_owned())].into());
    let one = Secret { kms_key_id: Some("alias/x".into()), ..secret("a") };
    let grant = |facts: &ReaderFacts, keys: BTreeMap<String, Reading<KeyFacts>>| {
        let estate = Estate { region: "ap-northeast-1", secrets: std::slice::from_ref(&one), keys: &keys };
        judge(facts, estate, &settings()).unwrap().by_secret[&arn("a")][0].read.clone().unwrap()
    };
    let name = || "alias/x".to_owned();
    assert!(matches!(grant(&facts, BTreeMap::new()), Grant::CannotSay(_)), "not described");
    assert!(matches!(grant(&facts, [(name(), Err(unread("kms:DescribeKey")))].into()), Grant::CannotSay(_)));
    assert!(matches!(grant(&facts, [(name(), key_facts(true))].into()), Grant::CannotSay(_)), "no policy read");
    assert_eq!(grant(&facts, [(name(), key_facts(false))].into()), Grant::Allowed, "a key of AWS's");
    facts.key_policies.insert(KEY.into(), Ok("{}".into()));
    assert!(matches!(grant(&facts, [(name(), key_facts(true))].into()), Grant::CannotSay(_)), "not a policy");
}

#[test]
fn outsiders_come_from_the_secrets_policy() {
    let other = "arn:aws:iam::210987654321:root";
    let told = |statements: Value, key: Option<Value>| -> Vec<String> {
        let mut one = Secret { resource_policy: Some(policy(statements)), ..secret("a") };
        let mut facts = facts(vec![(ROLE, principal(ROLE, &[]))]);
        let mut keys = BTreeMap::new();
        if let Some(key) = key {
            one.kms_key_id = Some("alias/x".into());
            keys.insert("alias/x".to_owned(), key_facts(true));
            facts.key_policies.insert(KEY.into(), Ok(policy(key)));
        }
        let estate = Estate { region: "ap-northeast-1", secrets: &[one], keys: &keys };
        let readers = judge(&facts, estate, &settings()).unwrap();
        let outside = readers.by_secret[&arn("a")].iter().filter(|reader| reader.principal != ROLE);
        outside
            .map(|reader| {
                let word = |grant: &Option<Grant>| if grant.is_some() { "yes" } else { "no" };
                format!("{} {} {}", reader.principal, word(&reader.read), word(&reader.write))
            })
            .collect()
    };
    let lets =
        |who: Value, action: &str| json!({"Effect": "Allow", "Principal": who, "Action": action, "Resource": "*"});
    let of_key = |who: Value| json!({"Effect": "Allow", "Principal": who, "Action": "kms:*", "Resource": "*"});
    let all = || lets(json!({"AWS": ["210987654321", ROLE]}), "secretsmanager:*");
    assert_eq!(told(all(), None), ["210987654321 no yes"], "no other account can use AWS's key");
    assert_eq!(told(all(), Some(of_key(json!({"AWS": other})))), ["210987654321 yes yes"]);
    assert_eq!(told(all(), Some(of_key(json!({"AWS": ROLE})))), ["210987654321 no yes"]);
    let read = lets(json!({"AWS": other}), "secretsmanager:GetSecretValue");
    assert_eq!(told(read.clone(), None), [""; 0]);
    assert_eq!(told(lets(json!({"Service": "x.amazonaws.com"}), "secretsmanager:PutSecretValue"), None).len(), 1);
    let denied = json!([read, {"Effect": "Deny", "Principal": "*", "Action": "*"}]);
    assert_eq!(told(denied, Some(of_key(json!("*")))), [""; 0]);
}

#[test]
fn principals_that_failed_or_were_not_reached_are_named_and_pass_nothing() {
    let may = allow("secretsmanager:*", "*");
    let mut facts = facts(vec![
        (ROLE, principal(ROLE, &[&may])),
        (USER, principal(USER, &[&may])),
        ("arn:aws:iam::123456789012:user/none", principal("user/none", &[&allow("s3:*", "*")])),
    ]);
    facts.failed.insert(ROLE.into(), Gap { reason: GapReason::Throttled, ..unread("iam:SimulatePrincipalPolicy") });
    let secrets = [secret("a"), secret("b")];
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    let readers = judge(&facts, estate, &settings()).unwrap();
    let names: Vec<&str> = readers.unknown.keys().map(String::as_str).collect();
    assert_eq!(names, [ROLE, USER]);
    assert_eq!(readers.unknown[ROLE].reason, GapReason::Throttled);
    assert!(readers.by_secret[&arn("a")].iter().all(|one| matches!(one.read, Some(Grant::CannotSay(_)))));
    assert_eq!(readers.by_secret[&arn("b")].len(), 2, "who has nothing to do with secrets is not a reader");
    let gap = Gap { reason: GapReason::Denied, ..unread("iam:GetAccountAuthorizationDetails") };
    facts.identities = Err(gap.clone());
    assert_eq!(judge(&facts, estate, &settings()), Err(gap));
}

#[test]
fn policies_of_groups_and_managed_ones_count() {
    let mut facts = facts(vec![]);
    let user = |groups: &[&str], managed: &[&str]| Principal {
        name: "eve".into(),
        attached: Attached { inline: BTreeMap::new(), managed: managed.iter().map(|one| (*one).to_owned()).collect() },
        groups: groups.iter().map(|one| (*one).to_owned()).collect(),
        boundary: None,
    };
    let secrets = [secret("a")];
    let keys = BTreeMap::new();
    let estate = Estate { region: "ap-northeast-1", secrets: &secrets, keys: &keys };
    for (groups, managed, want) in [
        (&[][..], &[][..], 0),
        (&["readers"], &[], 1),
        (&["others"], &[], 0),
        (&["unknown"], &[], 1),
        (&[], &["arn:m"], 1),
        (&[], &["arn:not-told"], 1),
    ] {
        let attached = |text: String| Attached { inline: [("i".to_owned(), text)].into(), managed: vec![] };
        facts.identities = Ok(Identities {
            principals: [(USER.to_owned(), user(groups, managed))].into(),
            groups: [
                ("readers".to_owned(), attached(allow("secretsmanager:GetSecretValue", "*"))),
                ("others".to_owned(), attached(allow("s3:*", "*"))),
            ]
            .into(),
            managed: [("arn:m".to_owned(), allow("*", "*"))].into(),
        });
        let readers = judge(&facts, estate, &settings()).unwrap();
        assert_eq!(readers.by_secret[&arn("a")].len(), want, "{groups:?} {managed:?}");
    }
}
