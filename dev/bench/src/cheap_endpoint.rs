//! An AWS that costs next to nothing to answer: Secrets Manager with N secrets, and an S3 that takes everything.
//!
//! `cheap-endpoint N [--tls DIR]` listens on a free port of the loopback, prints `<port>` and serves until it is killed.
//! With `--tls` it makes a certificate for `localhost`, writes its authority to `DIR/ca.pem`, and prints `answered` for the
//! first request of each connection, so that the time of a first call can be taken from outside.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let secrets: usize = args.get(1).ok_or("cheap-endpoint N [--tls DIR]")?.parse()?;
    let tls = match args.get(2).map(String::as_str) {
        Some("--tls") => Some(acceptor(args.get(3).ok_or("--tls needs a folder")?)?),
        _ => None,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&listener.local_addr()?.port().to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tls = tls.clone();
        tokio::spawn(async move {
            let first = AtomicBool::new(tls.is_some());
            let serve = service_fn(move |request| {
                if first.swap(false, Ordering::Relaxed) {
                    say("answered");
                }
                answer(request, secrets)
            });
            let http = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is how each connection ends.
            let _ = match tls {
                None => http.serve_connection(TokioIo::new(stream), serve).await.ok(),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), serve).await.ok(),
                    Err(_) => None,
                },
            };
        });
    }
}

#[expect(clippy::print_stdout, reason = "what it prints is this program's answer")]
fn say(line: &str) {
    println!("{line}");
}

fn acceptor(folder: &str) -> Result<TlsAcceptor, Failure> {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::write(format!("{folder}/ca.pem"), certified.cert.pem())?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn answer(request: Request<Incoming>, secrets: usize) -> Result<Response<Full<Bytes>>, Infallible> {
    let operation = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.rsplit('.').next())
        .unwrap_or_default()
        .to_owned();
    let is_begin = request.uri().query().is_some_and(|query| query.starts_with("uploads"));
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let input: Value =
        if operation.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or_default() };
    let number = |field: &str| input[field].as_str().and_then(|text| text.rsplit('-').next()?.parse().ok());
    let answer = match operation.as_str() {
        "ListSecrets" => list(number("NextToken").unwrap_or(0), secrets),
        "DescribeSecret" => describe(number("SecretId").unwrap_or(0)),
        "GetResourcePolicy" => json!({"ARN": input["SecretId"], "ResourcePolicy": POLICY}),
        "GetSecretValue" => json!({"ARN": input["SecretId"], "SecretString": "bench"}),
        _ => return Ok(s3(is_begin)),
    };
    Ok(Response::new(Full::new(answer.to_string().into())))
}

/// A short policy, as most secrets that have one do.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;

fn list(from: usize, secrets: usize) -> Value {
    let to = (from + 100).min(secrets);
    let mut page = json!({"SecretList": (from..to).map(describe).collect::<Vec<_>>()});
    if to < secrets {
        page["NextToken"] = format!("page-{to}").into();
    }
    page
}

fn describe(n: usize) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:bench-{n:06}-{n}"),
        "Name": format!("bench-{n:06}"),
        "Description": "A secret of the benchmark",
        "CreatedDate": 1_700_000_000.0 + n as f64,
        "LastChangedDate": 1_750_000_000.0 + n as f64,
        "RotationEnabled": true,
        "RotationRules": {"AutomaticallyAfterDays": 30},
        "Tags": [{"Key": "owner", "Value": "bench"}, {"Key": "number", "Value": n.to_string()}],
        "VersionIdsToStages": {format!("00000000-0000-4000-8000-{n:012}"): ["AWSCURRENT"]},
    })
}

fn s3(is_begin: bool) -> Response<Full<Bytes>> {
    let body = if is_begin {
        "<InitiateMultipartUploadResult><UploadId>bench</UploadId></InitiateMultipartUploadResult>"
    } else {
        "<CompleteMultipartUploadResult><ETag>\"bench\"</ETag></CompleteMultipartUploadResult>"
    };
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert("etag", hyper::header::HeaderValue::from_static("\"bench\""));
    response
}
