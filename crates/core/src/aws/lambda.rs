//! Lambda: does a function exist.

use super::{Aws, AwsError, Class};

/// Whether there is a function of this ARN or name. Its configuration, which may hold secrets, is dropped unseen.
pub async fn exists(aws: &Aws, function: &str) -> Result<bool, AwsError> {
    let answer = aws.lambda().get_function_configuration().function_name(function).send().await;
    match answer.map_err(|error| AwsError::new("lambda:GetFunctionConfiguration", error)) {
        Ok(_) => Ok(true),
        Err(error) if error.class == Class::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
