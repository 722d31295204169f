//! `secrets-ops audit run daily | weekly | monthly`

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use secrets_ops::model::{Gap, Report, Suppressions};
use secrets_ops::runbook::audit::{self, Evidence, List, ListSettings, Past, Run};
use secrets_ops::runbook::suppressions;
use secrets_ops::settings::AuditSettings;
use tokio::time::Instant;

use crate::args::{AuditRun, Checklist};
use crate::session::{Session, WrongUse};
use crate::source;

/// Longer than a person waits for the daily list; a source that has not answered by then is a gap.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn run(session: &Session, asked: &AuditRun) -> anyhow::Result<Report> {
    let list = match asked.list {
        Checklist::Daily => return daily(session, asked).await,
        Checklist::Weekly => List::Weekly,
        Checklist::Monthly => List::Monthly,
    };
    let own = ListSettings::read(&session.get())?;
    let (accepted, gap) = accepted(session).await?;
    let mut report = match &asked.archive {
        Some(archive) => look_back(session, asked, (list, archive), own, accepted).await?,
        None => look(session, asked, list, &own, &accepted).await?,
    };
    report.gaps.extend(gap);
    Ok(report)
}

async fn daily(session: &Session, asked: &AuditRun) -> anyhow::Result<Report> {
    if asked.archive.is_some() || asked.save_evidence.is_some() {
        let text = "the daily list is about metrics and logs, which no backup holds; --archive and --save-evidence go with weekly and monthly";
        return Err(WrongUse(text.to_owned()).into());
    }
    let settings = AuditSettings::read(&session.get())?;
    let deadline = Instant::now() + PATIENCE;
    Ok(audit::daily(&session.aws, &session.settings, &settings, session.now, deadline).await.0)
}

async fn accepted(session: &Session) -> anyhow::Result<(Suppressions, Option<Gap>)> {
    let source = suppressions::Source::read(&session.get())?;
    Ok(suppressions::load(&session.aws, &session.settings, &source, &audit::check_ids()).await)
}

async fn look(
    session: &Session,
    asked: &AuditRun,
    list: List,
    own: &ListSettings,
    suppressions: &Suppressions,
) -> anyhow::Result<Report> {
    // A name that cannot be written to is told before minutes of reading, not after.
    let file = asked.save_evidence.as_deref().map(new_file).transpose()?;
    let account = session.place().await?.account;
    let settings = &session.settings;
    let run = Run { list, settings, own, suppressions, account: &account, now: session.now };
    let (report, evidence) = Box::pin(audit::look(run, &session.aws, None, session.deadline())).await?;
    if let (Some(mut file), Some(path)) = (file, &asked.save_evidence) {
        file.write_all(&evidence.to_json()).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(report)
}

/// Nothing is asked of AWS but, where it lies there, the backup.
async fn look_back(
    session: &Session,
    asked: &AuditRun,
    (list, archive): (List, &str),
    own: ListSettings,
    suppressions: Suppressions,
) -> anyhow::Result<Report> {
    let past = Past {
        archive: source::open(session, archive).await?,
        evidence: asked.evidence.as_deref().map(evidence).transpose()?,
        trail: asked.trail.clone(),
        as_of: session.stated.then_some(session.now),
    };
    let (settings, now) = (session.settings.clone(), session.now);
    let judge = move || {
        let run = Run { list, settings: &settings, own: &own, suppressions: &suppressions, account: "", now };
        audit::look_back(run, past)
    };
    Ok(tokio::task::spawn_blocking(judge).await.context("the audit broke off")??)
}

fn new_file(path: &Path) -> anyhow::Result<File> {
    match File::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(WrongUse(format!("{} is there already; name another file", path.display())).into())
        }
        made => made.with_context(|| format!("{} cannot be written", path.display())),
    }
}

fn evidence(path: &Path) -> anyhow::Result<Evidence> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Evidence::from_json(&bytes, &path.display().to_string())?)
}
