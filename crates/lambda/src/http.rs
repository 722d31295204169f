//! HTTP events of api-health: HTTP API v2, function URL, REST API v1, the runbook's bare `{"httpMethod","path"}`, and
//! calls that are not HTTP at all. `lambda_http` refuses the last two.

use serde_json::{Value, json};

/// How much the caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anybody: no names, no error texts.
    Public,
    /// Somebody whom IAM has let through.
    Authorised,
}

/// What the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `GET` or `HEAD` of `/health` or `/health/detail`.
    Health {
        /// How much may be shown.
        audience: Audience,
        /// `HEAD`: no body.
        head: bool,
    },
    /// The schedule, or a direct invocation: the health itself, in full, as the answer.
    Direct,
    /// Another path.
    NotFound,
    /// Another method.
    NotAllowed,
    /// `/health/detail` without IAM.
    Forbidden,
}

impl Call {
    /// Tells what `event` asks for. Lambda lets only IAM-authorised callers invoke directly, so that an event without
    /// API Gateway's `requestContext` is authorised by that.
    pub(crate) fn of(event: &Value) -> Self {
        let context = &event["requestContext"];
        let (method, path) = if event["version"] == "2.0" {
            (&context["http"]["method"], &event["rawPath"])
        } else {
            (&event["httpMethod"], &event["path"])
        };
        let (Some(method), Some(path)) = (method.as_str(), path.as_str()) else { return Self::Direct };
        // A named stage comes first in an HTTP API's path.
        let path = match context["stage"].as_str() {
            Some(stage) => path.strip_prefix(&format!("/{stage}")).unwrap_or(path),
            None => path,
        };
        let signed =
            context.is_null() || context["authorizer"]["iam"].is_object() || context["identity"]["userArn"].is_string();
        let audience = match (path.trim_end_matches('/'), signed) {
            ("/health/detail", false) => return Self::Forbidden,
            ("/health/detail", true) => Audience::Authorised,
            // The runbook's own call is a direct invocation.
            ("/health", _) if context.is_null() => Audience::Authorised,
            ("/health", _) => Audience::Public,
            _ => return Self::NotFound,
        };
        match method {
            "GET" => Self::Health { audience, head: false },
            "HEAD" => Self::Health { audience, head: true },
            _ => Self::NotAllowed,
        }
    }
}

/// The answer that HTTP API, REST API and function URL all take. `body` is `None` for errors without one and for HEAD.
pub(crate) fn respond(status: u16, body: Option<&Value>) -> Value {
    let mut headers = json!({"content-type": "application/health+json", "cache-control": "no-store"});
    if status == 503 {
        headers["retry-after"] = "5".into();
    }
    if status == 405 {
        headers["allow"] = "GET, HEAD".into();
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    json!({"statusCode": status, "headers": headers, "isBase64Encoded": false, "body": body})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(path: &str, method: &str, stage: &str, authorizer: Value) -> Value {
        json!({"version": "2.0", "rawPath": path, "requestContext": {"stage": stage,
            "http": {"method": method, "path": path}, "authorizer": authorizer}})
    }

    fn health(audience: Audience) -> Call {
        Call::Health { audience, head: false }
    }

    #[test]
    fn details_are_for_those_whom_iam_has_let_through() {
        let iam = json!({"iam": {"userArn": "arn:aws:iam::123456789012:user/ops"}});
        for (event, want) in [
            (v2("/health", "GET", "$default", json!(null)), health(Audience::Public)),
            (v2("/health", "GET", "$default", iam.clone()), health(Audience::Public)),
            (v2("/prod/health", "GET", "prod", json!(null)), health(Audience::Public)),
            (v2("/health/", "GET", "$default", json!(null)), health(Audience::Public)),
            (v2("/health/detail", "GET", "$default", json!(null)), Call::Forbidden),
            (v2("/health/detail", "GET", "$default", json!({"jwt": {}})), Call::Forbidden),
            (v2("/health/detail", "GET", "$default", iam), health(Audience::Authorised)),
            (v2("/", "GET", "$default", json!(null)), Call::NotFound),
            (v2("/healthy", "GET", "$default", json!(null)), Call::NotFound),
            (v2("/health", "POST", "$default", json!(null)), Call::NotAllowed),
            (v2("/health", "HEAD", "$default", json!(null)), Call::Health { audience: Audience::Public, head: true }),
            (json!({"httpMethod": "GET", "path": "/health"}), health(Audience::Authorised)),
            (
                json!({"httpMethod": "GET", "path": "/health", "requestContext": {"identity": {"userArn": null}}}),
                health(Audience::Public),
            ),
            (
                json!({"httpMethod": "GET", "path": "/health/detail", "requestContext": {"identity": {"userArn": null}}}),
                Call::Forbidden,
            ),
            (
                json!({"httpMethod": "GET", "path": "/health/detail", "requestContext": {"identity": {"userArn": "arn:x"}}}),
                health(Audience::Authorised),
            ),
            (json!({}), Call::Direct),
            (json!({"job": "health"}), Call::Direct),
        ] {
            assert_eq!(Call::of(&event), want, "{event}");
        }
    }

    #[test]
    fn a_failed_health_says_when_to_come_back() {
        assert_eq!(respond(503, Some(&json!({})))["headers"]["retry-after"], "5");
        assert_eq!(respond(200, Some(&json!({})))["headers"].get("retry-after"), None);
        assert_eq!(respond(404, None)["body"], "");
    }
}
