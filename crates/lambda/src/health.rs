//! The loop of api-health. Unlike a job it always answers, in full to those whom IAM has let through.

use lambda_runtime::{LambdaEvent, service_fn};
use secrets_ops::aws::{Aws, Patience};
use secrets_ops::runbook::JobError;
use secrets_ops::runbook::health::{self, Cache, Health, State};
use secrets_ops::settings::{HealthSettings, Settings};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::http::{Audience, Call, respond};
use crate::metrics::{Figure, emf};
use crate::serve::{Runtime, clock, print};
use crate::{Error, event};

/// Serves health until Lambda ends the process.
pub async fn serve_health() -> Result<(), Error> {
    let runtime = Runtime::start();
    let ready = Settings::read(runtime.settings()).and_then(|settings| {
        let own = HealthSettings::read(runtime.settings())?;
        let aws = runtime.connect(&settings, Patience::Probe);
        Ok((aws, settings, own))
    });
    let cache = Mutex::new(Cache::default());
    let (runtime, ready, cache) = (&runtime, &ready, &cache);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let (payload, context) = event.into_parts();
        let call = Call::of(&payload);
        let answer = runtime.invocation(&context, async {
            match (ready, &call) {
                (_, Call::NotFound) => Ok(respond(404, None)),
                (_, Call::NotAllowed) => Ok(respond(405, None)),
                (_, Call::Forbidden) => Ok(respond(403, None)),
                (Ok((aws, settings, own)), call) => {
                    if *call == Call::Direct {
                        known(&payload)?;
                    }
                    Ok(look(aws, settings, own, &mut *cache.lock().await, call).await)
                }
                // Nobody outside learns which setting it is.
                (Err(error), Call::Health { .. }) => {
                    tracing::error!(%error, "a setting is wrong");
                    Ok(respond(503, Some(&json!({"status": "fail"}))))
                }
                (Err(error), Call::Direct) => Err(JobError::Setting(error.clone())),
            }
        });
        answer.await
    }))
    .await
}

/// A direct call may name the job; another name is a schedule that points to the wrong function.
fn known(payload: &Value) -> Result<(), JobError> {
    match event::parse(payload)?.job.as_deref() {
        None | Some(health::JOB) => Ok(()),
        Some(other) => {
            Err(JobError::BadEvent(format!("there is no job {other:?} here; this function does {}", health::JOB)))
        }
    }
}

async fn look(aws: &Aws, settings: &Settings, own: &HealthSettings, cache: &mut Cache, call: &Call) -> Value {
    let now = clock();
    let health = cache.get(aws, own, now).await;
    tracing::info!(state = health.state().name(), cached = health.at != now, "health");
    match call {
        Call::Health { audience, head } => {
            let body = health.to_json(*audience == Audience::Authorised);
            respond(health.http_status(), (!head).then_some(&body))
        }
        _ => {
            print(&[uptime(settings, health)]);
            health.to_json(true)
        }
    }
}

/// Only scheduled and direct calls count: the share of healthy ones is the uptime, and visitors must not shift it.
fn uptime(settings: &Settings, health: &Health) -> Value {
    let healthy = f64::from(u8::from(health.state() != State::Fail));
    let slowest = health.probes.iter().map(|probe| probe.millis).max().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a probe takes less than 2^52 ms")]
    let figures = [
        Figure { name: "Healthy", unit: "Count", value: healthy },
        Figure { name: "JobSuccess", unit: "Count", value: 1.0 },
        Figure { name: "JobDuration", unit: "Milliseconds", value: slowest as f64 },
    ];
    emf(&settings.namespace, health.at, &[("Job", health::JOB)], &figures)
}
