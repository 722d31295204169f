//! Runs the runbook's checklists.

use secrets_ops::runbook::audit;
use secrets_ops::settings::AuditSettings;
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs { known: &[audit::DAILY], scheduled: audit::DAILY, by_hand: audit::DAILY };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(JOBS, AuditSettings::read, async |aws, settings, audit, call| {
        audit::run(aws, settings, audit, call.now, call.deadline).await
    })
    .await
}
