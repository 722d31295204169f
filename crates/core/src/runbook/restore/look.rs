//! What is there now, as far as a restore has to know it.

use std::collections::BTreeMap;

use super::left::{Left, LeftReason};
use crate::aws::{Aws, AwsError, Class, lambda as functions, secrets_manager};
use crate::model::Secret;

/// The secret of this name with its policy and versions, each where asked for; `None` if there is none.
pub(super) async fn look(aws: &Aws, name: &str, policy: bool, versions: bool) -> Result<Option<Secret>, AwsError> {
    let Some(mut secret) = secrets_manager::describe_by_name(aws, name).await? else { return Ok(None) };
    // Whoever is scheduled for deletion may be asked neither for policy nor for versions before it is back.
    if secret.deleted_date.is_some() {
        return Ok(Some(secret));
    }
    if policy {
        secret.resource_policy = secrets_manager::resource_policy(aws, &secret.arn).await?;
    }
    if versions {
        secret.versions = secrets_manager::versions(aws, &secret.arn).await?;
    }
    Ok(Some(secret))
}

/// The rotation function to use for a secret that was rotated, or why there is none. A partner's rotation has none.
pub(super) async fn lambda(
    aws: &Aws,
    name: &str,
    secret: &Secret,
    map: &BTreeMap<String, String>,
) -> Result<Option<String>, Left> {
    let Some(old) = secret.rotation_lambda_arn.as_ref().filter(|_| secret.rotation_enabled == Some(true)) else {
        return Ok(None);
    };
    let wanted = map.get(old).unwrap_or(old);
    match functions::exists(aws, wanted).await {
        Ok(true) => Ok(Some(wanted.clone())),
        Ok(false) => Err(Left::new(name, LeftReason::RotationFunctionMissing, wanted.clone())),
        // Of another Region or account, which cannot be right for this secret either.
        Err(error) if error.class == Class::Invalid => {
            Err(Left::new(name, LeftReason::RotationFunctionMissing, error.message))
        }
        Err(error) => Err(Left::new(name, LeftReason::RotationFunctionUnknown, format!("{wanted}: {}", error.message))),
    }
}
