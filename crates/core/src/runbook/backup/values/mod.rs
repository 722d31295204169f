//! Encrypted values of secrets in a backup: off unless a prefix of names says whose.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
