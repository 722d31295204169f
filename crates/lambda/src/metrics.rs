//! CloudWatch Embedded Metric Format, one JSON object a line at the root of stdout.
//!
//! Written from the figures of one run and nothing else. The crate for this keeps gauges and prints them again at
//! each flush: after a warm start, yesterday's success would be reported as today's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrets_ops::runbook::rotation;
use serde_json::{Map, Value, json};

/// One figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The metric's name.
    pub(crate) name: &'static str,
    /// As CloudWatch spells it.
    pub(crate) unit: &'static str,
    /// The value.
    pub(crate) value: f64,
}

/// One line: `figures` under `dimensions`, which together name one time series each and must be few.
pub(crate) fn emf(namespace: &str, at: Timestamp, dimensions: &[(&str, &str)], figures: &[Figure]) -> Value {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics: Vec<Value> = figures.iter().map(|figure| json!({"Name": figure.name, "Unit": figure.unit})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": [names], "Metrics": metrics}],
        }),
    );
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    line.extend(figures.iter().map(|figure| (figure.name.to_owned(), Value::from(figure.value))));
    Value::Object(line)
}

/// The lines of one run. `counts`, coverage and success are those of its answer; a failed run has none of the first two.
pub(crate) fn of_run(
    namespace: &str,
    at: Timestamp,
    job: &str,
    success: bool,
    millis: f64,
    coverage: Option<f64>,
    counts: &BTreeMap<String, u64>,
) -> Vec<Value> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let count = |name: &str| counts.get(name).map(|count| *count as f64);
    let mut figures = vec![
        Figure { name: "JobSuccess", unit: "Count", value: f64::from(u8::from(success)) },
        Figure { name: "JobDuration", unit: "Milliseconds", value: millis },
    ];
    figures.extend(coverage.map(|value| Figure { name: "CoveragePercent", unit: "Percent", value }));
    figures.extend(count("gaps").map(|value| Figure { name: "Gaps", unit: "Count", value }));
    figures.extend(
        rotation_success(count(rotation::SUCCEEDED), count(rotation::FAILED_ATTEMPTS)).map(|value| Figure {
            name: "RotationSuccessPercent",
            unit: "Percent",
            value,
        }),
    );
    let mut lines = vec![emf(namespace, at, &[("Job", job)], &figures)];
    for severity in ["low", "medium", "high", "critical"] {
        if let Some(value) = count(&format!("findings-{severity}")) {
            let figure = Figure { name: "Findings", unit: "Count", value };
            lines.push(emf(namespace, at, &[("Job", job), ("Severity", severity)], &[figure]));
        }
    }
    for (name, hours) in counts {
        if let Some(other) = name.strip_prefix("hours-since-success.") {
            #[expect(clippy::cast_precision_loss, reason = "hours stay far below 2^52")]
            let figure = Figure { name: "HoursSinceSuccess", unit: "None", value: *hours as f64 };
            lines.push(emf(namespace, at, &[("Job", other)], &[figure]));
        }
    }
    lines
}

/// R49: of the rotations that ended; without any there is no figure.
fn rotation_success(succeeded: Option<f64>, failed: Option<f64>) -> Option<f64> {
    let (succeeded, failed) = succeeded.zip(failed)?;
    (succeeded + failed > 0.0).then(|| 100.0 * succeeded / (succeeded + failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_full() {
        let counts = [
            ("gaps", 2),
            ("findings-high", 1),
            ("findings-low", 0),
            ("hours-since-success.backup-monthly", 30),
            ("items", 9),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let lines = of_run("N/S", Timestamp::UNIX_EPOCH, "audit-daily", true, 12.0, Some(75.0), &counts);
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_failed_run_says_that_it_did_not_succeed_and_nothing_that_it_does_not_know() {
        let lines = of_run("N/S", Timestamp::UNIX_EPOCH, "rotation", false, 12.0, None, &BTreeMap::new());
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["JobSuccess"], 0.0);
        assert_eq!(lines[0].get("CoveragePercent"), None);
        assert_eq!(lines[0].get("Gaps"), None);
    }

    #[test]
    fn the_success_rate_of_rotations_is_a_figure_only_where_rotations_ended() {
        let percent = |succeeded: u64, failed: u64| {
            let counts =
                [(rotation::SUCCEEDED.to_owned(), succeeded), (rotation::FAILED_ATTEMPTS.to_owned(), failed)].into();
            let lines = of_run("N/S", Timestamp::UNIX_EPOCH, "rotation", true, 1.0, None, &counts);
            lines[0].get("RotationSuccessPercent").cloned()
        };
        assert_eq!(percent(2, 1), Some(json!(200.0 / 3.0)));
        assert_eq!((percent(0, 1), percent(1, 0)), (Some(json!(0.0)), Some(json!(100.0))));
        assert_eq!(percent(0, 0), None);
        let lines = of_run("N/S", Timestamp::UNIX_EPOCH, "rotation", true, 1.0, None, &BTreeMap::new());
        assert_eq!(lines[0].get("RotationSuccessPercent"), None);
    }
}
