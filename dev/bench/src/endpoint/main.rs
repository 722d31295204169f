//! An AWS that costs next to nothing to answer: Secrets Manager with N secrets that are made up on the fly, an S3, and what
//! an audit asks besides.
//!
//! `cheap-endpoint N` listens on a free port of the loopback, prints `<port>` and serves until it is killed. Options:
//!
//! - `--tls DIR`: makes a certificate for `localhost`, writes its authority to `DIR/ca.pem`, and prints `answered` for the
//!   first request of each connection, so that the time of a first call can be taken from outside.
//! - `--changed EVERY`: each so many-th secret is another than without the option.
//! - `--empty`: no secret is there until it is created.
//! - `--quotas`: refuses what AWS would. Without it calls are only counted.
//! - `--speed K`: quotas are those of a time that passes K times as fast.
//! - `--objects DIR`: S3 keeps what it is given. Without it everything is taken and nothing is there.

mod around;
mod bucket;
mod calls;
mod estate;
mod options;
mod quota;
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use options::Options;
use service::Service;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::of(std::env::args().skip(1))?;
    let tls = options.tls.as_deref().map(acceptor).transpose()?;
    let service = Arc::new(Service::new(&options));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&listener.local_addr()?.port().to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (tls, service) = (tls.clone(), service.clone());
        tokio::spawn(async move {
            let first = AtomicBool::new(tls.is_some());
            let serve = service_fn(move |request| {
                if first.swap(false, Ordering::Relaxed) {
                    say("answered");
                }
                let service = service.clone();
                async move { service.answer(request).await }
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
