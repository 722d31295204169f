//! `secrets-ops rotation check`

use secrets_ops::model::Report;
use secrets_ops::runbook::rotation::{self, RotationSettings};

use crate::session::Session;

pub(crate) async fn check(session: &Session) -> anyhow::Result<Report> {
    let settings = RotationSettings::read(&session.get())?;
    Ok(rotation::check(&session.aws, &settings, session.now, session.deadline()).await?)
}
