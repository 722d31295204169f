//! A verdict on the rotation of each secret.

use secrets_ops::model::PolicyDays;
use secrets_ops::runbook::rotation;
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs { known: &[rotation::JOB], scheduled: rotation::JOB, by_hand: rotation::JOB };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(JOBS, PolicyDays::read, async |aws, settings, policy, call| {
        rotation::run(aws, settings, *policy, call.now, call.deadline).await
    })
    .await
}
