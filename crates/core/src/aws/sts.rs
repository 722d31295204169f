//! STS: who is asking, and taking a role of another account.

use aws_sdk_sts::config::Credentials;

use super::{Aws, AwsError, SharedCredentialsProvider};

/// The account and the ARN of the caller. Needs no permission.
pub async fn caller(aws: &Aws) -> Result<(String, String), AwsError> {
    let answer =
        aws.sts().get_caller_identity().send().await.map_err(|error| AwsError::new("sts:GetCallerIdentity", error))?;
    Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
}

/// Clients for another estate. The role's credentials last an hour, longer than any invocation.
pub async fn assume(aws: &Aws, role_arn: &str, region: &str) -> Result<Aws, AwsError> {
    let answer = aws
        .sts()
        .assume_role()
        .role_arn(role_arn)
        .role_session_name("secrets-ops-backup")
        .send()
        .await
        .map_err(|error| AwsError::new("sts:AssumeRole", error))?;
    let given = answer.credentials.map(|given| {
        let token = Some(given.session_token);
        Credentials::new(given.access_key_id, given.secret_access_key, token, None, "AssumeRole")
    });
    let credentials = given.unwrap_or_else(|| Credentials::new("", "", None, None, "AssumeRole"));
    Ok(aws.elsewhere(SharedCredentialsProvider::new(credentials), region))
}
