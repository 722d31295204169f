//! `secrets-ops restore plan | apply | drill`

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrets_ops::model::{Report, Status};
use secrets_ops::report::{Format, render};
use secrets_ops::runbook::backup::Summary;
use secrets_ops::runbook::ledger;
use secrets_ops::runbook::plan::{Journal, PlanError};
use secrets_ops::runbook::restore::{
    self, Archived, DRILL_JOB, Drill, Options, RestoreError, RestorePlan, applied_report, planned_report,
};
use secrets_ops::settings::{drill_prefix, value_key};

use crate::args;
use crate::session::{Session, WrongUse};
use crate::source;

pub(crate) async fn plan(session: &Session, args: &args::RestorePlan) -> anyhow::Result<Report> {
    let options = options(session, args)?;
    let file = &args.output_file;
    if file.exists() {
        return Err(WrongUse(format!("{} exists; a plan never overwrites anything", file.display())).into());
    }
    let place = session.place().await?;
    let filter = args.filter.clone();
    let wanted = move |name: &str| filter.is_empty() || filter.iter().any(|pattern| pattern.matches(name));
    let backup = load(session, &args.archive, wanted).await?;
    let plan = restore::plan(&session.aws, &place, &args.archive, backup, &options, session.now).await;
    let plan = plan.map_err(|error| match error {
        error @ RestoreError::SameName(_) => WrongUse(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    write_new(file, &plan.to_json())?;
    Ok(planned_report(&plan, Some(&file.display().to_string())))
}

/// Reads the backup where blocking is allowed.
async fn load(
    session: &Session,
    archive: &str,
    wanted: impl Fn(&str) -> bool + Send + 'static,
) -> anyhow::Result<(Summary, Vec<Archived>)> {
    let opened = source::open(session, archive).await?;
    let read = move || restore::load(opened, &wanted);
    Ok(tokio::task::spawn_blocking(read).await.context("reading the backup broke off")??)
}

fn options(session: &Session, args: &args::RestorePlan) -> anyhow::Result<Options> {
    let rename = args.rename.as_deref().map(|text| pair("--rename", text)).transpose()?;
    let key_policy = args
        .key_policy
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display())))
        .transpose()?;
    let settings = &session.settings;
    Ok(Options {
        overwrite: args.overwrite,
        configuration: args.configuration,
        force_policies: args.force_policies,
        kms_map: pairs("--kms-map", &args.kms_map)?,
        lambda_map: pairs("--lambda-map", &args.lambda_map)?,
        create_keys: args.create_keys.then(|| format!("{}-{}", settings.prefix, settings.env)),
        key_policy,
        rename,
    })
}

fn pairs(option: &str, texts: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    texts.iter().map(|text| pair(option, text)).collect()
}

fn pair(option: &str, text: &str) -> anyhow::Result<(String, String)> {
    let (from, to) = text.split_once('=').ok_or_else(|| WrongUse(format!("{option} takes FROM=TO; it is {text:?}")))?;
    if to.is_empty() || (from.is_empty() && option != "--rename") {
        return Err(WrongUse(format!("{option} takes FROM=TO, neither of them empty; it is {text:?}")).into());
    }
    Ok((from.to_owned(), to.to_owned()))
}

/// Writes a file that must not exist, and leaves none that is half written.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|failed| failed.error)
    });
    written.map(|_| ()).with_context(|| format!("{} cannot be written", path.display()))
}

pub(crate) async fn apply(
    session: &Session,
    file: &Path,
    approval: Option<&str>,
    pause: impl FnOnce(),
) -> anyhow::Result<Report> {
    let json = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let wrong = |error: PlanError| WrongUse(format!("{}: {error}", file.display()));
    let plan = RestorePlan::read(&json, restore::SCHEMA).map_err(wrong)?;
    let place = session.place().await?;
    plan.check(&place, session.now).map_err(wrong)?;
    match approval {
        Some(hash) => plan.approve(hash).map_err(wrong)?,
        None => {
            pause();
            plan.approve(&ask(&plan, session)?).map_err(wrong)?;
        }
    }
    let (journal, before) = Journal::open(&journal_path(file), &plan.hash)?;
    if !before.is_empty() {
        say(&format!("going on where an earlier run left off; its journal is {}", journal.path().display()));
    }
    let applied = restore::apply(&session.aws, &plan, Some(&journal), &value_key(&session.get())?, session.now).await?;
    Ok(applied_report(&plan, &applied, session.now))
}

fn journal_path(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// Shows the steps and lets a person type the hash. Without a terminal nobody can have read them.
fn ask(plan: &RestorePlan, session: &Session) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        let text = "nobody is here to approve the plan: read it, then give its hash with --approve HASH";
        return Err(WrongUse(text.to_owned()).into());
    }
    let shown = render(&planned_report(plan, None), Format::Table, session.settings.lang);
    say(&shown);
    say(&format!(
        "account {}, {}; type the first 8 characters or more of the hash to apply it:",
        plan.account, plan.region
    ));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).context("the approval could not be read")?;
    Ok(typed)
}

/// To the person, beside the report that goes to standard output.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(crate) async fn drill(
    session: &Session,
    archive: &str,
    prefix: Option<&str>,
    values: bool,
) -> anyhow::Result<Report> {
    let prefix = drill_prefix(&|name| match (name, prefix) {
        ("SECRETS_OPS_DRILL_PREFIX", Some(prefix)) => Some(prefix.to_owned()),
        _ => session.get()(name),
    })?;
    let place = session.place().await?;
    let backup = load(session, archive, |_| true).await?;
    let (aws, now) = (&session.aws, session.now);
    let deadline = session.deadline();
    let key = value_key(&session.get())?;
    let values = values.then_some(key.as_str());
    let report = restore::drill(Drill { aws, place: &place, prefix: &prefix, values, now, deadline }, backup).await?;
    if report.status() == Status::Ok {
        // What is proven by hand counts as well as what is proven by schedule.
        if let Err(error) = ledger::note(aws, &session.settings.bucket, DRILL_JOB, now).await {
            say(&format!("the drill went well, but its success could not be noted in the bucket: {error}"));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_told_from_nonsense() {
        assert_eq!(pair("--rename", "=x-").unwrap(), (String::new(), "x-".to_owned()));
        for (option, text) in [("--rename", "x"), ("--rename", "a="), ("--kms-map", "=b"), ("--kms-map", "")] {
            assert!(pair(option, text).is_err(), "{option} {text}");
        }
    }

    #[test]
    fn a_plan_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write_new(&path, b"one").unwrap();
        assert!(write_new(&path, b"two").unwrap_err().to_string().ends_with("cannot be written"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
