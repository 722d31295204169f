//! STS: who is asking.

use super::{Aws, AwsError};

/// The account that the credentials belong to. Needs no permission.
pub async fn account(aws: &Aws) -> Result<String, AwsError> {
    let answer =
        aws.sts().get_caller_identity().send().await.map_err(|error| AwsError::new("sts:GetCallerIdentity", error))?;
    Ok(answer.account.unwrap_or_default())
}
