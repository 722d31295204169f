//! `secrets-ops audit run daily`

use std::time::Duration;

use secrets_ops::model::Report;
use secrets_ops::runbook::audit;
use secrets_ops::settings::AuditSettings;
use tokio::time::Instant;

use crate::session::Session;

/// Longer than a person waits for a list; a source that has not answered by then is a gap.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn daily(session: &Session) -> anyhow::Result<Report> {
    let settings = AuditSettings::read(&session.get())?;
    let deadline = Instant::now() + PATIENCE;
    Ok(audit::daily(&session.aws, &session.settings, &settings, session.now, deadline).await.0)
}
