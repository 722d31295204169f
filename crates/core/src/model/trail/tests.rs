use super::*;
use crate::model::rotation_event;

fn record(json: &str) -> Record {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_secret_is_found_in_every_place_where_aws_writes_it() {
    for (json, want) in [
        (r#"{"additionalEventData":{"SecretId":"a"},"requestParameters":{"secretId":"z"}}"#, Some("a")),
        (r#"{"additionalEventData":null,"serviceEventDetails":{"secretId":"b"}}"#, Some("b")),
        (r#"{"responseElements":{"arn":"c"}}"#, Some("c")),
        (r#"{"responseElements":{"aRN":"d"}}"#, Some("d")),
        (r#"{"requestParameters":{"secretId":"e"},"responseElements":null}"#, Some("e")),
        (r#"{"requestParameters":{"encryptionContext":{"SecretARN":"f"}}}"#, Some("f")),
        (r#"{"requestParameters":null}"#, None),
        (r#"{"requestParameters":{"secretId":7}}"#, None),
        (r#"{"requestParameters":{"secretId":""}}"#, None),
        ("{}", None),
    ] {
        assert_eq!(record(json).secret_id(), want, "{json}");
    }
}

#[test]
fn one_odd_field_does_not_cost_the_record() {
    let odd = record(
        r#"{"eventTime":"not a time","errorCode":"AccessDenied","userAgent":7,"userIdentity":null,"eventName":null,
            "sourceIPAddress":["x"],"somethingNew":{}}"#,
    );
    assert_eq!((odd.event_time, odd.is_denied(), odd.principal().as_str()), (None, true, "unknown"));
    let odd = record(r#"{"userIdentity":{"type":"AWSService","invokedBy":"rds.amazonaws.com","arn":null}}"#);
    assert_eq!(odd.principal(), "rds.amazonaws.com");
}

#[test]
fn names_and_arns_that_mean_a_secret() {
    let arn = "arn:aws:secretsmanager:r:1:secret:a/b-AbCdEf";
    for (id, want) in [
        ("a/b", true),
        (arn, true),
        ("arn:aws:secretsmanager:r:1:secret:a/b", true),
        ("a/b-AbCdEf", false),
        ("arn:aws:secretsmanager:r:1:secret:a/", false),
        ("arn:aws:secretsmanager:r:1:secret:a/b-AbCde", false),
        ("arn:aws:secretsmanager:r:2:secret:a/b", false),
        ("a", false),
    ] {
        assert_eq!(names_secret(id, "a/b", arn), want, "{id}");
    }
}

#[test]
fn reads_are_counted_once() {
    let read = |fields: &str| {
        let at = r#""eventTime":"2026-11-22T00:05:00Z","eventSource":"secretsmanager.amazonaws.com""#;
        access(&record(&format!("{{{at},{fields}}}")))
    };
    let get =
        read(r#""eventName":"GetSecretValue","requestParameters":{"secretId":"a"},"responseElements":null"#).unwrap();
    assert_eq!((get.count, get.secret_id.as_deref(), get.error), (1, Some("a"), None));
    assert_eq!(read(r#""eventName":"BatchGetSecretValue","requestParameters":{"secretIdList":["a"]}"#), None);
    assert_eq!(read(r#""eventName":"DescribeSecret","requestParameters":{"secretId":"a"}"#), None);
    assert_eq!(read(r#""eventName":null"#), None);
    for (parameters, want) in [
        (r#"{"secretIdList":["a","arn:b",7]}"#, Some("a,arn:b")),
        (r#"{"secretIdList":[]}"#, None),
        (r#"{"filters":[]}"#, None),
        ("null", None),
    ] {
        let denied = r#""eventName":"BatchGetSecretValue","errorCode":"AccessDenied""#;
        let denied = read(&format!(r#"{denied},"requestParameters":{parameters}"#)).unwrap();
        assert_eq!(
            (denied.secret_id.as_deref(), denied.error.as_deref()),
            (want, Some("AccessDenied")),
            "{parameters}"
        );
    }
    let deleted = r#""eventName":"GetSecretValue","errorCode":"InvalidRequestException","errorMessage":"You can't perform
        this operation on the secret because it was marked for deletion.""#;
    assert!(read(&deleted.replace('\n', " ")).unwrap().marked_for_deletion);
}

#[test]
fn a_read_without_a_time_is_one_that_cannot_be_placed() {
    let timeless = record(r#"{"eventName":"GetSecretValue","eventTime":null}"#);
    assert_eq!((is_read(&timeless), access(&timeless)), (true, None));
    let other = record(r#"{"eventName":"GetSecretValue","eventSource":"elsewhere.amazonaws.com"}"#);
    assert!(!is_read(&other));
}

#[test]
fn people_and_programs_are_told_apart() {
    for (kind, arn, want) in [
        ("IAMUser", "arn:aws:iam::1:user/eve", true),
        ("Root", "arn:aws:iam::1:root", true),
        ("FederatedUser", "arn:aws:sts::1:federated-user/eve", true),
        ("IdentityCenterUser", "", true),
        ("AssumedRole", "arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_0f/eve", true),
        ("AssumedRole", "arn:aws:sts::1:assumed-role/admin/eve@example.com", true),
        ("AssumedRole", "arn:aws:sts::1:assumed-role/admin/eve@host", false),
        ("AssumedRole", "arn:aws:sts::1:assumed-role/app/goal-mandala-prod-api", false),
        ("AssumedRole", "arn:aws:sts::1:assumed-role/app", false),
        ("AWSService", "", false),
        ("AWSAccount", "", false),
    ] {
        let identity = Identity { kind: Some(kind.into()), arn: Some(arn.into()), ..Identity::default() };
        assert_eq!(is_person(&identity), want, "{kind} {arn}");
    }
    assert!(!is_person(&Identity::default()));
}

#[test]
fn nothing_of_a_record_is_kept_at_any_length() {
    let long = "あ".repeat(LONGEST + 1);
    let json = format!(r#"{{"eventName":"GetSecretValue","eventTime":"2026-11-22T00:05:00Z","userAgent":"{long}"}}"#);
    assert_eq!(access(&record(&json)).unwrap().user_agent.unwrap().chars().count(), LONGEST);
}

#[test]
fn rotation_events_but_not_those_of_tests() {
    let event = |name: &str, rest: &str| {
        rotation_event(&record(&format!(r#"{{"eventName":"{name}","eventTime":"2026-11-22T02:17:48Z"{rest}}}"#)))
    };
    let id = r#","additionalEventData":{"SecretId":"arn:x"}"#;
    let failed = event("RotationFailed", &format!(r#"{id},"errorMessage":"Error when executing lambda""#)).unwrap();
    assert_eq!((failed.step, failed.secret_id.as_str()), (RotationStep::Failed, "arn:x"));
    assert_eq!(failed.error.as_deref(), Some("Error when executing lambda"));
    for (name, want) in [
        ("RotationStarted", Some(RotationStep::Started)),
        ("RotationSucceeded", Some(RotationStep::Succeeded)),
        ("RotationAbandoned", Some(RotationStep::Abandoned)),
        ("TestRotationFailed", None),
        ("TestRotationSucceeded", None),
        ("RotateSecret", None),
    ] {
        assert_eq!(event(name, id).map(|event| event.step), want, "{name}");
    }
    assert_eq!(event("RotationFailed", ""), None, "names no secret");
}
