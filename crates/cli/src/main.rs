//! `secrets-ops`: what a person does and decides about an estate of AWS secrets.

mod args;
mod cmd;
mod session;
mod source;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, BackupCommand, Command, RestoreCommand};
use clap::{CommandFactory, Parser};
use secrets_ops::model::{Report, Status};
use secrets_ops::report::render;
use secrets_ops::runbook::backup::diff::Scope;
use secrets_ops::runbook::{JobError, calls};
use secrets_ops::settings::SettingError;
use session::Session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    session::init_logging();
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
        anyhow::anyhow!(
            "interrupted; no half backup is left, and a restore goes on from where it is when it is applied again"
        )
    };
    let done = tokio::select! {
        done = run(&args) => done,
        error = interrupted => Err(error),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::from(if is_wrong_use(&error) { 2 } else { 4 })
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Command::Completions { shell } = args.command {
        clap_complete::generate(shell, &mut Args::command(), "secrets-ops", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let session = Session::open(&args.global, &args.command).await?;
    let spinner = session.spinner();
    let report = match &args.command {
        Command::Health => cmd::health::run(&session).await,
        Command::Backup(BackupCommand::Run { kind, to }) => cmd::backup::run(&session, *kind, to.as_deref()).await,
        Command::Backup(BackupCommand::List) => cmd::backup::list(&session).await,
        Command::Backup(BackupCommand::Verify { archive }) => cmd::backup::verify(&session, archive).await,
        Command::Backup(BackupCommand::Diff { before, after, configuration, filter }) => {
            let scope = Scope { values: !configuration, filter: filter.clone() };
            Box::pin(cmd::diff::run(&session, before, after, scope)).await
        }
        Command::Restore(RestoreCommand::Plan(plan)) => cmd::restore::plan(&session, plan).await,
        Command::Restore(RestoreCommand::Apply { file, approve }) => {
            let pause = || spinner.finish_and_clear();
            Box::pin(cmd::restore::apply(&session, file, approve.as_deref(), pause)).await
        }
        Command::Restore(RestoreCommand::Drill { archive, drill_prefix, values }) => {
            Box::pin(cmd::restore::drill(&session, archive, drill_prefix.as_deref(), *values)).await
        }
        Command::Rotation(args::RotationCommand::Check) => cmd::rotation::check(&session).await,
        Command::Audit(args::AuditCommand::Run(asked)) => Box::pin(cmd::audit::run(&session, asked)).await,
        Command::Access(args::AccessCommand::Report { since, trail, archive }) => {
            Box::pin(cmd::access::report(&session, *since, trail, archive.as_deref())).await
        }
        Command::Completions { .. } => return Ok(ExitCode::SUCCESS),
    };
    spinner.finish_and_clear();
    let mut report = report;
    if let (Command::Rotation(_) | Command::Access(_) | Command::Audit(_), Ok(report)) = (&args.command, &mut report) {
        calls::note(report, &Default::default(), &session.aws);
    }
    let report = match args.global.output.needs_account() {
        true => session.for_export(report?).await?,
        false => report?,
    };
    std::io::stdout().write_all(render(&report, args.global.output, session.settings.lang).as_bytes())?;
    Ok(exit_code(&report))
}

/// 0 clean, 1 findings, 3 incomplete: incomplete wins, because what was not looked at may be worse.
fn exit_code(report: &Report) -> ExitCode {
    ExitCode::from(match report.status() {
        Status::Ok | Status::AlreadyDone => 0,
        Status::Findings => 1,
        Status::Incomplete => 3,
    })
}

fn is_wrong_use(error: &anyhow::Error) -> bool {
    error.is::<session::WrongUse>()
        || error.is::<SettingError>()
        || matches!(error.downcast_ref(), Some(JobError::BadEvent(_) | JobError::Setting(_)))
}

/// One line, in the person's terminal: what failed and why, without the SDK's nested structures.
fn complain(error: &anyhow::Error) {
    // Our own context says what failed, the system's error below it why; AWS's layers are in neither.
    let cause =
        error.source().filter(|cause| cause.is::<std::io::Error>() && !error.to_string().contains(&cause.to_string()));
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "secrets-ops: {error}{cause}");
}
