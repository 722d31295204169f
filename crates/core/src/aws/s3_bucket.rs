//! S3: how a bucket is set up, as far as it matters to one who is about to write encrypted values into it.

use aws_sdk_s3::types::BucketVersioningStatus;

use super::s3::Bucket;
use super::{Aws, AwsError, Class};

/// Whether earlier versions of objects are kept.
pub async fn is_versioned(aws: &Aws, bucket: &Bucket) -> Result<bool, AwsError> {
    let answer = aws
        .s3()
        .get_bucket_versioning()
        .bucket(&bucket.name)
        .set_expected_bucket_owner(bucket.owner.clone())
        .send()
        .await
        .map_err(|error| AwsError::new("s3:GetBucketVersioning", error))?;
    Ok(answer.status == Some(BucketVersioningStatus::Enabled))
}

/// The KMS key of the bucket's default encryption; `None` for S3's own encryption.
pub async fn default_key(aws: &Aws, bucket: &Bucket) -> Result<Option<String>, AwsError> {
    let answer = aws
        .s3()
        .get_bucket_encryption()
        .bucket(&bucket.name)
        .set_expected_bucket_owner(bucket.owner.clone())
        .send()
        .await
        .map_err(|error| AwsError::new("s3:GetEncryptionConfiguration", error));
    let rules = match answer {
        Ok(answer) => answer.server_side_encryption_configuration.map(|found| found.rules).unwrap_or_default(),
        // ServerSideEncryptionConfigurationNotFoundError: there is none.
        Err(error) if error.class == Class::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(rules
        .into_iter()
        .filter_map(|rule| rule.apply_server_side_encryption_by_default)
        .find_map(|default| default.kms_master_key_id))
}

/// Whether all four kinds of public access are blocked.
pub async fn blocks_public_access(aws: &Aws, bucket: &Bucket) -> Result<bool, AwsError> {
    let answer = aws
        .s3()
        .get_public_access_block()
        .bucket(&bucket.name)
        .set_expected_bucket_owner(bucket.owner.clone())
        .send()
        .await
        .map_err(|error| AwsError::new("s3:GetBucketPublicAccessBlock", error));
    match answer {
        Ok(answer) => Ok(answer.public_access_block_configuration.is_some_and(|block| {
            [
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            ]
            .iter()
            .all(|kind| *kind == Some(true))
        })),
        Err(error) if error.class == Class::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The bucket's policy as JSON text, if it has one.
pub async fn policy(aws: &Aws, bucket: &Bucket) -> Result<Option<String>, AwsError> {
    let answer = aws
        .s3()
        .get_bucket_policy()
        .bucket(&bucket.name)
        .set_expected_bucket_owner(bucket.owner.clone())
        .send()
        .await
        .map_err(|error| AwsError::new("s3:GetBucketPolicy", error));
    match answer {
        Ok(answer) => Ok(answer.policy),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
