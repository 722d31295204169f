//! Can secrets be reached and decrypted? DescribeSecret of each configured secret, the state of their keys, and a read
//! of one canary's value, which goes through the same decryption without touching an application's secret.

mod tell;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::aws::{Aws, AwsError, Class, kms, secrets_manager};
use crate::model::{GapReason, Secret};
use crate::settings::HealthSettings;

/// IAM actions of [`run`]; `kms:Decrypt` is used by Secrets Manager on our behalf, for the canary only.
pub const IAM_ACTIONS: &[&str] =
    &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "kms:DescribeKey", "kms:Decrypt"];

/// The job's name in events and metrics.
pub const JOB: &str = "health";

/// A hung AWS is answered for within this time, so that the whole answer stays below 3 s.
const BUDGET: Duration = Duration::from_millis(2_500);

/// An answer slower than this is a warning: the runbook's own target for a read is 100 ms.
const SLOW: Duration = Duration::from_millis(1_000);

/// The three states of the draft `application/health+json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Healthy.
    Pass,
    /// Healthy, with a concern.
    Warn,
    /// Not healthy, or it could not be told.
    Fail,
}

impl State {
    /// As the draft spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The draft's key: component and measurement.
    pub kind: &'static str,
    /// The secret or key. For authorised callers only.
    pub component: String,
    /// How it is.
    pub state: State,
    /// How long AWS took.
    pub millis: u64,
    /// Why it is not `Pass`. For authorised callers only.
    pub output: Option<String>,
    /// Set where nothing was seen, rather than something bad.
    pub gap: Option<GapReason>,
}

/// All probes of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// When.
    pub at: Timestamp,
    /// In the order in which they were made.
    pub probes: Vec<Probe>,
}

/// The key of probes of secrets.
pub const SECRET: &str = "secret:describe";
/// The key of probes of keys.
pub const KEY: &str = "kms-key:state";
/// The key of the canary's probe.
pub const CANARY: &str = "canary:decrypt";

/// The last answer, reused while it is fresh: probes cannot amplify into AWS calls.
#[derive(Debug, Default)]
pub struct Cache(Option<Health>);

impl Cache {
    /// The last answer if it is younger than the setting says, else a new one.
    pub async fn get(&mut self, aws: &Aws, settings: &HealthSettings, now: Timestamp) -> &Health {
        // The wall clock, because a frozen function's monotonic clock may stand still.
        let age = self.0.as_ref().map(|health| now.duration_since(health.at).as_millis());
        let fresh = age.is_some_and(|age| (0..i128::from(settings.cache_seconds) * 1000).contains(&age));
        let health = match self.0.take().filter(|_| fresh) {
            Some(health) => health,
            // Boxed, because the SDK's futures nest deeper than the compiler follows.
            None => Box::pin(run(aws, settings, now)).await,
        };
        self.0.insert(health)
    }
}

/// Probes everything at once, within the budget.
pub async fn run(aws: &Aws, settings: &HealthSettings, now: Timestamp) -> Health {
    let deadline = Instant::now() + BUDGET;
    let (described, canary) = tokio::join!(
        join_all(settings.secrets.iter().map(|name| describe(aws, name, deadline))),
        decrypt(aws, &settings.canary, deadline),
    );
    // Each key once, however many secrets are under it. A secret without one is under an AWS managed key.
    let keys: BTreeSet<String> = described.iter().filter_map(|(_, key)| key.clone()).collect();
    let mut probes: Vec<Probe> = described.into_iter().map(|(probe, _)| probe).collect();
    probes.push(canary);
    let configured = key_state(aws, &settings.key, deadline).await;
    let others: Vec<&String> = keys.iter().filter(|key| **key != configured.1 && **key != settings.key).collect();
    probes.push(configured.0);
    probes.extend(join_all(others.into_iter().map(|key| key_state(aws, key, deadline))).await.into_iter().map(|k| k.0));
    Health { at: now, probes }
}

async fn describe(aws: &Aws, name: &str, deadline: Instant) -> (Probe, Option<String>) {
    let (millis, answer) = timed(secrets_manager::describe(aws, name), deadline).await;
    let key = answer.as_ref().ok().and_then(|secret| secret.kms_key_id.clone());
    (Probe::of(SECRET, name, millis, answer, |secret| usable(&secret)), key)
}

/// What makes a secret useless to an application.
fn usable(secret: &Secret) -> Result<(), String> {
    if secret.deleted_date.is_some() {
        Err("scheduled for deletion; its value cannot be read".to_owned())
    } else if secret.version_with("AWSCURRENT").is_none() {
        Err("no version is labelled AWSCURRENT; it has no value to read".to_owned())
    } else {
        Ok(())
    }
}

async fn decrypt(aws: &Aws, canary: &str, deadline: Instant) -> Probe {
    let (millis, answer) = timed(secrets_manager::value::can_read(aws, canary), deadline).await;
    Probe::of(CANARY, canary, millis, answer, |has_value| {
        if has_value { Ok(()) } else { Err("the canary has no value".to_owned()) }
    })
}

/// The probe, and the key's ARN where it could be told.
async fn key_state(aws: &Aws, key: &str, deadline: Instant) -> (Probe, String) {
    let (millis, answer) = timed(kms::describe_key(aws, key), deadline).await;
    let arn = answer.as_ref().map(|key| key.arn.clone()).unwrap_or_default();
    let probe = Probe::of(KEY, key, millis, answer, |key| {
        if key.state == "Enabled" { Ok(()) } else { Err(format!("the key's state is {}", key.state)) }
    });
    (probe, arn)
}

async fn timed<T>(
    call: impl Future<Output = Result<T, AwsError>>,
    deadline: Instant,
) -> (Duration, Result<T, Option<AwsError>>) {
    let start = Instant::now();
    let answer = timeout_at(deadline, call).await.map_err(|_| None).and_then(|answer| answer.map_err(Some));
    (start.elapsed(), answer)
}

impl Probe {
    fn of<T>(
        kind: &'static str,
        component: &str,
        took: Duration,
        answer: Result<T, Option<AwsError>>,
        judge: impl FnOnce(T) -> Result<(), String>,
    ) -> Self {
        let (state, output, gap) = match answer {
            Ok(seen) => match judge(seen) {
                Ok(()) if took > SLOW => (State::Warn, Some(format!("slow: more than {} ms", SLOW.as_millis())), None),
                Ok(()) => (State::Pass, None, None),
                Err(fault) => (State::Fail, Some(fault), None),
            },
            // That it is not there has been seen; all other errors mean that nothing has.
            Err(Some(error)) if error.class == Class::NotFound => (State::Fail, Some(error.to_string()), None),
            Err(Some(error)) => {
                // A throttled probe says that AWS is there and that readers may still get through.
                let state = if error.class == Class::Throttled { State::Warn } else { State::Fail };
                (state, Some(error.to_string()), Some(error.gap(component).reason))
            }
            Err(None) => {
                let late = format!("no answer within {} ms", BUDGET.as_millis());
                (State::Fail, Some(late), Some(GapReason::TimedOut))
            }
        };
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { kind, component: component.to_owned(), state, millis, output, gap }
    }
}

#[cfg(test)]
mod tests;
