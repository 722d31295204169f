//! What an audit gathered around the secrets, written down so that the same judgement can be repeated later, from a backup.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    CostFacts, DecryptFailures, FunctionsFacts, PerformanceFacts, ReaderFacts, Reading, Surroundings, unread,
};
use crate::runbook::JobError;

/// The schema of [`Evidence`].
const SCHEMA: &str = "secrets-ops/evidence/v1";

/// More than the evidence of the largest estate.
const MOST_BYTES: usize = 1024 * 1024 * 1024;

/// All that was read but for the secrets. No value is in it and, of functions' variables, only names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `secrets-ops/evidence/v1`.
    pub schema: String,
    /// The estate's; empty where it could not be told.
    pub account: String,
    /// The estate's.
    pub region: String,
    /// The moment that it speaks of.
    pub as_of: Timestamp,
    /// What the checks on secrets look at.
    pub surroundings: Surroundings,
    /// What IAM said of principals.
    pub readers: ReaderFacts,
    /// The application's function and those that rotate.
    pub functions: Reading<FunctionsFacts>,
    /// Decryptions that failed.
    pub decryptions: Reading<DecryptFailures>,
    /// Bills; only the monthly list reads them.
    pub costs: Reading<CostFacts>,
    /// Latency and durations; only the monthly list reads them.
    pub performance: Reading<PerformanceFacts>,
}

impl Evidence {
    /// Nothing has been read yet.
    pub fn none(account: &str, region: &str, as_of: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            as_of,
            surroundings: Surroundings::unread(),
            readers: ReaderFacts::none(),
            functions: Err(unread("lambda:GetFunctionConfiguration")),
            decryptions: Err(unread("logs:StartQuery")),
            costs: Err(unread("ce:GetCostAndUsage")),
            performance: Err(unread("cloudwatch:GetMetricData")),
        }
    }

    /// As a file.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and dates only: this cannot fail; an empty file would not read as evidence.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From a file that is called `name`.
    ///
    /// # Errors
    /// Where it is not evidence.
    pub fn from_json(bytes: &[u8], name: &str) -> Result<Self, JobError> {
        let refused = |why: String| JobError::Refused(format!("{name} is not evidence of an audit: {why}"));
        if bytes.len() > MOST_BYTES {
            return Err(refused("it is larger than any estate's".into()));
        }
        let evidence: Self = serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        match evidence.schema.as_str() {
            SCHEMA => Ok(evidence),
            other => Err(refused(format!("its schema is {other:?}, and {SCHEMA} is understood"))),
        }
    }
}
