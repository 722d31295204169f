//! A verdict on the rotation of each secret, and at once on one whose rotation has failed.

use secrets_ops::runbook::rotation::{self, RotationSettings};
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs { known: &[rotation::JOB, rotation::FAILED], scheduled: rotation::JOB, by_hand: rotation::JOB };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(JOBS, RotationSettings::read, async |aws, settings, rotation, call| match call.job {
        rotation::FAILED => {
            rotation::run_failed(aws, settings, rotation, call.record.as_ref(), call.now, call.deadline).await
        }
        _ => rotation::run(aws, settings, rotation, call.now, call.deadline).await,
    })
    .await
}
