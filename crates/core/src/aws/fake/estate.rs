//! A Secrets Manager and a KMS with a memory, as far as backups and restores ask.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, respond};
use crate::model::{Replica, RotationRules, Secret, Version};

/// A secret and its values, by version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FakeSecret {
    pub(crate) secret: Secret,
    pub(crate) values: BTreeMap<String, Value>,
}

/// A key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FakeKey {
    pub(crate) state: String,
    pub(crate) description: String,
    pub(crate) policy: String,
    pub(crate) rotates: bool,
}

/// What has memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Estate {
    pub(crate) secrets: BTreeMap<String, FakeSecret>,
    pub(crate) keys: BTreeMap<String, FakeKey>,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) functions: BTreeSet<String>,
    /// Seconds; every new secret and version comes a second later.
    pub(crate) clock: i64,
}

/// Calls that change something.
pub(crate) const CHANGES: &[&str] = &[
    "CreateSecret",
    "UpdateSecret",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "TagResource",
    "UntagResource",
    "PutResourcePolicy",
    "DeleteResourcePolicy",
    "ReplicateSecretToRegions",
    "RotateSecret",
    "CancelRotateSecret",
    "RestoreSecret",
    "DeleteSecret",
    "CreateKey",
    "CreateAlias",
    "EnableKeyRotation",
];

/// The key that test secrets are under.
pub(crate) const KEY: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/estate";

impl Estate {
    fn tick(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::from_second(self.clock).unwrap()
    }

    /// Adds a secret with this value, if any.
    pub(crate) fn add(&mut self, secret: Secret, value: Option<(&str, Value)>) {
        let now = self.tick();
        let mut secret =
            Secret { arn: super::arn(&secret.name), created_date: Some(now), last_changed_date: Some(now), ..secret };
        let mut values = BTreeMap::new();
        if let Some((id, value)) = value {
            secret.version_ids_to_stages.insert(id.to_owned(), vec!["AWSCURRENT".to_owned()]);
            secret.versions.push(version(id, now));
            values.insert(id.to_owned(), value);
        }
        self.secrets.insert(secret.name.clone(), FakeSecret { secret, values });
    }

    /// A version more, which becomes the current one.
    pub(crate) fn put(&mut self, name: &str, id: &str, value: Value) {
        let now = self.tick();
        let fake = self.secrets.get_mut(name).unwrap();
        fake.put(id, &["AWSCURRENT".to_owned()], value, now);
    }

    fn find(&mut self, id: &str) -> Option<&mut FakeSecret> {
        self.secrets.values_mut().find(|fake| fake.secret.arn == id || fake.secret.name == id)
    }

    fn key(&self, id: &str) -> Option<(&String, &FakeKey)> {
        let id = self.aliases.get(id).map_or(id, String::as_str);
        self.keys.get_key_value(id)
    }
}

fn version(id: &str, now: Timestamp) -> Version {
    Version { version_id: id.to_owned(), created_date: Some(now), ..Version::default() }
}

impl FakeSecret {
    fn put(&mut self, id: &str, stages: &[String], value: Value, now: Timestamp) {
        self.values.insert(id.to_owned(), value);
        self.secret.versions.push(version(id, now));
        self.secret.last_changed_date = Some(now);
        for stage in stages {
            self.stage(stage, id);
        }
    }

    fn stage(&mut self, stage: &str, to: &str) {
        let before = self.secret.version_with(stage).map(str::to_owned);
        for stages in self.secret.version_ids_to_stages.values_mut() {
            stages.retain(|have| have != stage);
        }
        self.secret.version_ids_to_stages.entry(to.to_owned()).or_default().push(stage.to_owned());
        if let (Some(before), "AWSCURRENT") = (before.filter(|before| before != to), stage) {
            self.stage("AWSPREVIOUS", &before);
        }
        self.secret.version_ids_to_stages.retain(|_, stages| !stages.is_empty());
    }

    /// As DescribeSecret answers.
    fn wire(&self) -> Value {
        let mut json = serde_json::to_value(&self.secret).unwrap();
        epoch(&mut json);
        for own in ["Versions", "ResourcePolicy", "Unread"] {
            json.as_object_mut().unwrap().remove(own);
        }
        json
    }
}

/// Dates as numbers, as AWS's JSON has them.
fn epoch(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
                    Some(at) if name.ends_with("Date") => *value = json!(at.as_millisecond() as f64 / 1000.0),
                    _ => epoch(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(epoch),
        _ => {}
    }
}

fn error(code: &str) -> HttpResponse {
    respond(400, json!({"__type": code, "message": "as the fake has it"}).to_string())
}

fn tags(input: &Value) -> BTreeMap<String, String> {
    let pairs = input["Tags"].as_array().into_iter().flatten();
    pairs.map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].as_str().unwrap().to_owned())).collect()
}

fn value_of(input: &Value) -> Option<Value> {
    if input["SecretString"].is_string() {
        return Some(json!({"SecretString": input["SecretString"]}));
    }
    input["SecretBinary"].is_string().then(|| json!({"SecretBinary": input["SecretBinary"]}))
}

fn text(input: &Value, field: &str) -> Option<String> {
    input[field].as_str().map(str::to_owned)
}

/// Answers a call about the estate.
pub(super) fn answer(world: &mut World, operation: &str, input: &Value) -> HttpResponse {
    let estate = &mut world.estate;
    let ok = |json: Value| respond(200, json.to_string());
    let id = input["SecretId"].as_str().unwrap_or_default().to_owned();
    match operation {
        "ListSecrets" => {
            let prefix = input["Filters"][0]["Values"][0].as_str().unwrap_or_default().to_owned();
            let with_deleted = input["IncludePlannedDeletion"] == true;
            let mut all: Vec<&FakeSecret> = estate
                .secrets
                .values()
                .filter(|fake| fake.secret.name.starts_with(&prefix))
                .filter(|fake| with_deleted || fake.secret.deleted_date.is_none())
                .collect();
            all.sort_by_key(|fake| fake.secret.created_date);
            let from: usize = input["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let to = (from + world.page).min(all.len());
            let page: Vec<Value> = all[from..to]
                .iter()
                .map(|fake| {
                    let mut entry = fake.wire();
                    entry["SecretVersionsToStages"] = entry["VersionIdsToStages"].take();
                    entry.as_object_mut().unwrap().remove("ReplicationStatus");
                    entry
                })
                .collect();
            ok(json!({"SecretList": page, "NextToken": (to < all.len()).then(|| to.to_string())}))
        }
        "CreateSecret" => {
            let name = text(input, "Name").unwrap();
            let token = text(input, "ClientRequestToken").unwrap();
            assert!((32..=64).contains(&token.len()), "{token}");
            let value = value_of(input);
            if let Some(there) = estate.secrets.get(&name) {
                // The same token with the same value is a repetition; without a value there is no version to tell by.
                let same = value.is_some() && there.values.get(&token) == value.as_ref();
                return if same { ok(json!({"Name": name})) } else { error("ResourceExistsException") };
            }
            let secret = Secret {
                name: name.clone(),
                description: text(input, "Description"),
                kms_key_id: text(input, "KmsKeyId"),
                secret_type: text(input, "Type"),
                tags: tags(input),
                ..Secret::default()
            };
            estate.add(secret, value.map(|value| (token.as_str(), value)));
            ok(json!({"Name": name}))
        }
        "DescribeKey" | "ListKeys" | "CreateKey" | "CreateAlias" | "EnableKeyRotation" | "GenerateDataKey"
        | "Decrypt" | "GenerateMac" => kms(estate, operation, input),
        _ => {
            let now = estate.tick();
            let Some(fake) = estate.find(&id) else { return error("ResourceNotFoundException") };
            if fake.secret.deleted_date.is_some()
                && !["DescribeSecret", "RestoreSecret", "DeleteSecret"].contains(&operation)
            {
                return error("InvalidRequestException");
            }
            if operation == "DeleteSecret" {
                assert_eq!(input["ForceDeleteWithoutRecovery"], true);
                let name = fake.secret.name.clone();
                estate.secrets.remove(&name);
                return ok(json!({}));
            }
            one(fake, operation, input, now)
        }
    }
}

fn one(fake: &mut FakeSecret, operation: &str, input: &Value, now: Timestamp) -> HttpResponse {
    let ok = |json: Value| respond(200, json.to_string());
    let secret = &mut fake.secret;
    match operation {
        "DescribeSecret" => return ok(fake.wire()),
        "GetResourcePolicy" => return ok(json!({"ResourcePolicy": secret.resource_policy})),
        "ListSecretVersionIds" => {
            let stages = secret.version_ids_to_stages.clone();
            let mut versions = serde_json::to_value(&secret.versions).unwrap();
            for version in versions.as_array_mut().unwrap() {
                version["VersionStages"] = json!(stages.get(version["VersionId"].as_str().unwrap()));
            }
            epoch(&mut versions);
            return ok(json!({"Versions": versions}));
        }
        "GetSecretValue" => {
            let version = input["VersionId"].as_str().unwrap();
            let Some(value) = fake.values.get(version) else { return error("ResourceNotFoundException") };
            let mut answer = value.clone();
            answer["VersionId"] = json!(version);
            return ok(answer);
        }
        "UpdateSecret" => {
            secret.description = text(input, "Description").or_else(|| secret.description.take());
            secret.kms_key_id = text(input, "KmsKeyId").or_else(|| secret.kms_key_id.take());
        }
        "PutSecretValue" => {
            let id = text(input, "ClientRequestToken").unwrap();
            let value = value_of(input).unwrap();
            match fake.values.get(&id) {
                Some(there) if *there == value => return ok(json!({})),
                Some(_) => return error("ResourceExistsException"),
                None => {}
            }
            let stages: Vec<String> = serde_json::from_value(input["VersionStages"].clone()).unwrap();
            fake.put(&id, &stages, value, now);
            return ok(json!({}));
        }
        "UpdateSecretVersionStage" => {
            let stage = text(input, "VersionStage").unwrap();
            if secret.version_with(&stage).map(str::to_owned) != text(input, "RemoveFromVersionId") {
                return error("InvalidParameterException");
            }
            fake.stage(&stage, input["MoveToVersionId"].as_str().unwrap());
            return ok(json!({}));
        }
        "TagResource" => secret.tags.extend(tags(input)),
        "UntagResource" => {
            let keys: Vec<String> = serde_json::from_value(input["TagKeys"].clone()).unwrap();
            secret.tags.retain(|key, _| !keys.contains(key));
        }
        "PutResourcePolicy" => {
            assert_eq!(input["BlockPublicPolicy"], true);
            secret.resource_policy = text(input, "ResourcePolicy");
        }
        "DeleteResourcePolicy" => secret.resource_policy = None,
        "ReplicateSecretToRegions" => {
            let to = &input["AddReplicaRegions"][0];
            secret.replication_status.push(Replica {
                region: text(to, "Region"),
                kms_key_id: text(to, "KmsKeyId"),
                status: Some("InSync".into()),
                ..Replica::default()
            });
        }
        "RotateSecret" => {
            assert_eq!(input["RotateImmediately"], false, "a restore never rotates");
            let rules: RotationRules = serde_json::from_value(input["RotationRules"].clone()).unwrap_or_default();
            assert!(rules.automatically_after_days.is_none() || rules.schedule_expression.is_none(), "never both");
            secret.rotation_enabled = Some(true);
            secret.rotation_lambda_arn = text(input, "RotationLambdaARN");
            // AWS computes the days from an expression.
            let days = rules.automatically_after_days.or_else(|| rules.schedule_expression.as_ref().map(|_| 7));
            secret.rotation_rules = Some(RotationRules { automatically_after_days: days, ..rules });
        }
        "CancelRotateSecret" => secret.rotation_enabled = Some(false),
        "RestoreSecret" => secret.deleted_date = None,
        other => panic!("nobody should call {other}"),
    }
    secret.last_changed_date = Some(now);
    ok(json!({}))
}

fn kms(estate: &mut Estate, operation: &str, input: &Value) -> HttpResponse {
    let ok = |json: Value| respond(200, json.to_string());
    let id = input["KeyId"].as_str().unwrap_or_default().to_owned();
    match operation {
        "ListKeys" => {
            let keys: Vec<Value> = estate.keys.keys().map(|id| json!({"KeyId": id})).collect();
            return ok(json!({"Keys": keys, "Truncated": false}));
        }
        "CreateKey" => {
            let id = format!("arn:aws:kms:ap-northeast-1:123456789012:key/new-{}", estate.keys.len());
            let key = FakeKey {
                state: "Enabled".into(),
                description: text(input, "Description").unwrap(),
                policy: text(input, "Policy").unwrap(),
                rotates: false,
            };
            estate.keys.insert(id.clone(), key);
            return ok(json!({"KeyMetadata": {"KeyId": id, "Arn": id}}));
        }
        "CreateAlias" => {
            let alias = text(input, "AliasName").unwrap();
            if estate.aliases.contains_key(&alias) {
                return error("AlreadyExistsException");
            }
            estate.aliases.insert(alias, text(input, "TargetKeyId").unwrap());
            return ok(json!({}));
        }
        "Decrypt" => {
            let blob = BASE64.decode(input["CiphertextBlob"].as_str().unwrap().as_bytes()).unwrap();
            let wrapped: Value = serde_json::from_slice(&blob).unwrap();
            if wrapped["key"] != input["KeyId"] || wrapped["context"] != input["EncryptionContext"] {
                return error("InvalidCiphertextException");
            }
            return ok(json!({"Plaintext": wrapped["plaintext"], "KeyId": id}));
        }
        _ => {}
    }
    let Some((arn, key)) = estate.key(&id) else { return error("NotFoundException") };
    let (arn, key) = (arn.clone(), key.clone());
    match operation {
        "DescribeKey" => ok(json!({"KeyMetadata": {
            "KeyId": arn, "Arn": arn, "KeyState": key.state, "Description": key.description, "KeyManager": "CUSTOMER",
        }})),
        "EnableKeyRotation" => {
            assert!(!id.contains("alias/"), "KMS refuses an alias here");
            estate.keys.get_mut(&arn).unwrap().rotates = true;
            ok(json!({}))
        }
        "GenerateDataKey" => {
            let plaintext = BASE64.encode(&[7; 32]);
            let wrapped = json!({"key": arn, "context": input["EncryptionContext"], "plaintext": plaintext});
            let blob = BASE64.encode(wrapped.to_string().as_bytes());
            ok(json!({"Plaintext": plaintext, "CiphertextBlob": blob, "KeyId": arn}))
        }
        _ => {
            let message = input["Message"].as_str().unwrap();
            ok(json!({"Mac": BASE64.encode(format!("mac of {message}").as_bytes()), "KeyId": arn}))
        }
    }
}
