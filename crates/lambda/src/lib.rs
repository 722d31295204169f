//! What every function shares, and the only library that knows `lambda_runtime`: logs, metrics, events, deadline,
//! clients from the environment, and errors as diagnostics with stable types.

mod event;
mod health;
mod http;
mod logging;
mod metrics;
mod serve;

pub use health::serve_health;
pub use serve::{Invocation, Jobs, serve};

/// What `main` returns.
pub type Error = lambda_runtime::Error;
