use serde_json::json;

use super::pattern::{wildcard, with_stars};
use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/app/Reader";
const USER: &str = "arn:aws:iam::123456789012:user/eve";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/Reader/i-1";
const READ: &str = "secretsmanager:GetSecretValue";
const SECRET: &str = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:a-AbCdEf";

fn policy(statement: Value) -> Policy {
    Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}).to_string()).unwrap()
}

/// Denial and allowance in a word each.
fn told(statement: &Value, caller: &str) -> (&'static str, String) {
    let context = [
        ("aws:securetransport".to_owned(), "true".to_owned()),
        ("kms:viaservice".to_owned(), "secretsmanager.ap-northeast-1.amazonaws.com".to_owned()),
    ];
    let say = policy(statement.clone()).say(caller, READ, SECRET, &context.into());
    let sure = |sure: &Sure| if *sure == Sure::Yes { "yes" } else { "perhaps" };
    let deny = say.deny.as_ref().map_or("no", sure);
    let account = say.delegates.iter().map(|how| format!("Account {}", sure(how)));
    let own = say.allow.iter().map(|(through, how)| format!("{through:?} {}", sure(how)));
    let allow: Vec<String> = account.chain(own).collect();
    (deny, if allow.is_empty() { "no".to_owned() } else { allow.join(", ") })
}

#[test]
fn whom_a_statement_means() {
    for (principal, caller, want) in [
        (json!("*"), ROLE, "Everyone yes"),
        (json!({"AWS": "*"}), USER, "Everyone yes"),
        (json!({"AWS": ROLE}), ROLE, "Name yes"),
        (json!({"AWS": [USER, ROLE]}), ROLE, "Name yes"),
        (json!({"AWS": ["123456789012", ROLE]}), ROLE, "Name yes"),
        (json!({"AWS": ["123456789012", SESSION]}), ROLE, "Session perhaps"),
        (json!({"AWS": ROLE}), SESSION, "Name yes"),
        (json!({"AWS": SESSION}), ROLE, "Session perhaps"),
        (json!({"AWS": SESSION}), SESSION, "Name yes"),
        (json!({"AWS": "arn:aws:sts::123456789012:assumed-role/Other/i-1"}), ROLE, "no"),
        (json!({"AWS": "arn:aws:iam::123456789012:role/Reader"}), ROLE, "no"),
        (json!({"AWS": "arn:aws:iam::210987654321:role/app/Reader"}), SESSION, "no"),
        (json!({"AWS": "123456789012"}), USER, "Account yes"),
        (json!({"AWS": "arn:aws:iam::123456789012:root"}), ROLE, "Account yes"),
        (json!({"AWS": "arn:aws:iam::210987654321:root"}), ROLE, "no"),
        (json!({"Service": "rds.amazonaws.com"}), ROLE, "no"),
        (json!({"Federated": ROLE}), ROLE, "no"),
        (json!(7), ROLE, "no"),
    ] {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": READ, "Resource": "*"});
        assert_eq!(told(&statement, caller), ("no", want.to_owned()), "{statement}");
    }
    let spared = json!({"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "*"});
    assert_eq!(told(&spared, ROLE).0, "perhaps");
    let of_identity = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
    assert_eq!(told(&of_identity, ROLE).0, "no", "it names nobody");
}

#[test]
fn what_a_statement_is_about() {
    for (part, want) in [
        (json!({"Action": "*"}), "yes"),
        (json!({"Action": "SecretsManager:Get*"}), "yes"),
        (json!({"Action": ["secretsmanager:getsecretvalue"]}), "yes"),
        (json!({"Action": "secretsmanager:GetSecretValu?"}), "yes"),
        (json!({"Action": "secretsmanager:Get"}), "no"),
        (json!({"NotAction": "secretsmanager:*"}), "no"),
        (json!({"NotAction": "s3:*"}), "yes"),
        (json!({"Action": "*", "Resource": SECRET}), "yes"),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:*:secret:a-??????"}), "yes"),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:*:secret:b*"}), "no"),
        (json!({"Action": "*", "NotResource": SECRET}), "no"),
        (json!({"Action": "*", "NotResource": "arn:aws:s3:::*"}), "yes"),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:*:secret:${aws:username}*"}), "perhaps"),
        (json!({"Action": "*", "Resource": "arn:aws:s3:::${aws:username}*"}), "no"),
        (json!({"Action": "*", "NotResource": "arn:aws:secretsmanager:*:*:secret:${aws:username}*"}), "perhaps"),
    ] {
        let mut statement = json!({"Effect": "Deny", "Principal": "*"});
        statement.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        assert_eq!(told(&statement, ROLE).0, want, "{statement}");
    }
}

#[test]
fn conditions_are_believed_where_their_key_is_known() {
    for (condition, want) in [
        (json!({"Bool": {"aws:SecureTransport": "false"}}), "no"),
        (json!({"Bool": {"aws:SecureTransport": false}}), "no"),
        (json!({"BoolIfExists": {"AWS:securetransport": "true"}}), "yes"),
        (json!({"StringEquals": {"kms:ViaService": "secretsmanager.ap-northeast-1.amazonaws.com"}}), "yes"),
        (json!({"StringEquals": {"kms:ViaService": ["s3.ap-northeast-1.amazonaws.com"]}}), "no"),
        (json!({"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}), "yes"),
        (json!({"StringNotLike": {"kms:ViaService": "secretsmanager.*"}}), "no"),
        (json!({"StringNotEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}), "yes"),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), "perhaps"),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}, "Bool": {"aws:SecureTransport": "false"}}), "no"),
        (json!({"StringEquals": {"kms:ViaService": "${aws:x}"}}), "perhaps"),
        (json!({"ForAllValues:StringEquals": {"kms:ViaService": "x"}}), "perhaps"),
        (json!({"Null": {"kms:ViaService": "true"}}), "perhaps"),
        (json!({"StringEquals": "odd"}), "perhaps"),
        (json!({}), "yes"),
    ] {
        let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": condition});
        assert_eq!(told(&statement, ROLE).0, want, "{statement}");
    }
}

#[test]
fn the_surest_and_closest_allowance_counts_and_a_sure_denial_stays() {
    let conditional = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
    let allow = |principal: Value, condition: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Condition": condition});
    let both =
        json!([allow(json!({"AWS": ROLE}), conditional.clone()), allow(json!({"AWS": "123456789012"}), json!({}))]);
    assert_eq!(told(&both, ROLE), ("no", "Account yes, Name perhaps".into()));
    let both = json!([allow(json!("*"), json!({})), allow(json!({"AWS": ROLE}), json!({}))]);
    assert_eq!(told(&both, ROLE), ("no", "Name yes".into()));
    let denials = json!([
        {"Effect": "Deny", "Principal": "*", "Action": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": conditional},
    ]);
    assert_eq!(told(&denials, ROLE).0, "yes");
}

#[test]
fn what_is_no_policy_is_not_read_as_one() {
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"Statement":[7]}"#,
        r#"{"Statement":{"Action":"*"}}"#,
        r#"{"Statement":{"Effect":"allow","Action":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow"}}"#,
    ] {
        assert!(Policy::parse(text).is_err(), "{text}");
    }
    let ids: Vec<String> =
        policy(json!([{"Effect": "Allow", "Action": "*"}, {"Sid": "S", "Effect": "Allow", "Action": "*"}]))
            .statements
            .into_iter()
            .map(|statement| statement.id)
            .collect();
    assert_eq!(ids, ["#1", "S"]);
}

#[test]
fn wildcards() {
    for (pattern, text, want) in [
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abb", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*b*", "abc", true),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
    }
    assert!(!wildcard(&"*a".repeat(50), &"a".repeat(49)), "and at once");
    assert_eq!(with_stars("a${b}c${d"), "a*c*");
}
