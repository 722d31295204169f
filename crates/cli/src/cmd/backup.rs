//! `secrets-ops backup run | list | verify`

use std::path::PathBuf;

use anyhow::Context;
use secrets_ops::aws::s3::Bucket;
use secrets_ops::model::Report;
use secrets_ops::runbook::backup::{self, BackupSettings, Destination, Job, Kind};

use crate::session::{Session, WrongUse};
use crate::source::{self, S3Url};

pub(crate) async fn run(session: &Session, kind: Kind, to: Option<&str>) -> anyhow::Result<Report> {
    let account = session.place().await?.account;
    let bucket = Bucket { owner: Some(account.clone()), ..session.settings.bucket.clone() };
    let destination = destination(bucket, to)?;
    let settings = &session.settings;
    let own = BackupSettings::read(&session.get())?;
    let answer = backup::run(Job {
        estate: &session.aws,
        storage: &session.aws,
        settings,
        own: &own,
        kind,
        account: &account,
        destination: &destination,
        chunk: None,
        now: session.now,
        deadline: session.deadline(),
    })
    .await?;
    Ok(backup::report(&answer, &settings.region, session.now))
}

fn destination(bucket: Bucket, to: Option<&str>) -> anyhow::Result<Destination> {
    let Some(to) = to else { return Ok(Destination::Bucket { bucket, prefix: None }) };
    match S3Url::parse(to) {
        Some(S3Url { bucket: name, key }) if !name.is_empty() && (key.is_empty() || key.ends_with('/')) => {
            Ok(Destination::Bucket { bucket: Bucket { name, ..bucket }, prefix: Some(key) })
        }
        Some(_) => {
            Err(WrongUse(format!("--to {to:?} must be s3://BUCKET/ or s3://BUCKET/PREFIX/, with a slash at its end"))
                .into())
        }
        None if PathBuf::from(to).is_dir() => Ok(Destination::Folder(to.into())),
        None => {
            Err(WrongUse(format!("--to {to:?} is not a folder; make it first, or name s3://BUCKET/PREFIX/")).into())
        }
    }
}

pub(crate) async fn list(session: &Session) -> anyhow::Result<Report> {
    let settings = &session.settings;
    let backups = backup::history(&session.aws, &settings.bucket, &settings.time_zone).await?;
    Ok(backup::history_report(&backups, &settings.bucket, &settings.region, session.now))
}

pub(crate) async fn verify(session: &Session, archive: &str) -> anyhow::Result<Report> {
    let opened = source::open(session, archive).await?;
    let (region, now) = (session.settings.region.clone(), session.now);
    let read = move || backup::verify(opened, &region, now);
    tokio::task::spawn_blocking(read).await.context("the verification broke off")
}
