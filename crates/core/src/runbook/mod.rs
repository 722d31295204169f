//! One module for each thing that the runbook asks for. A function and the command for the same job call the same `run`.

pub mod access;
pub mod audit;
pub mod backup;
pub mod calls;
pub mod changes;
pub mod cost;
pub mod functions;
pub mod health;
mod job;
pub mod keys;
pub mod ledger;
pub mod once;
pub mod performance;
pub mod plan;
pub mod readers;
pub mod restore;
pub mod rotation;
pub mod suppressions;

pub use job::{Answer, Chunk, EstateTarget, JobError, REPORT_IAM_ACTIONS, Trigger, finish};
