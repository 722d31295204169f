//! `secrets-ops health`

use secrets_ops::model::Report;
use secrets_ops::runbook::health;
use secrets_ops::settings::HealthSettings;

use crate::session::Session;

pub(crate) async fn run(session: &Session) -> anyhow::Result<Report> {
    let settings = HealthSettings::read(&session.get())?;
    let health = health::run(&session.aws, &settings, session.now).await;
    Ok(health.to_report(&session.settings.region))
}
