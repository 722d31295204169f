//! `secrets-ops access report`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use secrets_ops::model::{Accesses, Record, Report, Secret};
use secrets_ops::runbook::access::{self, AccessSettings, Case, Known};
use secrets_ops::runbook::backup::{self, Piece};
use tokio::time::Instant;

use crate::session::{Session, WrongUse};
use crate::source;

/// The largest budget of pages takes 14 minutes; what has not answered by then is a gap.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

pub(crate) async fn report(
    session: &Session,
    since: Option<SignedDuration>,
    trail: &[PathBuf],
    archive: Option<&str>,
) -> anyhow::Result<Report> {
    let own = AccessSettings::read(&session.get())?;
    let to = session.now;
    let since = since.unwrap_or_else(|| SignedDuration::from_hours(24 * own.days));
    let from = to.checked_sub(since).context("the window begins before time does")?;
    let secrets = match archive {
        Some(archive) => archived(session, archive).await?,
        None => access::secrets(&session.aws).await?,
    };
    let deadline = Instant::now() + PATIENCE;
    let (accesses, trails) = if trail.is_empty() {
        let (accesses, trails) = tokio::join!(
            access::gather(&session.aws, &own, from, to, deadline),
            access::trails(&session.aws, deadline)
        );
        (accesses, Some(trails))
    } else {
        (Ok(filed(session, trail.to_vec(), from, &secrets).await?), None)
    };
    let secrets: Vec<Known<'_>> = secrets.iter().map(Known::from).collect();
    Ok(access::report(&Case {
        accesses: &accesses,
        trails: trails.as_ref(),
        secrets: &secrets,
        settings: &own,
        recent_from: access::recent_from(from, to),
        now: to,
        region: &session.settings.region,
        zone: &session.settings.time_zone,
    }))
}

async fn filed(
    session: &Session,
    trail: Vec<PathBuf>,
    from: Timestamp,
    secrets: &[Secret],
) -> anyhow::Result<Accesses> {
    let (to, region) = (session.now, session.settings.region.clone());
    let account = secrets.iter().find_map(|secret| secret.arn.split(':').nth(4)).map(str::to_owned);
    let ours = move |record: &Record| access::is_ours(record, account.as_deref(), &region);
    let read = tokio::task::spawn_blocking(move || access::from_files(&trail, from, to, &ours));
    let (accesses, _) = read.await.context("reading the files broke off")?.map_err(|error| {
        // A name that is not there, or a folder without files.
        WrongUse(format!("--trail {error}"))
    })?;
    Ok(accesses)
}

/// The secrets of a backup that is whole: of a damaged one, nobody knows what is missing.
async fn archived(session: &Session, archive: &str) -> anyhow::Result<Vec<Secret>> {
    let opened = source::open(session, archive).await?;
    let read = move || {
        let mut secrets = Vec::new();
        let readout = backup::read(opened, &mut |piece| match piece {
            Piece::Secret(secret) => secrets.push(*secret),
            Piece::Values(_) => {}
        });
        (secrets, readout.faults)
    };
    let (secrets, faults) = tokio::task::spawn_blocking(read).await.context("reading the backup broke off")?;
    if let Some(fault) = faults.first() {
        bail!("{archive} is not what its manifest says: {}", fault.to_string().replace(char::is_control, " "));
    }
    Ok(secrets)
}
