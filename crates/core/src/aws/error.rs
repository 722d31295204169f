//! One error for every AWS call: which operation, which code, which class, and the source.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::model::{Gap, GapReason};

/// What a failed call means to the one who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The role may not do it.
    Denied,
    /// The account's quota, after all retries.
    Throttled,
    /// The object is not there.
    NotFound,
    /// It exists already, or a condition on its state does not hold (`If-None-Match`, `If-Match`).
    Conflict,
    /// AWS refuses the request as it stands; sending it again will not help.
    Invalid,
    /// No answer in time.
    TimedOut,
    /// The service failed, or could not be reached.
    Unavailable,
    /// An answer that does not have the form AWS documents.
    Garbled,
}

/// A failed AWS call.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct AwsError {
    /// Service and operation as IAM spells them, such as `secretsmanager:ListSecrets`.
    pub operation: &'static str,
    /// AWS's code, where there was an answer with one.
    pub code: Option<String>,
    /// What it means.
    pub class: Class,
    /// AWS's words, without the request or the response body.
    pub message: String,
    /// The SDK's error.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl AwsError {
    /// Classifies what the SDK reports of `operation`.
    pub fn new<E>(operation: &'static str, error: SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let (class, code, message) = match &error {
            SdkError::ConstructionFailure(_) => (Class::Invalid, None, told(&error)),
            SdkError::TimeoutError(_) => (Class::TimedOut, None, "no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (Class::TimedOut, None, "no answer in time".to_owned())
            }
            SdkError::DispatchFailure(_) => (Class::Unavailable, None, format!("not reached: {}", told(&error))),
            SdkError::ResponseError(_) => (Class::Garbled, None, "the answer could not be read".to_owned()),
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().map(str::to_owned);
                let class = classify(code.as_deref(), answer.raw().status().as_u16());
                let words = answer.err().message().unwrap_or("(no message)");
                let message = match &code {
                    Some(code) => format!("{code}: {words}"),
                    None => format!("HTTP {}: {words}", answer.raw().status().as_u16()),
                };
                (class, code, message)
            }
            // `SdkError` is non-exhaustive: a kind added later is a failure of unknown cause.
            _ => (Class::Unavailable, None, told(&error)),
        };
        Self { operation, code, class, message, source: Box::new(error) }
    }

    /// A body that broke off after the answer had begun well.
    pub fn broken_body(operation: &'static str, error: impl StdError + Send + Sync + 'static) -> Self {
        let message = "the connection broke before the body was complete".to_owned();
        Self { operation, code: None, class: Class::Unavailable, message, source: Box::new(error) }
    }

    /// An answer that AWS sent as a success and that cannot be one.
    pub fn garbled(operation: &'static str, message: &str) -> Self {
        Self { operation, code: None, class: Class::Garbled, message: message.to_owned(), source: message.into() }
    }

    /// What could not be read, as a report shows it.
    pub fn gap(&self, subject: &str) -> Gap {
        let reason = match self.class {
            Class::Denied => GapReason::Denied,
            Class::Throttled => GapReason::Throttled,
            Class::NotFound => GapReason::Vanished,
            Class::TimedOut => GapReason::TimedOut,
            Class::Unavailable => GapReason::Unavailable,
            Class::Conflict | Class::Invalid | Class::Garbled => GapReason::Malformed,
        };
        Gap { what: self.operation.to_owned(), subject: subject.to_owned(), reason, detail: self.message.clone() }
    }
}

/// The innermost cause in its own words and on one line. The layers around it say nothing to a person, and their Debug
/// forms hold requests and answers.
fn told(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// By AWS's code first, since AccessDenied and Throttling are in no service's model, then by HTTP status.
fn classify(code: Option<&str>, status: u16) -> Class {
    match code.unwrap_or_default() {
        c if c.starts_with("AccessDenied") => Class::Denied,
        "UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "NotAuthorized"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException" => Class::Denied,
        c if c.starts_with("Throttl") => Class::Throttled,
        "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "SlowDown"
        | "RequestThrottled"
        | "RequestThrottledException" => Class::Throttled,
        "ResourceNotFoundException"
        | "ResourceNotFound"
        | "NotFoundException"
        | "NotFound"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "NoSuchEntity" => Class::NotFound,
        "PreconditionFailed"
        | "PreconditionNotMetException"
        | "ResourceExistsException"
        | "AlreadyExistsException"
        | "ConditionalRequestConflict" => Class::Conflict,
        "InternalServiceError"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Class::Unavailable,
        _ => match status {
            401 | 403 => Class::Denied,
            404 => Class::NotFound,
            409 | 412 => Class::Conflict,
            429 => Class::Throttled,
            500.. => Class::Unavailable,
            _ => Class::Invalid,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_before_status() {
        for (code, status, want) in [
            ("AccessDenied", 403, Class::Denied),
            ("AccessDeniedException", 400, Class::Denied),
            ("ThrottlingException", 400, Class::Throttled),
            ("Throttling", 400, Class::Throttled),
            ("SlowDown", 503, Class::Throttled),
            ("LimitExceededException", 400, Class::Throttled),
            ("ResourceNotFoundException", 400, Class::NotFound),
            ("NoSuchBucket", 404, Class::NotFound),
            ("PreconditionFailed", 412, Class::Conflict),
            ("InternalServiceError", 500, Class::Unavailable),
            ("InvalidNextTokenException", 400, Class::Invalid),
            ("InvalidRequestException", 400, Class::Invalid),
            ("MalformedQueryException", 400, Class::Invalid),
        ] {
            assert_eq!(classify(Some(code), status), want, "{code}");
        }
    }

    #[test]
    fn a_cause_is_told_in_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(told(&Outer(std::io::Error::other("refused\n  by   peer"))), "refused by peer");
    }

    #[test]
    fn status_decides_where_there_is_no_code() {
        for (status, want) in [
            (400, Class::Invalid),
            (401, Class::Denied),
            (403, Class::Denied),
            (404, Class::NotFound),
            (409, Class::Conflict),
            (412, Class::Conflict),
            (429, Class::Throttled),
            (499, Class::Invalid),
            (500, Class::Unavailable),
            (503, Class::Unavailable),
        ] {
            assert_eq!(classify(None, status), want, "{status}");
        }
    }
}
