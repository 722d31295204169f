//! Counts every call that is really sent, retries included: AWS bills and throttles each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Calls by operation, as IAM spells service and operation; shared by all clients of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<Mutex<BTreeMap<String, u64>>>);

impl Calls {
    /// So far.
    pub(super) fn made(&self) -> BTreeMap<String, u64> {
        self.0.lock().map(|calls| calls.clone()).unwrap_or_default()
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "secrets-ops calls"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(call), Ok(mut calls)) = (config.load::<Metadata>(), self.0.lock()) {
            *calls.entry(format!("{}:{}", service(call.service()), call.name())).or_default() += 1;
        }
        Ok(())
    }
}

/// IAM's prefix for the SDK's name of a service.
fn service(name: &str) -> String {
    match name {
        "CloudWatch Logs" => "logs".to_owned(),
        "Cost Explorer" => "ce".to_owned(),
        other => other.to_lowercase().replace(' ', ""),
    }
}
