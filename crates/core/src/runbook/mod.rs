//! One module for each thing that the runbook asks for. A function and the command for the same job call the same `run`.

pub mod audit;
pub mod backup;
pub mod health;
mod job;
pub mod ledger;
pub mod once;
pub mod plan;
pub mod restore;
pub mod rotation;

pub use job::{Answer, Chunk, EstateTarget, JobError, REPORT_IAM_ACTIONS, Trigger, finish};
