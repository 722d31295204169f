//! `secrets-ops rotation check`

use secrets_ops::model::{PolicyDays, Report};
use secrets_ops::runbook::rotation;

use crate::session::Session;

pub(crate) async fn check(session: &Session) -> anyhow::Result<Report> {
    let policy = PolicyDays::read(&session.get())?;
    Ok(rotation::check(&session.aws, policy, session.now, session.deadline()).await?)
}
