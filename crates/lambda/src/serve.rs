//! The loop of a scheduled function: read the event, do the job once, tell how it went.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use secrets_ops::aws::sts;
use secrets_ops::aws::{Aws, Connection, Patience, SharedCredentialsProvider};
use secrets_ops::model::{Record, Status};
use secrets_ops::runbook::once::{Delivery, once};
use secrets_ops::runbook::{Answer, Chunk, EstateTarget, JobError, Trigger, finish};
use secrets_ops::settings::{SettingError, Settings};
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{Error, event, logging, metrics};

/// The jobs that a function knows.
#[derive(Clone, Copy, Debug)]
pub struct Jobs {
    /// All of them.
    pub known: &'static [&'static str],
    /// For an event without a job's name that comes from a schedule.
    pub scheduled: &'static str,
    /// For one that comes from a person, such as `{}`.
    pub by_hand: &'static str,
}

/// What a job may know of the invocation that it runs in.
#[derive(Debug)]
pub struct Invocation {
    /// One of the known jobs.
    pub job: &'static str,
    /// The moment for which it speaks: the clock is read once a run.
    pub now: Timestamp,
    /// When to stop working, so that there is time left to tell.
    pub deadline: Instant,
    /// From the function's own ARN, or the target's; empty where that is not one.
    pub account: String,
    /// Present where another invocation can go on with the job.
    pub chunk: Option<Chunk>,
    /// Another account's estate, where the job is about one, and which it is.
    pub elsewhere: Option<(Aws, EstateTarget)>,
    /// CloudTrail's record, where such an event is what set the job off.
    pub record: Option<Record>,
}

/// The environment of a function, read once.
#[derive(Debug)]
pub(crate) struct Runtime {
    cold: AtomicBool,
}

impl Runtime {
    /// Starts the logs.
    pub(crate) fn start() -> Self {
        logging::init(&environment);
        Self { cold: AtomicBool::new(true) }
    }

    /// The getter for settings.
    pub(crate) fn settings(&self) -> &dyn Fn(&str) -> Option<String> {
        &environment
    }

    /// The clients. Lambda's environment holds the role's credentials, so that the default chain, which would build an
    /// HTTP client of its own, is not needed.
    pub(crate) fn connect(&self, settings: &Settings, patience: Patience) -> Aws {
        Aws::connect(Connection {
            region: settings.region.clone(),
            credentials: SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
            endpoint: environment("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()),
            patience,
            policy_rate: settings.policy_rate,
        })
    }

    /// Runs `work` in a span that names the invocation in each log line, and logs its error, once.
    ///
    /// What comes back is not the error itself: `lambda_runtime` logs what it gets with Debug, which holds AWS's whole
    /// answer.
    pub(crate) async fn invocation<T>(
        &self,
        context: &Context,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, Diagnostic> {
        let cold_start = self.cold.swap(false, Ordering::Relaxed);
        let span = tracing::info_span!("invocation", request_id = context.request_id, cold_start);
        let told = async {
            work.await.map_err(|error| {
                tracing::error!(error_type = error.error_type(), %error, "failed");
                Diagnostic { error_type: error.error_type().to_owned(), error_message: error.to_string() }
            })
        };
        told.instrument(span).await
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where functions read the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The one place where functions read the clock.
#[expect(clippy::disallowed_methods, reason = "one clock read per run")]
pub(crate) fn clock() -> Timestamp {
    let now = Timestamp::now();
    // Nobody reads nanoseconds.
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Serves scheduled jobs until Lambda ends the process. `read` reads the settings of the jobs' own.
pub async fn serve<S>(
    jobs: Jobs,
    read: impl Fn(&dyn Fn(&str) -> Option<String>) -> Result<S, SettingError>,
    work: impl AsyncFn(&Aws, &Settings, &S, &Invocation) -> Result<Answer, JobError>,
) -> Result<(), Error> {
    let runtime = Runtime::start();
    // A wrong setting is told at each call, by name, rather than as a process that does not start.
    let ready = Settings::read(runtime.settings()).and_then(|settings| {
        let own = read(runtime.settings())?;
        let aws = runtime.connect(&settings, Patience::Job);
        Ok((aws, settings, own))
    });
    let (runtime, ready, work) = (&runtime, &ready, &work);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let (payload, context) = event.into_parts();
        let run = async {
            let (aws, settings, own) = ready.as_ref().map_err(|error| JobError::Setting(error.clone()))?;
            let trigger = event::parse(&payload)?;
            // Boxed, because the SDK's futures nest deeper than the compiler follows.
            Box::pin(one(aws, settings, own, jobs, trigger, &context, work)).await
        };
        runtime.invocation(&context, run).await
    }))
    .await
}

async fn one<S>(
    aws: &Aws,
    settings: &Settings,
    own: &S,
    jobs: Jobs,
    trigger: Trigger,
    context: &Context,
    work: impl AsyncFn(&Aws, &Settings, &S, &Invocation) -> Result<Answer, JobError>,
) -> Result<Answer, JobError> {
    let start = Instant::now();
    let job = jobs.of(&trigger)?;
    let now = clock();
    let left =
        Duration::from_millis(context.deadline.saturating_sub(now.as_millisecond().try_into().unwrap_or_default()));
    let mut settings = settings.clone();
    settings.patience = reserve(left) / 2;
    let account = match environment("AWS_SAM_LOCAL") {
        // `sam local` invents an account.
        Some(_) => String::new(),
        None => account(&context.invoked_function_arn).to_owned(),
    };
    settings.bucket.owner = Some(account.clone()).filter(|account| !account.is_empty());
    let key = trigger.key.as_deref();
    let mut call = Invocation {
        job,
        now,
        deadline: start + left.saturating_sub(reserve(left)),
        account,
        chunk: trigger.chunk,
        elsewhere: None,
        record: trigger.record,
    };
    // Notes and figures of another estate must not be taken for those of this one.
    let name = trigger
        .target
        .as_ref()
        .map_or_else(|| job.to_owned(), |target| format!("{job}.{}.{}", target.account(), target.region));
    tracing::info!(
        job,
        scheduled = key.is_some(),
        left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        "begun"
    );

    let until = now.saturating_add(left).unwrap_or(Timestamp::MAX);
    let (bound, target) = (&settings, trigger.target);
    let work = Box::pin(async {
        if let Some(target) = target {
            call.account = target.account().to_owned();
            call.elsewhere = Some((sts::assume(aws, &target.role_arn, &target.region).await?, target));
        }
        work(aws, bound, own, &call).await
    });
    let delivery = Delivery { job: &name, key, owner: &context.request_id, now, until };
    let result = once(aws, &settings.bucket, delivery, work).await;
    let result = finish(aws, &settings, &name, result).await;

    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &result {
        Ok(answer) if answer.status == Status::AlreadyDone => {
            tracing::info!(job, "another delivery of this event has done it, or is doing it");
        }
        // Figures are those of a finished job; the last part has those of all.
        Ok(answer) if answer.more.is_some() => {
            tracing::info!(job = name, duration_ms = millis, artefacts = ?answer.artefacts, "goes on in another invocation");
        }
        Ok(answer) => {
            print(&metrics::of_run(
                &settings.namespace,
                now,
                &name,
                answer.success,
                millis_f64(millis),
                answer.coverage.percent(),
                &answer.counts,
            ));
            tracing::info!(job, status = answer.status.name(), duration_ms = millis, artefacts = ?answer.artefacts, "done");
        }
        Err(_) => print(&metrics::of_run(
            &settings.namespace,
            now,
            &name,
            false,
            millis_f64(millis),
            None,
            &Default::default(),
        )),
    }
    result.map(|answer| Answer { duration_ms: millis, ..answer })
}

impl Jobs {
    fn of(self, trigger: &Trigger) -> Result<&'static str, JobError> {
        let Some(name) = &trigger.job else {
            return Ok(if trigger.key.is_some() { self.scheduled } else { self.by_hand });
        };
        self.known.iter().copied().find(|known| known == name).ok_or_else(|| {
            JobError::BadEvent(format!("there is no job {name:?} here; this function does {}", self.known.join(", ")))
        })
    }
}

/// Time to finish an upload, write the report and send the notice.
fn reserve(left: Duration) -> Duration {
    (left / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))
}

/// `arn:aws:lambda:<region>:<account>:function:<name>`.
fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a run takes less than 2^52 ms")]
fn millis_f64(millis: u64) -> f64 {
    millis as f64
}

/// Metric lines go to stdout as they are: through `tracing` their fields would be nested and CloudWatch not see them.
pub(crate) fn print(lines: &[Value]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        // Where stdout is gone there is nobody left to tell.
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: Jobs = Jobs { known: &["a", "b"], scheduled: "a", by_hand: "b" };

    #[test]
    fn a_job_is_named_or_follows_from_who_asks() {
        let trigger = |job: Option<&str>, key: Option<&str>| Trigger {
            job: job.map(Into::into),
            key: key.map(Into::into),
            ..Trigger::default()
        };
        assert_eq!(JOBS.of(&trigger(None, None)).unwrap(), "b");
        assert_eq!(JOBS.of(&trigger(None, Some("k"))).unwrap(), "a");
        assert_eq!(JOBS.of(&trigger(Some("b"), Some("k"))).unwrap(), "b");
        let error = JOBS.of(&trigger(Some("c"), None)).unwrap_err();
        assert_eq!(error.to_string(), r#"there is no job "c" here; this function does a, b"#);
    }

    #[test]
    fn time_is_kept_back_for_telling() {
        for (left, want) in [(900, 30), (300, 30), (100, 10), (10, 1), (5, 1)] {
            assert_eq!(reserve(Duration::from_secs(left)), Duration::from_secs(want), "{left}");
        }
    }

    #[test]
    fn the_account_comes_from_the_functions_arn() {
        assert_eq!(account("arn:aws:lambda:ap-northeast-1:123456789012:function:f"), "123456789012");
        assert_eq!(account(""), "");
    }
}
