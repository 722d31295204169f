//! Figures around the secrets: bills, durations, failed decryptions, functions. Gathered once, judged without a call.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FunctionFacts, Reading};

/// What Secrets Manager cost in whole calendar months (UTC, as AWS bills).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostFacts {
    /// Oldest first.
    pub months: Vec<Bill>,
    /// Requests to Cost Explorer that were made for it, at USD 0.01 each.
    pub requests: u64,
}

/// One month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Such as `2026-10`.
    pub month: String,
    /// AWS may still change it.
    pub estimated: bool,
    /// By usage type.
    pub lines: Vec<BillLine>,
}

/// One usage type of a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillLine {
    /// Such as `APN1-AWSSecretsManager-Secrets`.
    pub usage_type: String,
    /// The unblended cost, as AWS writes it.
    pub cost: String,
    /// Such as `USD`.
    pub currency: String,
    /// As AWS writes it: secret-months, or requests.
    pub quantity: String,
}

/// Percentiles and mean of a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How many values there were.
    pub samples: f64,
    /// In milliseconds.
    pub mean: f64,
    /// In milliseconds; absent for values that were published as sums, of which CloudWatch knows no percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// CloudWatch answered in several parts: each percentile is the highest of theirs, and the true one is not above it.
    #[serde(default)]
    pub bound: bool,
}

/// How long things took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceFacts {
    /// The window's start.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// The application's own metric: namespace and name.
    pub metric: String,
    /// Retrieval of a secret, by that metric.
    pub latency: Reading<Figures>,
    /// The function.
    pub function: String,
    /// Its invocations.
    pub duration: Reading<Figures>,
}

/// Decryptions on behalf of Secrets Manager that failed, in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecryptFailures {
    /// The window's start.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// The log group, or the files.
    pub read_from: String,
    /// All decryptions on behalf of Secrets Manager, those that succeeded included.
    pub decryptions: u64,
    /// Whether there was more than the query gives out.
    pub truncated: bool,
    /// By secret and error.
    pub failures: Vec<DecryptFailure>,
}

/// Failures of one kind for one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecryptFailure {
    /// From the encryption context; absent where the record had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    /// Such as `DisabledException`.
    pub code: String,
    /// AWS's words on the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many.
    pub count: u64,
}

/// Functions, and who shares a role with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionsFacts {
    /// By the name or ARN that was asked for; `None`: there is no such function.
    pub functions: BTreeMap<String, Reading<Option<FunctionFacts>>>,
    /// The names of all functions of the Region, by the ARN of their role.
    pub by_role: Reading<BTreeMap<String, Vec<String>>>,
}
