//! Which service a request is for, and its answer.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::{Method, StatusCode};
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::around;
use crate::bucket::Bucket;
use crate::calls::Calls;
use crate::estate::Estate;
use crate::options::Options;
use crate::quota::Quotas;

/// All that is answered.
#[derive(Debug)]
pub(crate) struct Service {
    secrets: Mutex<(Estate, Quotas)>,
    /// S3's are not counted.
    calls: Mutex<Calls>,
    bucket: Bucket,
}

type Answer = Response<Full<Bytes>>;

impl Service {
    pub(crate) fn new(options: &Options) -> Self {
        let estate = Estate::new(options.secrets, options.changed, options.empty);
        let quotas = Quotas::new(options.quotas, options.speed);
        let bucket = Bucket::new(options.objects.clone());
        Self { secrets: Mutex::new((estate, quotas)), calls: Mutex::default(), bucket }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        Ok(match (target, head.uri.path()) {
            (Some(target), _) => {
                let (service, operation) = target.split_once('.').unwrap_or_default();
                self.count(&format!("{}:{operation}", prefix(service)), &body);
                match service {
                    "secretsmanager" => {
                        self.secrets_manager(operation, &serde_json::from_slice(&body).unwrap_or_default())
                    }
                    _ => match around::json(operation) {
                        Some(answer) => ok(answer.to_string()),
                        None => refused(StatusCode::BAD_REQUEST, "AccessDeniedException"),
                    },
                }
            }
            // What the benchmark itself asks; no bucket can be called so.
            (None, "/_figures") => ok(self.figures().to_string()),
            (None, "/_expire-tokens") => {
                self.locked(|estate, _| estate.expire_tokens());
                ok(String::new())
            }
            (None, "/") if head.method == Method::POST => {
                let (operation, answer) = around::xml(&String::from_utf8_lossy(&body));
                self.count(operation, &body);
                ok(answer)
            }
            // No function is there.
            (None, "/2015-03-31/functions") => {
                self.count("lambda:ListFunctions", head.uri.query().unwrap_or_default().as_bytes());
                ok(json!({"Functions": []}).to_string())
            }
            (None, path) if path.starts_with("/2015-03-31/functions/") => {
                let asked = if path.ends_with("/policy") { "GetPolicy" } else { "GetFunctionConfiguration" };
                self.count(&format!("lambda:{asked}"), path.as_bytes());
                refused(StatusCode::NOT_FOUND, "ResourceNotFoundException")
            }
            (None, _) => self.bucket.answer(&head.method, &head.uri, &head.headers, &body),
        })
    }

    fn secrets_manager(&self, operation: &str, input: &Value) -> Answer {
        self.locked(|estate, quotas| {
            if !quotas.admits(operation) {
                return refused(StatusCode::BAD_REQUEST, "ThrottlingException");
            }
            match estate.answer(operation, input) {
                Ok(body) => ok(body),
                Err(code) => refused(StatusCode::BAD_REQUEST, code),
            }
        })
    }

    fn count(&self, operation: &str, input: &[u8]) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).count(operation, input);
    }

    fn figures(&self) -> Value {
        let (calls, repeated) = self.calls.lock().unwrap_or_else(PoisonError::into_inner).figures();
        self.locked(|estate, quotas| {
            json!({
                "families": quotas.figures(), "refused_tokens": estate.refused_tokens, "created": estate.created(),
                "calls": calls, "repeated": repeated,
            })
        })
    }

    /// One thread serves all; a lock is what shared state takes all the same.
    fn locked<T>(&self, work: impl FnOnce(&mut Estate, &mut Quotas) -> T) -> T {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let (estate, quotas) = &mut *secrets;
        work(estate, quotas)
    }
}

/// IAM's word for a service that speaks JSON.
fn prefix(service: &str) -> &str {
    match service {
        "TrentService" => "kms",
        "CloudTrail_20131101" => "cloudtrail",
        "Logs_20140328" => "logs",
        other => other,
    }
}

fn ok(body: String) -> Answer {
    Response::new(Full::new(body.into()))
}

fn refused(status: StatusCode, code: &str) -> Answer {
    let mut answer = ok(json!({"__type": code, "message": "said by the benchmark's endpoint"}).to_string());
    *answer.status_mut() = status;
    if let Ok(code) = code.parse() {
        answer.headers_mut().insert("x-amzn-errortype", code);
    }
    answer
}
