//! KMS: the state of a key, new keys, data keys and keyed hashes.

use std::collections::BTreeMap;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeyManagerType, KeySpec, MacAlgorithmSpec, OriginType};
use zeroize::Zeroizing;

use super::{Aws, AwsError, timestamp};
use crate::model::{KeyFacts, LastUse, unread};

/// What decides whether secrets under a key can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key's ARN, whatever it was asked for by.
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, ...
    pub state: String,
    /// Whether it is one of the account's own and not one that AWS manages.
    pub customer_managed: bool,
    /// As it was given when the key was made.
    pub description: String,
}

/// Describes a key by id, ARN or alias (`alias/name`).
pub async fn describe_key(aws: &Aws, id: &str) -> Result<Key, AwsError> {
    let answer =
        aws.kms().describe_key().key_id(id).send().await.map_err(|error| AwsError::new("kms:DescribeKey", error))?;
    let key = answer.key_metadata;
    Ok(Key {
        customer_managed: key
            .as_ref()
            .and_then(|key| key.key_manager.as_ref())
            .is_some_and(|manager| manager.as_str() == "CUSTOMER"),
        description: key.as_ref().and_then(|key| key.description.clone()).unwrap_or_default(),
        arn: key.as_ref().and_then(|key| key.arn.clone()).unwrap_or_default(),
        state: key.and_then(|key| key.key_state).map(|state| state.as_str().to_owned()).unwrap_or_default(),
    })
}

/// What decides whether the secrets under a key are safe and readable; by id, ARN or alias. Whether its material changes by
/// itself and when it was last used are not asked yet: see [`rotation_and_use`].
pub async fn facts(aws: &Aws, id: &str) -> Result<KeyFacts, AwsError> {
    let answer =
        aws.kms().describe_key().key_id(id).send().await.map_err(|error| AwsError::new("kms:DescribeKey", error))?;
    let Some(key) = answer.key_metadata else {
        return Err(AwsError::garbled("kms:DescribeKey", "the answer has no key in it"));
    };
    // Of HMAC and asymmetric keys, of imported material and of custom key stores.
    let never_rotates = key.key_spec.as_ref().is_some_and(|spec| *spec != KeySpec::SymmetricDefault)
        || key.origin.as_ref().is_some_and(|origin| *origin != OriginType::AwsKms)
        || key.custom_key_store_id.is_some();
    let rotation = match key.key_manager {
        // KMS changes the material of its own keys every year, and nobody can switch that off.
        Some(KeyManagerType::Aws) => Ok(Some(true)),
        _ if never_rotates => Ok(None),
        _ => Err(unread("kms:GetKeyRotationStatus")),
    };
    Ok(KeyFacts {
        arn: key.arn.unwrap_or_default(),
        state: key.key_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        customer_managed: key.key_manager == Some(KeyManagerType::Customer),
        deletion_date: key.deletion_date.as_ref().and_then(timestamp),
        rotation,
        last_use: Err(unread("kms:GetKeyLastUsage")),
    })
}

/// Completes [`facts`]. Both calls are made by the key's ARN, since KMS refuses aliases; what is refused becomes a gap
/// inside. Rotation is asked only of keys whose material KMS can change.
pub async fn rotation_and_use(aws: &Aws, mut key: KeyFacts) -> KeyFacts {
    if key.rotation.is_err() {
        let status = aws.kms().get_key_rotation_status().key_id(&key.arn).send().await;
        let status = status.map_err(|error| AwsError::new("kms:GetKeyRotationStatus", error));
        key.rotation = status.map(|status| Some(status.key_rotation_enabled)).map_err(|error| error.gap(&key.arn));
    }
    key.last_use = last_use(aws, &key.arn).await.map_err(|error| error.gap(&key.arn));
    key
}

async fn last_use(aws: &Aws, arn: &str) -> Result<LastUse, AwsError> {
    let answer = aws.kms().get_key_last_usage().key_id(arn).send().await;
    let answer = answer.map_err(|error| AwsError::new("kms:GetKeyLastUsage", error))?;
    let used = answer.key_last_usage.and_then(|usage| usage.timestamp).as_ref().and_then(timestamp);
    let since = answer.tracking_start_date.as_ref().and_then(timestamp);
    match (used, since) {
        (Some(at), _) => Ok(LastUse::At(at)),
        (None, Some(since)) => Ok(LastUse::NotSince(since)),
        (None, None) => Err(AwsError::garbled("kms:GetKeyLastUsage", "neither a last use nor a start of the notes")),
    }
}

/// A key's policy, as JSON; by id or ARN, an alias is refused. Only within the key's own account.
pub async fn policy(aws: &Aws, key: &str) -> Result<String, AwsError> {
    let answer = aws.kms().get_key_policy().key_id(key).send().await;
    let answer = answer.map_err(|error| AwsError::new("kms:GetKeyPolicy", error))?;
    answer.policy.ok_or_else(|| AwsError::garbled("kms:GetKeyPolicy", "the answer has no policy in it"))
}

/// The ids of all keys of account and Region.
pub async fn list_keys(aws: &Aws) -> Result<Vec<String>, AwsError> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = aws
            .kms()
            .list_keys()
            .limit(1000)
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| AwsError::new("kms:ListKeys", error))?;
        all.extend(page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id));
        marker = page.next_marker.filter(|_| page.truncated);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

/// Makes a symmetric key and returns its id. KMS knows no request token: a repetition makes another key, so that the
/// caller looks for its `description` first.
pub async fn create_key(aws: &Aws, description: &str, policy: &str) -> Result<String, AwsError> {
    let answer = aws
        .kms()
        .create_key()
        .description(description)
        .policy(policy)
        .send()
        .await
        .map_err(|error| AwsError::new("kms:CreateKey", error))?;
    Ok(answer.key_metadata.map(|key| key.key_id).unwrap_or_default())
}

/// Names a key. The class is `Conflict` where the alias is taken.
pub async fn create_alias(aws: &Aws, alias: &str, key_id: &str) -> Result<(), AwsError> {
    aws.kms()
        .create_alias()
        .alias_name(alias)
        .target_key_id(key_id)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("kms:CreateAlias", error))
}

/// Switches yearly rotation on; by id or ARN, an alias is refused. Repeating it changes nothing.
pub async fn enable_rotation(aws: &Aws, key_id: &str) -> Result<(), AwsError> {
    aws.kms()
        .enable_key_rotation()
        .key_id(key_id)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("kms:EnableKeyRotation", error))
}

/// A data key in the clear and wrapped, and the ARN of the key that wrapped it.
pub struct DataKey {
    /// 256 bits.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// Only KMS can open it.
    pub wrapped: Vec<u8>,
    /// Never an alias.
    pub key_arn: String,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey").field("key_arn", &self.key_arn).finish_non_exhaustive()
    }
}

/// Makes a data key bound to `context`, which CloudTrail shows in the clear.
pub async fn data_key(aws: &Aws, key: &str, context: &BTreeMap<String, String>) -> Result<DataKey, AwsError> {
    let answer = aws
        .kms()
        .generate_data_key()
        .key_id(key)
        .key_spec(DataKeySpec::Aes256)
        .set_encryption_context(Some(context.clone().into_iter().collect()))
        .send()
        .await
        .map_err(|error| AwsError::new("kms:GenerateDataKey", error))?;
    Ok(DataKey {
        plaintext: Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default()),
        wrapped: answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default(),
        key_arn: answer.key_id.unwrap_or_default(),
    })
}

/// Opens a wrapped data key: under this very key and context, or not at all.
pub async fn unwrap_key(
    aws: &Aws,
    key_arn: &str,
    wrapped: &[u8],
    context: &BTreeMap<String, String>,
) -> Result<Zeroizing<Vec<u8>>, AwsError> {
    let answer = aws
        .kms()
        .decrypt()
        .key_id(key_arn)
        .ciphertext_blob(Blob::new(wrapped))
        .set_encryption_context(Some(context.clone().into_iter().collect()))
        .send()
        .await
        .map_err(|error| AwsError::new("kms:Decrypt", error))?;
    Ok(Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default()))
}

/// HMAC-SHA-256 of at most 4,096 bytes under a key that never leaves KMS.
pub async fn mac(aws: &Aws, key: &str, message: &[u8]) -> Result<Vec<u8>, AwsError> {
    let answer = aws
        .kms()
        .generate_mac()
        .key_id(key)
        .mac_algorithm(MacAlgorithmSpec::HmacSha256)
        .message(Blob::new(message))
        .send()
        .await
        .map_err(|error| AwsError::new("kms:GenerateMac", error))?;
    Ok(answer.mac.map(Blob::into_inner).unwrap_or_default())
}

#[cfg(test)]
mod tests;
