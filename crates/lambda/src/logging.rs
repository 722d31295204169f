//! JSON logs. Lambda filters by `timestamp` and `level`, and takes a line without a time as INFO, which is why the
//! runtime's own subscriber (it prints no time) is not used.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's LoggingConfig; INFO without it.
pub(crate) fn init(get: &dyn Fn(&str) -> Option<String>) {
    let level =
        get("AWS_LAMBDA_LOG_LEVEL").and_then(|level| LevelFilter::from_str(&level).ok()).unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false);
    // A second call, in a test, changes nothing.
    let _ = tracing_subscriber::registry().with(quiet_below(level)).with(lines).try_init();
}

/// Below WARN the SDK and hyper may print bodies.
fn quiet_below(level: LevelFilter) -> Targets {
    let others = level.min(LevelFilter::WARN);
    Targets::new()
        .with_default(level)
        .with_target("aws", others)
        .with_target("hyper", others)
        .with_target("rustls", others)
        .with_target("lambda_runtime", others)
        // Repeats each error without the request id. A panic is told all the same: by the panic hook, and to Lambda.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_sdk_never_logs_below_warn() {
        let filter = quiet_below(LevelFilter::TRACE);
        assert!(filter.would_enable("secrets_ops::runbook", &Level::TRACE));
        for target in ["aws_smithy_runtime::client", "aws_sdk_secretsmanager", "hyper_util::client", "rustls"] {
            assert!(!filter.would_enable(target, &Level::INFO), "{target}");
            assert!(filter.would_enable(target, &Level::WARN), "{target}");
        }
        assert!(!filter.would_enable("lambda_runtime::layers::panic", &Level::ERROR));
        assert!(filter.would_enable("lambda_runtime::layers::api_response", &Level::ERROR));
        assert!(!quiet_below(LevelFilter::ERROR).would_enable("aws_config", &Level::WARN));
    }
}
