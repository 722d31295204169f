//! The keys of a restore: which key takes the place of which, and whether it can be used.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::left::LeftReason;
use crate::aws::{Aws, Class, kms};
use crate::runbook::once::hex;

/// What the restore knows of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyAnswer {
    /// `aws/secretsmanager`, which every account has.
    Default,
    /// A key that can be used, by ARN.
    Use(String),
    /// A key that a step of the plan makes, by alias.
    Make(String),
    /// None that can be used, and why.
    None(LeftReason, String),
}

/// Looks each key up once.
pub(super) struct Keys<'a> {
    aws: &'a Aws,
    map: &'a BTreeMap<String, String>,
    /// Prefix of the aliases of new keys, if keys are to be made.
    make: Option<String>,
    known: Mutex<HashMap<String, KeyAnswer>>,
    arns: Mutex<HashMap<String, String>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(aws: &'a Aws, map: &'a BTreeMap<String, String>, make: Option<String>) -> Self {
        Self { aws, map, make, known: Mutex::default(), arns: Mutex::default() }
    }

    /// The key to use in place of `key` of the backup.
    pub(super) async fn resolve(&self, key: Option<&str>) -> KeyAnswer {
        let Some(key) = key.filter(|key| !key.ends_with("alias/aws/secretsmanager")) else { return KeyAnswer::Default };
        // Held while asking, so that no key is asked for twice.
        let mut known = self.known.lock().await;
        if let Some(answer) = known.get(key) {
            return answer.clone();
        }
        let answer = self.ask(key).await;
        known.insert(key.to_owned(), answer.clone());
        answer
    }

    async fn ask(&self, key: &str) -> KeyAnswer {
        let mapped = self.map.get(key);
        let wanted = mapped.map_or(key, String::as_str);
        if wanted.ends_with("alias/aws/secretsmanager") {
            return KeyAnswer::Default;
        }
        let make = self.make.as_ref().filter(|_| mapped.is_none());
        let why = match kms::describe_key(self.aws, wanted).await {
            Ok(found) if found.state == "Enabled" => return KeyAnswer::Use(found.arn),
            Ok(found) => format!("{wanted} is {}", found.state),
            Err(error) if matches!(error.class, Class::NotFound | Class::Invalid) => {
                format!("{wanted}: {}", error.message)
            }
            // Of another account, "denied" is all that one ever hears of a key that is not there.
            Err(error) if error.class == Class::Denied && make.is_some() => error.message,
            Err(error) => {
                return KeyAnswer::None(LeftReason::KeyUnknown, format!("{wanted}: {}", error.message));
            }
        };
        let Some(prefix) = make else { return KeyAnswer::None(LeftReason::KeyMissing, why) };
        let alias = alias_for(prefix, key);
        // An earlier restore may have made it.
        match kms::describe_key(self.aws, &alias).await {
            Ok(made) if made.state == "Enabled" => KeyAnswer::Use(made.arn),
            Ok(made) => KeyAnswer::None(LeftReason::KeyMissing, format!("{why}; {alias} is {}", made.state)),
            // Of an alias that is not there, KMS says "denied" to one whose policy names keys.
            Err(error) if matches!(error.class, Class::NotFound | Class::Denied) => KeyAnswer::Make(alias),
            Err(error) => KeyAnswer::None(LeftReason::KeyUnknown, format!("{alias}: {}", error.message)),
        }
    }

    /// The ARN of a live secret's key, which AWS tells as it was given: by id, ARN or alias. What cannot be looked up is
    /// left as it is told.
    pub(super) async fn arn(&self, key: Option<&str>) -> Option<String> {
        let key = key.filter(|key| !key.ends_with("alias/aws/secretsmanager"))?;
        if key.contains(":key/") {
            return Some(key.to_owned());
        }
        let mut arns = self.arns.lock().await;
        if let Some(arn) = arns.get(key) {
            return Some(arn.clone());
        }
        let arn = kms::describe_key(self.aws, key).await.map_or_else(|_| key.to_owned(), |found| found.arn);
        arns.insert(key.to_owned(), arn.clone());
        Some(arn)
    }

    /// The keys to be made: alias, and the key of the backup that each replaces.
    pub(super) async fn to_make(&self) -> Vec<(String, String)> {
        let known = self.known.lock().await;
        let mut all: Vec<_> = known
            .iter()
            .filter_map(|(key, answer)| match answer {
                KeyAnswer::Make(alias) => Some((alias.clone(), key.clone())),
                _ => None,
            })
            .collect();
        all.sort();
        all
    }
}

/// One new key for each old one: putting all secrets under one key would give every reader of one all of them.
fn alias_for(prefix: &str, key: &str) -> String {
    format!("alias/{prefix}-restored-{}", hex(&Sha256::digest(key.as_bytes())[..4]))
}

/// A policy that leaves the say to the account's IAM, and lets the account's principals use the key through Secrets
/// Manager alone.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"AdministeredByIam","Effect":"Allow","Principal":{"AWS":"arn:{partition}:iam::{account}:root"},"Action":"kms:*","Resource":"*"},{"Sid":"ThroughSecretsManager","Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"{account}","kms:ViaService":"secretsmanager.{region}.amazonaws.com"}}}]}"#;

/// Fills in the template of a new key's policy: `{partition}`, `{account}` and `{region}`.
pub(super) fn key_policy(template: Option<&str>, caller: &str, account: &str, region: &str) -> String {
    let partition = caller.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws");
    template
        .unwrap_or(POLICY)
        .replace("{partition}", partition)
        .replace("{account}", account)
        .replace("{region}", region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_is_filled_in() {
        let policy = key_policy(None, "arn:aws-cn:sts::1:x", "123456789012", "ap-northeast-1");
        assert!(serde_json::from_str::<serde_json::Value>(&policy).is_ok());
        assert!(policy.contains("arn:aws-cn:iam::123456789012:root"));
        assert!(policy.contains("secretsmanager.ap-northeast-1.amazonaws.com"));
        assert!(!policy.contains(['{', '}'].map(String::from).join("partition").as_str()));
        assert_eq!(key_policy(Some("{account}"), "x", "1", "r"), "1");
    }

    #[test]
    fn each_lost_key_gets_a_key_of_its_own() {
        assert_ne!(alias_for("p-prod", "a"), alias_for("p-prod", "b"));
        assert!(alias_for("p-prod", "a").starts_with("alias/p-prod-restored-"));
    }
}
