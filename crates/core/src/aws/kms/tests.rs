use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;
use aws_sdk_kms::operation::get_key_last_usage::GetKeyLastUsageOutput;
use aws_sdk_kms::operation::get_key_rotation_status::GetKeyRotationStatusOutput;
use aws_sdk_kms::types::{KeyLastUsageData, KeyMetadata, KeyState};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;

use super::*;
use crate::aws::mocked;
use crate::model::Reading;

const ARN: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/k";

/// How the key of this description rotates, and how often KMS was asked.
async fn rotation(
    describe: fn(aws_sdk_kms::types::builders::KeyMetadataBuilder) -> aws_sdk_kms::types::builders::KeyMetadataBuilder,
) -> (Reading<Option<bool>>, usize) {
    let described = mock!(aws_sdk_kms::Client::describe_key).then_output(move || {
        let key = KeyMetadata::builder().key_id("k").arn(ARN).key_state(KeyState::Enabled);
        DescribeKeyOutput::builder().key_metadata(describe(key).build().unwrap()).build()
    });
    let status = mock!(aws_sdk_kms::Client::get_key_rotation_status)
        .match_requests(|request| request.key_id() == Some(ARN))
        .then_output(|| GetKeyRotationStatusOutput::builder().key_rotation_enabled(false).build());
    let usage = mock!(aws_sdk_kms::Client::get_key_last_usage)
        .match_requests(|request| request.key_id() == Some(ARN))
        .then_output(|| GetKeyLastUsageOutput::builder().tracking_start_date(DateTime::from_secs(7)).build());
    let client = mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&described, &status, &usage]);
    let aws = mocked::aws().with_kms(client);
    let facts = facts(&aws, "alias/x").await.unwrap();
    let facts = rotation_and_use(&aws, facts).await;
    assert_eq!(facts.last_use, Ok(LastUse::NotSince("1970-01-01T00:00:07Z".parse().unwrap())));
    (facts.rotation, status.num_calls())
}

#[tokio::test]
async fn rotation_is_asked_by_arn_and_only_of_keys_that_can_rotate() {
    let ours = |key: aws_sdk_kms::types::builders::KeyMetadataBuilder| key.key_manager(KeyManagerType::Customer);
    assert_eq!(rotation(|key| key.key_manager(KeyManagerType::Aws)).await, (Ok(Some(true)), 0));
    assert_eq!(
        rotation(|key| {
            key.key_manager(KeyManagerType::Customer).key_spec(KeySpec::SymmetricDefault).origin(OriginType::AwsKms)
        })
        .await,
        (Ok(Some(false)), 1)
    );
    assert_eq!(rotation(|key| key.key_spec(KeySpec::Rsa2048)).await, (Ok(None), 0));
    assert_eq!(rotation(|key| key.key_spec(KeySpec::Hmac256)).await, (Ok(None), 0));
    assert_eq!(rotation(|key| key.origin(OriginType::External)).await, (Ok(None), 0));
    assert_eq!(rotation(|key| key.custom_key_store_id("cks-1")).await, (Ok(None), 0));
    assert_eq!(rotation(ours).await, (Ok(Some(false)), 1), "what KMS leaves out is asked, not assumed");
    assert_eq!(rotation(|key| key).await, (Ok(Some(false)), 1), "nor is a key of nobody taken for one of AWS's");
}

#[tokio::test]
async fn a_last_use_is_a_date_or_never_and_nothing_in_between() {
    for (at, since, want) in [
        (Some(9), Some(7), Some(LastUse::At("1970-01-01T00:00:09Z".parse().unwrap()))),
        (Some(9), None, Some(LastUse::At("1970-01-01T00:00:09Z".parse().unwrap()))),
        (None, Some(7), Some(LastUse::NotSince("1970-01-01T00:00:07Z".parse().unwrap()))),
        (None, None, None),
    ] {
        let usage = mock!(aws_sdk_kms::Client::get_key_last_usage).then_output(move || {
            GetKeyLastUsageOutput::builder()
                .key_last_usage(KeyLastUsageData::builder().set_timestamp(at.map(DateTime::from_secs)).build())
                .set_tracking_start_date(since.map(DateTime::from_secs))
                .build()
        });
        let aws = mocked::aws().with_kms(mock_client!(aws_sdk_kms, RuleMode::MatchAny, [&usage]));
        assert_eq!(last_use(&aws, ARN).await.ok(), want);
    }
}
