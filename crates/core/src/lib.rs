//! What secrets-ops knows about operating AWS Secrets Manager.
//!
//! Data flows one way: `aws` gathers, `checks` judge, `report` and `notify` tell. `runbook` has one module for each
//! thing the runbook asks for; a Lambda function and the command for the same job call the same `run`.
//!
//! Invariants, held by `tests/architecture.rs`:
//! - `model`, `checks` and `report` import no AWS crate, no clock and no environment, and cannot fail;
//! - only `aws` imports `aws_sdk_*`;
//! - a secret's value is never in any type of this crate.

pub mod aws;
pub mod checks;
pub mod model;
pub mod notify;
pub mod report;
pub mod runbook;
pub mod settings;
