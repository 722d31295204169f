//! R11: how long the retrieval of a secret takes, by the application's own metric, and how long its function runs.
//!
//! Never by Logs Insights over lines of the application: `@duration` is only in REPORT lines, which are the whole function's.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::audit::{Question, Reply};
use super::job::in_time;
use crate::aws::Aws;
use crate::aws::cloudwatch::{self, Query};
use crate::model::{Figures, Gap, GapReason, PerformanceFacts, Reading, Severity, Table, Text};
use crate::settings::{APP_FUNCTION, LATENCY_MAX, LATENCY_METRIC, NAMESPACE, Reader, SettingError};

/// IAM actions of [`gather`].
pub const IAM_ACTIONS: &[&str] = &["cloudwatch:GetMetricData"];

/// What is measured, and the limit.
#[derive(Clone, Debug)]
pub struct PerformanceSettings {
    /// The metric's namespace.
    pub namespace: String,
    /// The application's metric, in milliseconds and without dimensions.
    pub metric: String,
    /// Largest mean, in milliseconds.
    pub latency_max: f64,
    /// The application's function.
    pub function: String,
}

impl PerformanceSettings {
    /// Reads them.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        Ok(Self {
            namespace: reader.text(NAMESPACE),
            metric: reader.text(LATENCY_METRIC),
            latency_max: reader.parsed(LATENCY_MAX, |limit| (1.0..=60_000.0).contains(limit))?,
            function: reader.text(APP_FUNCTION),
        })
    }
}

const STATISTICS: [&str; 5] = ["SampleCount", "Average", "p50", "p95", "p99"];

/// Both sources over `days` before `now`, in one call.
///
/// The window ends with the last full hour and is one single period: percentiles of parts cannot be put together, and a
/// whole number of hours is a period that CloudWatch takes of data of any age.
pub async fn gather(
    aws: &Aws,
    settings: &PerformanceSettings,
    days: u32,
    now: Timestamp,
    deadline: Instant,
) -> PerformanceFacts {
    let seconds = i32::try_from(days).unwrap_or(1).clamp(1, 455) * 86_400;
    let to = Timestamp::from_second(now.as_second().div_euclid(3600) * 3600).unwrap_or(now);
    let from = to - SignedDuration::from_secs(seconds.into());
    let latency = |statistic| Query {
        namespace: settings.namespace.clone(),
        metric: settings.metric.clone(),
        statistic,
        dimensions: Vec::new(),
    };
    let duration = |statistic| Query {
        namespace: "AWS/Lambda".into(),
        metric: "Duration".into(),
        statistic,
        dimensions: vec![("FunctionName", settings.function.clone())],
    };
    let queries: Vec<Query> = STATISTICS.map(latency).into_iter().chain(STATISTICS.map(duration)).collect();
    let metric = format!("{} {}", settings.namespace, settings.metric);
    let series =
        in_time(cloudwatch::every(aws, &queries, seconds, from, to), "cloudwatch:GetMetricData", "", deadline).await;
    let read = |half: usize, subject: &str| match &series {
        Ok(series) => figures(&series[half * STATISTICS.len()..][..STATISTICS.len()], subject),
        Err(gap) => Err(Gap { subject: subject.to_owned(), ..gap.clone() }),
    };
    PerformanceFacts {
        from,
        to,
        latency: read(0, &metric),
        metric,
        function: settings.function.clone(),
        duration: read(1, &settings.function),
    }
}

/// From the five series of [`STATISTICS`].
fn figures(series: &[Vec<f64>], subject: &str) -> Reading<Figures> {
    let gap = |reason, detail: &str| Gap {
        what: "cloudwatch:GetMetricData".into(),
        subject: subject.to_owned(),
        reason,
        detail: detail.to_owned(),
    };
    let [counts, means, percentiles @ ..] = series else {
        return Err(gap(GapReason::Malformed, "CloudWatch answered with too few series"));
    };
    let samples = counts.iter().fold(0.0, |sum, count| sum + count);
    if samples <= 0.0 {
        return Err(gap(
            GapReason::NoData,
            "the metric has no data in the window: is it emitted, and under this name?",
        ));
    }
    if means.len() != counts.len() {
        return Err(gap(GapReason::Malformed, "CloudWatch gave another number of means than of counts"));
    }
    let mean = counts.iter().zip(means).fold(0.0, |sum, (count, mean)| sum + count * mean) / samples;
    let highest = |index: usize| percentiles.get(index)?.iter().copied().reduce(f64::max);
    Ok(Figures { samples, mean, p50: highest(0), p95: highest(1), p99: highest(2), bound: counts.len() > 1 })
}

/// The two lines of R11.
pub(crate) fn answers(facts: &PerformanceFacts, latency_max: f64) -> Vec<(Question, Result<Reply, Gap>)> {
    let latency = Question {
        id: "retrieval-latency",
        runbook: "R11",
        title: Text::fixed("シークレット取得のレイテンシ", "Latency of retrieval"),
        severity: Severity::Medium,
        remediation: Text::fixed(
            "キャッシュヒット率、コールドスタート、VPC エンドポイント、スロットリングを確認する",
            "Look at the cache hit rate, cold starts, VPC endpoints and throttling",
        ),
    };
    let duration = Question {
        id: "function-duration",
        runbook: "R11",
        title: Text::fixed("アプリケーション関数の実行時間", "Duration of the application's function"),
        severity: Severity::Low,
        remediation: Text::fixed("メモリとタイムアウトの設定を見直す", "Look at the function's memory and time-out"),
    };
    let (from, to) = (facts.from, facts.to);
    let told = |figures: &Figures, source: &str, limit_ja: &str, limit_en: &str| {
        let Figures { samples, mean, .. } = figures;
        let rest = percentiles(figures);
        Text::new(
            format!("平均 {mean:.1} ms{limit_ja}、{rest}、{samples} 回（{from} ～ {to}）。出典: {source}"),
            format!("mean {mean:.1} ms{limit_en}, {rest}, {samples} values ({from} to {to}); source: {source}"),
        )
    };
    let held = |figures: &Figures| {
        let (ja, en) = (format!("（≤ {latency_max} ms）"), format!(" (at most {latency_max} ms)"));
        let text = told(figures, &facts.metric, &ja, &en);
        if figures.mean <= latency_max { Reply::Good(text) } else { Reply::Bad(text) }
    };
    let source = format!("AWS/Lambda Duration {}", facts.function);
    let shown = |figures: &Figures| Reply::Good(told(figures, &source, "", ""));
    vec![
        (latency, facts.latency.as_ref().map(held).map_err(Clone::clone)),
        (duration, facts.duration.as_ref().map(shown).map_err(Clone::clone)),
    ]
}

fn percentiles(figures: &Figures) -> String {
    let sign = if figures.bound { "≤ " } else { "" };
    let one = |name: &str, value: Option<f64>| {
        value.map_or_else(|| format!("{name} -"), |value| format!("{name} {sign}{value:.1} ms"))
    };
    [one("p50", figures.p50), one("p95", figures.p95), one("p99", figures.p99)].join(", ")
}

/// Both sources in columns; one without data has no row.
pub fn table(facts: &PerformanceFacts) -> Option<Table> {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let row = |source: &str, figures: &Figures| {
        vec![
            source.to_owned(),
            format!("{}", figures.samples),
            cell(Some(figures.mean)),
            cell(figures.p50),
            cell(figures.p95),
            cell(figures.p99),
        ]
    };
    let sources = [(&facts.metric, &facts.latency), (&facts.function, &facts.duration)];
    let rows: Vec<Vec<String>> =
        sources.into_iter().filter_map(|(source, figures)| Some(row(source, figures.as_ref().ok()?))).collect();
    (!rows.is_empty()).then(|| Table {
        id: "performance",
        title: Text::fixed("所要時間（ミリ秒）", "Durations in milliseconds"),
        columns: vec![
            Text::fixed("対象", "source"),
            Text::fixed("回数", "values"),
            Text::fixed("平均", "mean"),
            Text::fixed("p50", "p50"),
            Text::fixed("p95", "p95"),
            Text::fixed("p99", "p99"),
        ],
        rows,
    })
}

#[cfg(test)]
mod tests;
