//! Is the bucket fit to keep encrypted values.

use serde_json::Value;

use crate::aws::s3::Bucket;
use crate::aws::{Aws, AwsError, kms, s3_bucket};

/// Why values must not be written into this bucket; empty: it is fit.
///
/// # Errors
/// What cannot be looked at is not fit either.
pub(in crate::runbook::backup) async fn unfit(aws: &Aws, bucket: &Bucket) -> Result<Vec<String>, AwsError> {
    let mut why = Vec::new();
    if !s3_bucket::is_versioned(aws, bucket).await? {
        why.push("it is not versioned, so that a value could be overwritten for good".to_owned());
    }
    match bucket.kms_key.clone().or(s3_bucket::default_key(aws, bucket).await?) {
        None => why.push("it is not encrypted with a KMS key of your own".to_owned()),
        Some(key) => {
            let key = kms::describe_key(aws, &key).await?;
            if !key.customer_managed {
                why.push(format!("its key {} is not one of your own", key.arn));
            }
        }
    }
    if !s3_bucket::blocks_public_access(aws, bucket).await? {
        why.push("its public access is not blocked in all four ways".to_owned());
    }
    if !s3_bucket::policy(aws, bucket).await?.is_some_and(|policy| denies_plain_http(&policy)) {
        why.push("its policy does not deny requests without TLS".to_owned());
    }
    Ok(why)
}

/// Whether a statement denies everybody everything where `aws:SecureTransport` is false.
fn denies_plain_http(policy: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = match document.get("Statement") {
        Some(Value::Array(many)) => many.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let is = |value: Option<&Value>, wanted: &str| match value {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    };
    statements.into_iter().any(|statement| {
        let everybody = is(statement.get("Principal"), "*")
            || statement.get("Principal").is_some_and(|principal| is(principal.get("AWS"), "*"));
        let everything = is(statement.get("Action"), "s3:*") || is(statement.get("Action"), "*");
        // A second condition would let some requests through.
        let condition = statement.get("Condition").and_then(Value::as_object).filter(|operators| operators.len() == 1);
        let transport = condition
            .and_then(|operators| operators.get("Bool"))
            .and_then(Value::as_object)
            .filter(|keys| keys.len() == 1)
            .and_then(|keys| keys.get("aws:SecureTransport"));
        let insecure = transport.is_some_and(|value| value.as_bool() == Some(false) || is(Some(value), "false"));
        is(statement.get("Effect"), "Deny") && everybody && everything && insecure
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_whole_deny_of_plain_http_counts() {
        let good = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        let with = |key: &str, value: Value| {
            let mut statement = good.clone();
            statement[key] = value;
            json!({"Statement": [statement]}).to_string()
        };
        assert!(denies_plain_http(&json!({"Statement": good}).to_string()));
        assert!(denies_plain_http(&with("Principal", json!({"AWS": ["*"]}))));
        for (key, value) in [
            ("Effect", json!("Allow")),
            ("Principal", json!({"AWS": "123456789012"})),
            ("Action", json!("s3:GetObject")),
            ("Condition", json!({"Bool": {"aws:SecureTransport": "true"}})),
            ("Condition", json!({"Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "false"}})),
            ("Condition", json!({"Bool": {"aws:SecureTransport": "false"}, "Null": {"a": "b"}})),
            ("Condition", json!(null)),
        ] {
            assert!(!denies_plain_http(&with(key, value.clone())), "{key} {value}");
        }
        assert!(!denies_plain_http("{}") && !denies_plain_http("nonsense"));
    }
}
