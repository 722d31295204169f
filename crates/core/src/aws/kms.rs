//! KMS: the state of a key.

use super::{Aws, AwsError};

/// What decides whether secrets under a key can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key's ARN, whatever it was asked for by.
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, ...
    pub state: String,
}

/// Describes a key by id, ARN or alias (`alias/name`).
pub async fn describe_key(aws: &Aws, id: &str) -> Result<Key, AwsError> {
    let answer =
        aws.kms().describe_key().key_id(id).send().await.map_err(|error| AwsError::new("kms:DescribeKey", error))?;
    let key = answer.key_metadata;
    Ok(Key {
        arn: key.as_ref().and_then(|key| key.arn.clone()).unwrap_or_default(),
        state: key.and_then(|key| key.key_state).map(|state| state.as_str().to_owned()).unwrap_or_default(),
    })
}
