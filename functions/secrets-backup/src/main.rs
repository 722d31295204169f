//! Writes a complete, verifiable backup of the estate to S3.

use secrets_ops::runbook::backup::{self, Destination, Kind};
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs {
    known: &["backup-daily", "backup-monthly", "backup-manual"],
    scheduled: "backup-daily",
    by_hand: "backup-manual",
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(
        JOBS,
        |_| Ok(()),
        async |aws, settings, (), call| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.job() == call.job).unwrap_or(Kind::Manual);
            let destination = Destination::Bucket { bucket: settings.bucket.clone(), prefix: None };
            backup::run(aws, settings, kind, &call.account, &destination, call.now, call.deadline).await
        },
    )
    .await
}
