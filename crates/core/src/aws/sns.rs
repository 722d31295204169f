//! SNS: notices to people.

use super::{Aws, AwsError};

/// Publishes to a topic. `subject` must be below 100 characters, without line breaks or control characters.
///
/// # Errors
/// Also where the topic's key refuses the publisher: `kms:GenerateDataKey` and `kms:Decrypt` are needed on it.
pub async fn publish(aws: &Aws, topic_arn: &str, subject: &str, message: &str) -> Result<(), AwsError> {
    aws.sns()
        .publish()
        .topic_arn(topic_arn)
        .subject(subject)
        .message(message)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| AwsError::new("sns:Publish", error))
}
