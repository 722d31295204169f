//! Permissions proven both ways: no call without a grant in `template.yaml`, no grant without a call; and every variable
//! that the template sets is one that the code reads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrets_ops::notify;
use secrets_ops::runbook::{
    REPORT_IAM_ACTIONS, access, audit, backup, changes, cost, functions, health, keys, ledger, once, performance,
    readers, restore, rotation, suppressions,
};
use secrets_ops::settings;
use yaml_serde::Value;

/// What every function needs: its own log, and a place for events that it could not work on.
const EVERY_FUNCTION: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"];

/// Only the command line makes these calls, with a person's own permissions.
const COMMAND_LINE_ONLY: &[&str] = &["sts:GetCallerIdentity"];

/// Policies that only parameters attach, with the role's function and what they must grant.
const OPTIONAL: &[(&str, &str, &[&str])] = &[
    ("ValueBackupPolicy", "BackupRole", backup::values::IAM_ACTIONS),
    ("AssumeTargetRolesPolicy", "BackupRole", &["sts:AssumeRole"]),
];

const FUNCTIONS: &[(&str, &str, &[&[&str]])] = &[
    ("HealthFunction", "api-health", &[health::IAM_ACTIONS]),
    ("BackupFunction", "secrets-backup", &[backup::IAM_ACTIONS, once::IAM_ACTIONS, notify::IAM_ACTIONS]),
    (
        "DrillFunction",
        "secrets-backup",
        &[restore::DRILL_IAM_ACTIONS, once::IAM_ACTIONS, REPORT_IAM_ACTIONS, notify::IAM_ACTIONS],
    ),
    (
        "RotationFunction",
        "rotation-checker",
        &[rotation::IAM_ACTIONS, changes::IAM_ACTIONS, once::IAM_ACTIONS, REPORT_IAM_ACTIONS, notify::IAM_ACTIONS],
    ),
    (
        "AuditFunction",
        "audit-runner",
        &[
            audit::IAM_ACTIONS,
            access::IAM_ACTIONS,
            cost::IAM_ACTIONS,
            functions::IAM_ACTIONS,
            keys::IAM_ACTIONS,
            performance::IAM_ACTIONS,
            readers::IAM_ACTIONS,
            rotation::IAM_ACTIONS,
            suppressions::IAM_ACTIONS,
            changes::IAM_ACTIONS,
            ledger::IAM_ACTIONS,
            once::IAM_ACTIONS,
            REPORT_IAM_ACTIONS,
            notify::IAM_ACTIONS,
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn template() -> Value {
    yaml_serde::from_str(&std::fs::read_to_string(root().join("template.yaml")).unwrap()).unwrap()
}

/// What is behind a tag such as `!GetAtt`.
fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => &tagged.value,
        other => other,
    }
}

fn texts(value: &Value) -> Vec<String> {
    match untagged(value) {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(items) => items.iter().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// The function's role, found through its own `Role`.
fn role<'a>(resources: &'a Value, function: &str) -> &'a Value {
    let role = texts(&resources[function]["Properties"]["Role"]).remove(0);
    &resources[role.trim_end_matches(".Arn")]["Properties"]
}

fn actions(role: &Value, effect: &str) -> BTreeSet<String> {
    let policies = role["Policies"].as_sequence().unwrap();
    policies
        .iter()
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_sequence().unwrap())
        .filter(|statement| statement["Effect"].as_str() == Some(effect))
        .flat_map(|statement| texts(&statement["Action"]))
        .collect()
}

#[test]
fn grants_are_exactly_the_calls() {
    let template = template();
    for (logical_id, binary, needs) in FUNCTIONS {
        let function = &template["Resources"][*logical_id];
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"].as_str(), Some(*binary), "{logical_id}");
        let needed: BTreeSet<String> =
            needs.iter().copied().flatten().chain(EVERY_FUNCTION).map(|action| (*action).to_owned()).collect();
        let granted = actions(role(&template["Resources"], logical_id), "Allow");
        let missing: Vec<_> = needed.difference(&granted).collect();
        let surplus: Vec<_> = granted.difference(&needed).collect();
        assert!(missing.is_empty(), "{binary} calls without a grant: {missing:?}");
        assert!(surplus.is_empty(), "{binary} is granted what it never calls: {surplus:?}");
    }
}

#[test]
fn optional_grants_are_exactly_the_optional_calls() {
    let template = template();
    for (policy, role, needs) in OPTIONAL {
        let resource = &template["Resources"][*policy];
        assert!(resource["Condition"].as_str().is_some(), "{policy} must be optional");
        assert_eq!(texts(&resource["Properties"]["Roles"]), [*role], "{policy}");
        let granted: BTreeSet<String> = resource["Properties"]["PolicyDocument"]["Statement"]
            .as_sequence()
            .unwrap()
            .iter()
            .filter(|statement| statement["Effect"].as_str() == Some("Allow"))
            .flat_map(|statement| texts(&statement["Action"]))
            .collect();
        assert_eq!(granted, needs.iter().map(|action| (*action).to_owned()).collect(), "{policy}");
    }
}

#[test]
fn every_function_of_the_template_is_proven_here() {
    let template = template();
    let functions = template["Resources"]
        .as_mapping()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"].as_str() == Some("AWS::Serverless::Function"));
    let mut known: Vec<&str> = FUNCTIONS.iter().map(|(id, ..)| *id).collect();
    let mut found: Vec<&str> = functions.filter_map(|(id, _)| id.as_str()).collect();
    known.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, known);
    for (_, binary, _) in FUNCTIONS {
        assert!(root().join("functions").join(binary).join("src/main.rs").exists(), "{binary}");
    }
}

#[test]
fn only_api_health_can_read_a_value() {
    let template = template();
    for (logical_id, binary, _) in FUNCTIONS {
        let role = role(&template["Resources"], logical_id);
        let allowed = actions(role, "Allow").contains("secretsmanager:GetSecretValue");
        assert_eq!(allowed, *binary == "api-health", "{logical_id}");
        let denied = actions(role, "Deny");
        let both = ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"];
        assert_eq!(both.iter().all(|action| denied.contains(*action)), *binary != "api-health", "{binary}");
    }
}

/// S3's multipart and list calls go under other names in IAM.
fn iam_action(operation: &str) -> &str {
    match operation {
        "s3:CreateMultipartUpload" | "s3:UploadPart" | "s3:CompleteMultipartUpload" => "s3:PutObject",
        "s3:ListObjectsV2" => "s3:ListBucket",
        other => other,
    }
}

#[test]
fn every_call_in_the_code_is_declared_by_a_capability() {
    let declared: BTreeSet<&str> =
        FUNCTIONS.iter().flat_map(|(_, _, needs)| needs.iter().copied().flatten()).copied().collect();
    let optional: BTreeSet<&str> = OPTIONAL.iter().flat_map(|(_, _, needs)| needs.iter().copied()).collect();
    let mut called: BTreeMap<String, String> = BTreeMap::new();
    let mut folders = vec![root().join("crates/core/src/aws")];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for after in source.split("AwsError::new(\"").skip(1) {
                called.insert(after.split('"').next().unwrap().to_owned(), path.display().to_string());
            }
        }
    }
    assert!(called.len() >= 15, "the search finds the calls: {called:?}");
    for (operation, file) in called {
        let action = iam_action(&operation);
        assert!(
            declared.contains(action)
                || optional.contains(action)
                || restore::IAM_ACTIONS.contains(&action)
                || access::IAM_ACTIONS.contains(&action)
                || COMMAND_LINE_ONLY.contains(&action),
            "{file} calls {operation}, which no capability declares"
        );
    }
}

#[test]
fn the_template_sets_only_variables_that_the_code_reads() {
    let template = template();
    let known: BTreeSet<&str> =
        settings::ALL.iter().map(|setting| setting.name).chain(["SSL_CERT_FILE", "AWS_ENDPOINT_URL"]).collect();
    let functions = FUNCTIONS.iter().map(|(id, ..)| &template["Resources"][*id]["Properties"]["Environment"]);
    let mut seen = 0;
    for environment in functions.chain([&template["Globals"]["Function"]["Environment"]]) {
        for (name, _) in environment["Variables"].as_mapping().into_iter().flatten() {
            let name = name.as_str().unwrap();
            assert!(known.contains(name), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_sample_events_belong_to_functions() {
    for folder in std::fs::read_dir(root().join("events")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        assert!(FUNCTIONS.iter().any(|(_, binary, _)| *binary == name), "events/{name}");
        for event in std::fs::read_dir(folder.path()).unwrap() {
            let text = std::fs::read_to_string(event.unwrap().path()).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
}
