//! Which service a request is for, and its answer.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::{Method, StatusCode};
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::estate::Estate;
use crate::options::Options;
use crate::quota::Quotas;

/// All that is answered.
#[derive(Debug)]
pub(crate) struct Service {
    secrets: Mutex<(Estate, Quotas)>,
    bucket: Bucket,
}

type Answer = Response<Full<Bytes>>;

const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>bench</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

impl Service {
    pub(crate) fn new(options: &Options) -> Self {
        let estate = Estate::new(options.secrets, options.changed, options.empty);
        let quotas = Quotas::new(options.quotas, options.speed);
        Self { secrets: Mutex::new((estate, quotas)), bucket: Bucket::new(options.objects.clone()) }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        Ok(match (target, head.uri.path()) {
            (Some(target), _) => {
                let operation = target.rsplit('.').next().unwrap_or_default();
                self.secrets_manager(operation, &serde_json::from_slice(&body).unwrap_or_default())
            }
            // What the benchmark itself asks; no bucket can be called so.
            (None, "/_figures") => ok(self.figures().to_string()),
            (None, "/_expire-tokens") => {
                self.locked(|estate, _| estate.expire_tokens());
                ok(String::new())
            }
            (None, "/") if head.method == Method::POST => ok(CALLER.to_owned()),
            // No rotation function is there.
            (None, path) if path.starts_with("/2015-03-31/functions/") => {
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

    fn figures(&self) -> Value {
        self.locked(|estate, quotas| {
            json!({"families": quotas.figures(), "refused_tokens": estate.refused_tokens, "created": estate.created()})
        })
    }

    /// One thread serves all; a lock is what shared state takes all the same.
    fn locked<T>(&self, work: impl FnOnce(&mut Estate, &mut Quotas) -> T) -> T {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let (estate, quotas) = &mut *secrets;
        work(estate, quotas)
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
