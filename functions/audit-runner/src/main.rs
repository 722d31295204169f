//! Runs the runbook's checklists.

use secrets_ops::runbook::audit::{self, AuditJobs, List};
use secrets_ops_lambda::{Error, Jobs, serve};

const JOBS: Jobs = Jobs {
    known: &[audit::DAILY, List::Weekly.job(), List::Monthly.job()],
    scheduled: audit::DAILY,
    by_hand: audit::DAILY,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(JOBS, AuditJobs::read, async |aws, settings, jobs, call| {
        let list = [List::Weekly, List::Monthly].into_iter().find(|list| list.job() == call.job);
        match list {
            Some(list) => audit::run_list(aws, settings, jobs, (list, &call.account), call.now, call.deadline).await,
            None => audit::run_daily(aws, settings, jobs, call.now, call.deadline).await,
        }
    })
    .await
}
