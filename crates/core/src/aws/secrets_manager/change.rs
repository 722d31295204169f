//! Changes of secrets. Only plans that a person has approved, and the restore drill under its own names, call these.
//!
//! Every call can be repeated: it carries a token of ours, or says by its error that it has been done before.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{ExternalSecretRotationMetadataItem, ReplicaRegionType, RotationRulesType, Tag};

use super::super::{Aws, AwsError};
use super::value::SecretValue;
use crate::model::RotationRules;

/// What CreateSecret takes, but the value.
#[derive(Clone, Copy, Debug)]
pub struct NewSecret<'a> {
    /// At most 512 characters.
    pub name: &'a str,
    /// Absent and empty are different things.
    pub description: Option<&'a str>,
    /// A key by id, ARN or alias; absent: `aws/secretsmanager`.
    pub kms_key: Option<&'a str>,
    /// The kind of a secret that a partner rotates.
    pub secret_type: Option<&'a str>,
    /// At most 50.
    pub tags: &'a BTreeMap<String, String>,
    /// With a value: the id of its version. 32 to 64 characters.
    pub token: &'a str,
}

/// Makes a secret; without a value it has no version, and GetSecretValue answers ResourceNotFoundException.
///
/// The class is `Conflict` where the name is taken.
pub async fn create(aws: &Aws, new: NewSecret<'_>, value: Option<&SecretValue>) -> Result<(), AwsError> {
    aws.paces.create_secret.wait().await;
    let (text, binary) = value.map(SecretValue::wire).unwrap_or_default();
    aws.secrets_manager()
        .create_secret()
        .name(new.name)
        .set_description(new.description.map(str::to_owned))
        .set_kms_key_id(new.kms_key.map(str::to_owned))
        .set_type(new.secret_type.map(str::to_owned))
        .set_tags(Some(tag_list(new.tags)).filter(|tags| !tags.is_empty()))
        .client_request_token(new.token)
        .set_secret_string(text)
        .set_secret_binary(binary)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:CreateSecret", error))
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Puts description and key right; the key re-encrypts what is labelled AWSCURRENT, AWSPENDING and AWSPREVIOUS.
pub async fn update(
    aws: &Aws,
    id: &str,
    description: Option<&str>,
    kms_key: Option<&str>,
    token: &str,
) -> Result<(), AwsError> {
    aws.paces.write_secret.wait().await;
    aws.secrets_manager()
        .update_secret()
        .secret_id(id)
        .set_description(description.map(str::to_owned))
        .set_kms_key_id(kms_key.map(str::to_owned))
        .client_request_token(token)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:UpdateSecret", error))
}

/// Adds a version. With the id of one that has the same value it does nothing; with another value it is refused.
pub async fn put_value(
    aws: &Aws,
    id: &str,
    version_id: &str,
    stages: &[String],
    value: &SecretValue,
) -> Result<(), AwsError> {
    aws.paces.write_secret.wait().await;
    let (text, binary) = value.wire();
    aws.secrets_manager()
        .put_secret_value()
        .secret_id(id)
        .client_request_token(version_id)
        .set_version_stages(Some(stages.to_vec()))
        .set_secret_string(text)
        .set_secret_binary(binary)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:PutSecretValue", error))
}

/// Moves a label. `from` must be the version that has it now, if any does.
pub async fn move_stage(aws: &Aws, id: &str, stage: &str, from: Option<&str>, to: &str) -> Result<(), AwsError> {
    aws.paces.write_secret.wait().await;
    aws.secrets_manager()
        .update_secret_version_stage()
        .secret_id(id)
        .version_stage(stage)
        .set_remove_from_version_id(from.map(str::to_owned))
        .move_to_version_id(to)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:UpdateSecretVersionStage", error))
}

/// Sets tags; others stay.
pub async fn tag(aws: &Aws, id: &str, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    aws.paces.tag_secret.wait().await;
    aws.secrets_manager()
        .tag_resource()
        .secret_id(id)
        .set_tags(Some(tag_list(tags)))
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:TagResource", error))
}

/// Removes tags by key.
pub async fn untag(aws: &Aws, id: &str, keys: &[String]) -> Result<(), AwsError> {
    aws.paces.tag_secret.wait().await;
    aws.secrets_manager()
        .untag_resource()
        .secret_id(id)
        .set_tag_keys(Some(keys.to_vec()))
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:UntagResource", error))
}

/// Attaches a resource policy in place of the one before. AWS refuses one that opens the secret to the public.
pub async fn put_policy(aws: &Aws, id: &str, policy: &str) -> Result<(), AwsError> {
    aws.paces.resource_policy.wait().await;
    aws.secrets_manager()
        .put_resource_policy()
        .secret_id(id)
        .resource_policy(policy)
        .block_public_policy(true)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:PutResourcePolicy", error))
}

/// Removes the resource policy.
pub async fn delete_policy(aws: &Aws, id: &str) -> Result<(), AwsError> {
    aws.paces.resource_policy.wait().await;
    aws.secrets_manager()
        .delete_resource_policy()
        .secret_id(id)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:DeleteResourcePolicy", error))
}

/// Copies the secret to another Region. A secret of that name there is not overwritten: the copy's status tells.
pub async fn replicate(aws: &Aws, id: &str, region: &str, kms_key: Option<&str>) -> Result<(), AwsError> {
    aws.paces.write_secret.wait().await;
    let to = ReplicaRegionType::builder().region(region).set_kms_key_id(kms_key.map(str::to_owned)).build();
    aws.secrets_manager()
        .replicate_secret_to_regions()
        .secret_id(id)
        .add_replica_regions(to)
        .force_overwrite_replica_secret(false)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:ReplicateSecretToRegions", error))
}

/// How a secret is rotated, as RotateSecret takes it.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The function; absent for a partner's rotation.
    pub lambda: Option<&'a str>,
    /// Either days or an expression, never both: AWS answers with both and takes one.
    pub rules: Option<&'a RotationRules>,
    /// A partner's settings.
    pub metadata: &'a BTreeMap<String, String>,
    /// A partner's role.
    pub role: Option<&'a str>,
    /// Makes a repetition recognisable. 32 to 64 characters.
    pub token: &'a str,
}

/// Switches rotation on without rotating now: the first rotation comes with the next window. AWS tries the function's
/// `testSecret` step at once.
pub async fn schedule_rotation(aws: &Aws, id: &str, rotation: Rotation<'_>) -> Result<(), AwsError> {
    aws.paces.rotate_secret.wait().await;
    let rules = rotation.rules.map(|rules| {
        let days = rules.automatically_after_days.filter(|_| rules.schedule_expression.is_none());
        RotationRulesType::builder()
            .set_automatically_after_days(days)
            .set_schedule_expression(rules.schedule_expression.clone())
            .set_duration(rules.duration.clone())
            .build()
    });
    let metadata: Vec<_> = rotation
        .metadata
        .iter()
        .map(|(key, value)| ExternalSecretRotationMetadataItem::builder().key(key).value(value).build())
        .collect();
    aws.secrets_manager()
        .rotate_secret()
        .secret_id(id)
        .client_request_token(rotation.token)
        .set_rotation_lambda_arn(rotation.lambda.map(str::to_owned))
        .set_rotation_rules(rules)
        .set_external_secret_rotation_metadata(Some(metadata).filter(|items| !items.is_empty()))
        .set_external_secret_rotation_role_arn(rotation.role.map(str::to_owned))
        .rotate_immediately(false)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:RotateSecret", error))
}

/// Switches rotation off.
pub async fn cancel_rotation(aws: &Aws, id: &str) -> Result<(), AwsError> {
    aws.paces.rotate_secret.wait().await;
    aws.secrets_manager()
        .cancel_rotate_secret()
        .secret_id(id)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:CancelRotateSecret", error))
}

/// Takes back a scheduled deletion.
pub async fn undelete(aws: &Aws, id: &str) -> Result<(), AwsError> {
    aws.paces.restore_secret.wait().await;
    aws.secrets_manager()
        .restore_secret()
        .secret_id(id)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:RestoreSecret", error))
}

/// Deletes at once and for good. Only the restore drill does this, to what it made itself.
pub async fn delete_for_good(aws: &Aws, arn: &str) -> Result<(), AwsError> {
    aws.paces.delete_secret.wait().await;
    aws.secrets_manager()
        .delete_secret()
        .secret_id(arn)
        .force_delete_without_recovery(true)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("secretsmanager:DeleteSecret", error))
}
