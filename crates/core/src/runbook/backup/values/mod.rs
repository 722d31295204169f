//! Encrypted values of secrets in a backup: off unless a prefix of names says whose.
//!
//! Each value is a message of the AWS Encryption SDK under a data key of its own, bound to the secret's ARN, the version
//! and the kind of value, so that AWS's own tools can open it (docs/VALUES.md) and no message can take another's place.
//! Reading a value moves LastAccessedDate: the archive keeps the date from before the reading, and the secrets below
//! the prefix can only be called unused by what CloudTrail knows of principals other than the backup's role.

mod bucket;
mod message;

use std::collections::BTreeMap;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(super) use bucket::unfit;

use crate::aws::secrets_manager::value::{self, SecretValue, ValueKind};
use crate::aws::{Aws, AwsError, Class, kms};
use crate::model::{Gap, GapReason, Secret};

/// IAM actions of backing up values, besides those of the backup.
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    // Used by Secrets Manager on our behalf.
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateMac",
    "kms:DescribeKey",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicy",
];

/// Whose values are backed up, and under which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSettings {
    /// Beginning of the names; never empty.
    pub prefix: String,
    /// Wraps the data keys.
    pub key: String,
    /// Makes the keyed hashes.
    pub mac_key: String,
}

/// Why a backed-up value cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// KMS refuses, or cannot be reached.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Not base64, not a message, altered, or not the value that it claims to be.
    #[error("the backed-up value of version {version} cannot be opened: {why}")]
    Broken {
        /// The version's id.
        version: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The encrypted values of one secret: `<name>-values.json` in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Values {
    /// The secret's name.
    pub name: String,
    /// Its full ARN when it was read, which the encryption context holds.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Every version that had a label, the oldest first.
    pub versions: Vec<SealedValue>,
}

/// One encrypted value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SealedValue {
    /// The version's id.
    pub version_id: String,
    /// Its labels.
    pub version_stages: Vec<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
    /// `string` or `binary`: which of the two kinds of value it is.
    #[serde(rename = "Type")]
    pub value_type: String,
    /// A message of the AWS Encryption SDK, in base64.
    pub message: String,
    /// A keyed hash (KMS GenerateMac) by which two backups show whether the value has changed, in base64.
    pub mac: String,
}

/// Reads and encrypts every labelled version of a secret. What cannot be is a gap; the rest is kept.
pub(super) async fn seal(aws: &Aws, settings: &ValueSettings, secret: &Secret) -> (Values, Vec<Gap>) {
    let mut sealed = Values { name: secret.name.clone(), arn: secret.arn.clone(), versions: Vec::new() };
    let mut gaps = Vec::new();
    for (version_id, stages) in oldest_first(secret) {
        match one(aws, settings, secret, version_id, stages).await {
            Ok(Some(value)) => sealed.versions.push(value),
            // A rotation that failed leaves AWSPENDING on a version without a value.
            Ok(None) if stages.iter().all(|stage| stage == "AWSPENDING") => {}
            Ok(None) => gaps.push(Gap {
                what: "secretsmanager:GetSecretValue".into(),
                subject: secret.name.clone(),
                reason: GapReason::NoData,
                detail: format!("version {version_id} ({}) has no value", stages.join(", ")),
            }),
            Err(gap) => gaps.push(gap),
        }
    }
    (sealed, gaps)
}

/// Version ids and labels in the order in which the versions were made, as far as it is known.
fn oldest_first(secret: &Secret) -> Vec<(&str, &[String])> {
    let made = |id: &str| secret.versions.iter().find(|version| version.version_id == id).and_then(|v| v.created_date);
    let mut all: Vec<_> =
        secret.version_ids_to_stages.iter().map(|(id, stages)| (id.as_str(), stages.as_slice())).collect();
    all.sort_by_key(|(id, _)| (made(id), *id));
    all
}

async fn one(
    aws: &Aws,
    settings: &ValueSettings,
    secret: &Secret,
    version_id: &str,
    stages: &[String],
) -> Result<Option<SealedValue>, Gap> {
    let gap = |error: AwsError| error.gap(&secret.name);
    let value = match value::read(aws, &secret.arn, version_id).await {
        Ok(Some(value)) => value,
        Ok(None) => return Ok(None),
        Err(error) if error.class == Class::NotFound => return Ok(None),
        Err(error) => return Err(gap(error)),
    };
    let context = context(&secret.arn, version_id, value.kind());
    let key = kms::data_key(aws, &settings.key, &context).await.map_err(gap)?;
    let mac = kms::mac(aws, &settings.mac_key, &fingerprint(&secret.name, &value)).await.map_err(gap)?;
    let message = message::seal(&key, &context, value.expose()).map_err(|error| Gap {
        what: "encryption".into(),
        subject: secret.name.clone(),
        reason: GapReason::Malformed,
        detail: error.to_string(),
    })?;
    Ok(Some(SealedValue {
        version_id: version_id.to_owned(),
        version_stages: stages.to_vec(),
        created_date: secret.versions.iter().find(|v| v.version_id == version_id).and_then(|v| v.created_date),
        value_type: value.kind().name().to_owned(),
        message: BASE64.encode(&message),
        mac: BASE64.encode(&mac),
    }))
}

/// What the message is bound to. CloudTrail shows it in the clear.
fn context(arn: &str, version_id: &str, kind: ValueKind) -> BTreeMap<String, String> {
    [("SecretARN", arn), ("SecretVersionId", version_id), ("ValueType", kind.name())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// What the keyed hash is made of: with the name in it, equal values of two secrets do not look alike.
fn fingerprint(name: &str, value: &SecretValue) -> Zeroizing<Vec<u8>> {
    let mut hash = Sha256::new();
    hash.update((name.len() as u64).to_be_bytes());
    hash.update(name.as_bytes());
    hash.update(value.kind().name().as_bytes());
    hash.update([0]);
    hash.update(value.expose());
    Zeroizing::new(hash.finalize().to_vec())
}

/// Opens a backed-up value of the secret that had this ARN. KMS is asked with the context that the value must have, and
/// not with the one that the message claims; and only `allowed`, the ARN of the deployment's value key, is used: anybody
/// who can write an archive could wrap a value of theirs under a key of theirs.
pub(in crate::runbook) async fn open(
    aws: &Aws,
    allowed: &str,
    arn: &str,
    sealed: &SealedValue,
) -> Result<SecretValue, ValueError> {
    let broken = |why: String| ValueError::Broken { version: sealed.version_id.clone(), why };
    let kind = match sealed.value_type.as_str() {
        "string" => ValueKind::Text,
        "binary" => ValueKind::Binary,
        other => return Err(broken(format!("its type is {other:?}"))),
    };
    let bytes = BASE64.decode(sealed.message.as_bytes()).map_err(|error| broken(error.to_string()))?;
    let message = message::parse(&bytes).map_err(|error| broken(error.to_string()))?;
    let context = context(arn, &sealed.version_id, kind);
    if *message.context() != context {
        return Err(broken("it belongs to another secret or version".to_owned()));
    }
    let (key_arn, wrapped) = message.wrapped_key();
    if key_arn != allowed {
        return Err(broken(format!("it is under {key_arn}; SECRETS_OPS_VALUE_KEY is {allowed}")));
    }
    let key = kms::unwrap_key(aws, key_arn, wrapped, &context).await?;
    let value = message.open(&key).map_err(|error| broken(error.to_string()))?;
    SecretValue::new(kind, value).ok_or_else(|| broken("it is not text".to_owned()))
}
