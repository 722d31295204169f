//! Writes a complete, verifiable backup of the estate to S3, and proves by a drill that backups restore.

use secrets_ops::runbook::JobError;
use secrets_ops::runbook::backup::{self, BackupSettings, Destination, Job, Kind};
use secrets_ops::runbook::restore;
use secrets_ops::settings::drill_prefix;
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs {
    known: &["backup-daily", "backup-monthly", "backup-manual", restore::DRILL_JOB],
    scheduled: "backup-daily",
    by_hand: "backup-manual",
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(
        JOBS,
        |get| Ok((BackupSettings::read(get)?, drill_prefix(get)?)),
        async |aws, settings, (own, prefix), call| {
            if call.job == restore::DRILL_JOB {
                if call.elsewhere.is_some() || call.chunk.is_some() {
                    let text = "restore-drill is about this deployment's own estate, in one invocation";
                    return Err(JobError::BadEvent(text.to_owned()));
                }
                return restore::drill_latest(aws, settings, prefix, call.now, call.deadline).await;
            }
            let kind = Kind::ALL.into_iter().find(|kind| kind.job() == call.job).unwrap_or(Kind::Manual);
            let elsewhere = call.elsewhere.as_ref();
            // Other estates lie in folders of their own, so that none is taken for the function's own.
            let prefix =
                elsewhere.map(|(_, target)| format!("{}{}/{}/", kind.folder(), target.account(), target.region));
            let destination = Destination::Bucket { bucket: settings.bucket.clone(), prefix };
            // Values of other estates are under keys and grants that this deployment does not have.
            let configuration_only = BackupSettings { values: None, ..own.clone() };
            let own = if elsewhere.is_some() { &configuration_only } else { own };
            let estate = elsewhere.map_or(aws, |(estate, _)| estate);
            let (account, chunk) = (call.account.as_str(), call.chunk.as_ref());
            let (now, deadline) = (call.now, call.deadline);
            backup::run(Job {
                estate,
                storage: aws,
                settings,
                own,
                kind,
                account,
                destination: &destination,
                chunk,
                now,
                deadline,
            })
            .await
        },
    )
    .await
}
