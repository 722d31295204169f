//! Secrets Manager: what describes a secret (here), changes of it (`change`), and values (`value`).

pub mod change;
pub mod value;

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretVersionsListEntry, SortByType, SortOrderType};

use super::{Aws, AwsError, Class, timestamp};
use crate::model::{Replica, RotationRules, Secret, Version};

/// One page of ListSecrets.
#[derive(Debug)]
pub struct Page {
    /// Up to 100 secrets. ReplicationStatus and the resource policy are not among what ListSecrets tells.
    pub secrets: Vec<Secret>,
    /// Absent on the last page. A page may be empty and not be the last.
    pub next: Option<String>,
}

/// Reads the page at `token`, secrets scheduled for deletion included, the oldest secret first: what is made while a
/// long run goes on comes last, and a run that lost its token can find its place again by the date.
///
/// The list may lag reality by five minutes, and may show a secret twice or not at all if it changes meanwhile.
pub async fn list_page(aws: &Aws, token: Option<String>) -> Result<Page, AwsError> {
    aws.paces.list_secrets.wait().await;
    let page = aws
        .secrets_manager()
        .list_secrets()
        .include_planned_deletion(true)
        .sort_by(SortByType::CreatedDate)
        .sort_order(SortOrderType::Asc)
        .max_results(100)
        .set_next_token(token)
        .send()
        .await
        .map_err(|error| AwsError::new("secretsmanager:ListSecrets", error))?;
    Ok(Page {
        secrets: page.secret_list.unwrap_or_default().into_iter().map(listed).collect(),
        next: page.next_token.filter(|token| !token.is_empty()),
    })
}

/// Every secret whose name begins with `prefix`, as the list shows it, those scheduled for deletion left out.
pub async fn named(aws: &Aws, prefix: &str) -> Result<Vec<Secret>, AwsError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        aws.paces.list_secrets.wait().await;
        let names = Filter::builder().key(FilterNameStringType::Name).values(prefix).build();
        let page = aws
            .secrets_manager()
            .list_secrets()
            .filters(names)
            .max_results(100)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("secretsmanager:ListSecrets", error))?;
        // A second time here: the filter is AWS's, and what is done with the list may be final.
        let found = page.secret_list.unwrap_or_default().into_iter().map(listed);
        all.extend(found.filter(|secret| secret.name.starts_with(prefix)));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// Describes one secret. `id` should be a full ARN: a name that ends like an ARN's suffix can be taken for a partial one.
pub async fn describe(aws: &Aws, id: &str) -> Result<Secret, AwsError> {
    let answer = aws
        .secrets_manager()
        .describe_secret()
        .secret_id(id)
        .send()
        .await
        .map_err(|error| AwsError::new("secretsmanager:DescribeSecret", error))?;
    Ok(described(answer))
}

/// Describes the secret of exactly this name; `None` if there is none, or if AWS took the name for a part of another's.
pub async fn describe_by_name(aws: &Aws, name: &str) -> Result<Option<Secret>, AwsError> {
    match describe(aws, name).await {
        Ok(secret) => Ok(Some(secret).filter(|secret| secret.name == name)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The secret's resource policy as JSON text, or `None` if it has none.
pub async fn resource_policy(aws: &Aws, arn: &str) -> Result<Option<String>, AwsError> {
    aws.paces.resource_policy.wait().await;
    aws.secrets_manager()
        .get_resource_policy()
        .secret_id(arn)
        .send()
        .await
        .map(|answer| answer.resource_policy)
        .map_err(|error| AwsError::new("secretsmanager:GetResourcePolicy", error))
}

/// Every version of a secret with its dates, deprecated ones included, the oldest first.
pub async fn versions(aws: &Aws, arn: &str) -> Result<Vec<Version>, AwsError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        aws.paces.list_versions.wait().await;
        let page = aws
            .secrets_manager()
            .list_secret_version_ids()
            .secret_id(arn)
            .include_deprecated(true)
            .max_results(100)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("secretsmanager:ListSecretVersionIds", error))?;
        all.extend(page.versions.unwrap_or_default().into_iter().filter_map(version));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            // AWS promises no order; the same estate must make the same archive.
            all.sort_by(|a: &Version, b| (a.created_date, &a.version_id).cmp(&(b.created_date, &b.version_id)));
            return Ok(all);
        }
    }
}

fn version(entry: SecretVersionsListEntry) -> Option<Version> {
    Some(Version {
        version_id: entry.version_id?,
        version_stages: entry.version_stages.unwrap_or_default(),
        created_date: entry.created_date.as_ref().and_then(timestamp),
        last_accessed_date: entry.last_accessed_date.as_ref().and_then(timestamp),
        kms_key_ids: entry.kms_key_ids.unwrap_or_default(),
    })
}

/// ListSecrets and DescribeSecret answer with the same fields but for the two that are passed in.
macro_rules! secret {
    ($from:ident, $versions:ident, $replicas:expr) => {
        Secret {
            arn: $from.arn.unwrap_or_default(),
            name: $from.name.unwrap_or_default(),
            description: $from.description,
            kms_key_id: $from.kms_key_id,
            secret_type: $from.r#type,
            owning_service: $from.owning_service,
            rotation_enabled: $from.rotation_enabled,
            rotation_lambda_arn: $from.rotation_lambda_arn,
            rotation_rules: $from.rotation_rules.map(|rules| RotationRules {
                automatically_after_days: rules.automatically_after_days,
                duration: rules.duration,
                schedule_expression: rules.schedule_expression,
            }),
            external_secret_rotation_metadata: $from
                .external_secret_rotation_metadata
                .unwrap_or_default()
                .into_iter()
                .filter_map(|item| Some((item.key?, item.value.unwrap_or_default())))
                .collect(),
            external_secret_rotation_role_arn: $from.external_secret_rotation_role_arn,
            last_rotated_date: $from.last_rotated_date.as_ref().and_then(timestamp),
            last_changed_date: $from.last_changed_date.as_ref().and_then(timestamp),
            last_accessed_date: $from.last_accessed_date.as_ref().and_then(timestamp),
            deleted_date: $from.deleted_date.as_ref().and_then(timestamp),
            next_rotation_date: $from.next_rotation_date.as_ref().and_then(timestamp),
            created_date: $from.created_date.as_ref().and_then(timestamp),
            primary_region: $from.primary_region,
            tags: $from
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
                .collect(),
            version_ids_to_stages: $from.$versions.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
            replication_status: $replicas,
            versions: Vec::new(),
            resource_policy: None,
            resource_policy_as_of: None,
            unread: Vec::new(),
        }
    };
}

fn listed(entry: aws_sdk_secretsmanager::types::SecretListEntry) -> Secret {
    secret!(entry, secret_versions_to_stages, Vec::new())
}

fn described(answer: aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput) -> Secret {
    let replicas = answer.replication_status.unwrap_or_default().into_iter().map(replica).collect();
    secret!(answer, version_ids_to_stages, replicas)
}

fn replica(status: aws_sdk_secretsmanager::types::ReplicationStatusType) -> Replica {
    Replica {
        region: status.region,
        kms_key_id: status.kms_key_id,
        status: status.status.map(|status| status.as_str().to_owned()),
        status_message: status.status_message,
        last_accessed_date: status.last_accessed_date.as_ref().and_then(timestamp),
    }
}
