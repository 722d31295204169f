//! A secret as Secrets Manager describes it. Serialised, it has the shape that `aws secretsmanager describe-secret`
//! prints, so that the runbook's own scripts can read a backup.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that ListSecrets, DescribeSecret and GetResourcePolicy say of a secret. Never its value.
///
/// `None` means that AWS left the field out, which for dates means "never", not "long ago".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Secret {
    /// Ends in a hyphen and six random characters.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Unique in an account and Region; may itself look as if it ended in an ARN's suffix.
    pub name: String,
    /// Empty and absent are different things to AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absent: the AWS managed key `aws/secretsmanager`, which no other account can use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// The kind of a secret that a partner rotates.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub secret_type: Option<String>,
    /// The AWS service that made the secret and alone may rotate or delete it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owning_service: Option<String>,
    /// Absent: rotation has never been configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_enabled: Option<bool>,
    /// Absent for managed rotation even where rotation is on.
    #[serde(rename = "RotationLambdaARN", skip_serializing_if = "Option::is_none")]
    pub rotation_lambda_arn: Option<String>,
    /// Kept by AWS after rotation has been turned off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_rules: Option<RotationRules>,
    /// Settings of a partner's rotation, as key and value.
    #[serde(default, with = "tags", skip_serializing_if = "BTreeMap::is_empty")]
    pub external_secret_rotation_metadata: BTreeMap<String, String>,
    /// The role that a partner's rotation takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_secret_rotation_role_arn: Option<String>,
    /// The last rotation that succeeded; a plain PutSecretValue does not move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rotated_date: Option<Timestamp>,
    /// Moved by any change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_changed_date: Option<Timestamp>,
    /// A day, at midnight UTC; absent if the value has never been read in this Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
    /// Present while the secret is scheduled for deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_date: Option<Timestamp>,
    /// The latest moment at which the next rotation may happen; in the past when rotation fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation_date: Option<Timestamp>,
    /// When the secret was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
    /// The Region of the primary. Another Region than ours: this is a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_region: Option<String>,
    /// Tags, by key.
    #[serde(default, with = "tags", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Version id to its staging labels. Versions without a label are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_ids_to_stages: BTreeMap<String, Vec<String>>,
    /// Only DescribeSecret tells it; ListSecrets leaves it empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replication_status: Vec<Replica>,
    /// Every version with its dates, the deprecated ones without labels included; not part of DescribeSecret's answer,
    /// read by ListSecretVersionIds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
    /// JSON text; not part of DescribeSecret's answer, read by GetResourcePolicy. Absent: the secret has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<String>,
    /// Present where an incremental backup took the policy over from an earlier one: when it was really read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy_as_of: Option<Timestamp>,
    /// Properties that could not be read, so that their absence here is not taken for "none".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// One version of a secret's value, without the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// The client request token that made it.
    pub version_id: String,
    /// Its labels; none: it is deprecated, and AWS may delete it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
    /// When it was made: the age of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
    /// The day of its last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
    /// The keys that encrypt it; `DefaultEncryptionKey` stands for `aws/secretsmanager`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kms_key_ids: Vec<String>,
}

/// When a secret is rotated. AWS answers with both forms and takes only one of them back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotationRules {
    /// 1 to 1000 days; AWS computes it from the expression where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatically_after_days: Option<i64>,
    /// Length of the rotation window, such as `3h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// `rate(..)` or `cron(..)`, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_expression: Option<String>,
}

/// A copy of the secret in another Region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Replica {
    /// Where the copy is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its key there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// `InSync`, `InProgress` or `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// The day of the last read in that Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
}

impl Secret {
    /// The id of the version that carries `label`, if any does.
    pub fn version_with(&self, label: &str) -> Option<&str> {
        self.version_ids_to_stages
            .iter()
            .find(|(_, stages)| stages.iter().any(|s| s == label))
            .map(|(id, _)| id.as_str())
    }

    /// Whether this is the copy of a secret whose primary is in another Region.
    pub fn is_replica_in(&self, region: &str) -> bool {
        self.primary_region.as_deref().is_some_and(|primary| primary != region)
    }
}

/// AWS writes tags, and a partner's settings, as a list of `{Key, Value}`.
mod tags {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag<S> {
        key: S,
        value: S,
    }

    pub(super) fn serialize<S: Serializer>(tags: &BTreeMap<String, String>, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(tags.iter().map(|(key, value)| Tag { key, value }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
        Ok(Vec::<Tag<String>>::deserialize(input)?.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_shape_that_the_cli_prints_and_survives_a_round_trip() {
        let secret = Secret {
            arn: "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:a/b-AbCdEf".into(),
            name: "a/b".into(),
            rotation_lambda_arn: Some("arn:aws:lambda:ap-northeast-1:123456789012:function:rot".into()),
            tags: [("owner".to_owned(), "ops".to_owned())].into(),
            version_ids_to_stages: [("v1".to_owned(), vec!["AWSCURRENT".to_owned()])].into(),
            created_date: Some("2026-11-22T00:00:00.5Z".parse().unwrap()),
            ..Secret::default()
        };
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(
            json,
            r#"{"ARN":"arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:a/b-AbCdEf","Name":"a/b","RotationLambdaARN":"arn:aws:lambda:ap-northeast-1:123456789012:function:rot","CreatedDate":"2026-11-22T00:00:00.5Z","Tags":[{"Key":"owner","Value":"ops"}],"VersionIdsToStages":{"v1":["AWSCURRENT"]}}"#
        );
        assert_eq!(serde_json::from_str::<Secret>(&json).unwrap(), secret);
    }

    #[test]
    fn a_secret_in_its_own_primary_region_is_not_a_replica() {
        let mut secret = Secret::default();
        assert!(!secret.is_replica_in("ap-northeast-1"));
        secret.primary_region = Some("ap-northeast-1".into());
        assert!(!secret.is_replica_in("ap-northeast-1"));
        secret.primary_region = Some("us-east-1".into());
        assert!(secret.is_replica_in("ap-northeast-1"));
    }
}
