//! Notices to people. What a notice says is decided here; how a channel takes it is the channel's own file.

mod sns;

use crate::aws::{Aws, AwsError};
use crate::model::{Lang, Outcome, Report, Status};
use crate::report::{Format, render};
use crate::settings::Settings;

/// Something that a person should know now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One line; a mail's subject.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

impl Notice {
    /// What a report that is not well has to say; `None` if all is well. `artefact` is where the whole of it lies.
    pub fn of_report(settings: &Settings, job: &str, report: &Report, artefact: Option<&str>) -> Option<Self> {
        let status = report.status();
        if status == Status::Ok {
            return None;
        }
        let summary = format!("{} findings, {} gaps", report.findings.len(), report.gaps.len());
        // A mail is for the start; a report on a large estate is read where it lies.
        let mut brief = report.clone();
        brief.items.retain(|item| item.outcome != Outcome::Pass);
        brief.items.truncate(MOST);
        brief.findings.truncate(MOST);
        brief.gaps.truncate(MOST);
        let mut body = render(&brief, Format::Table, settings.lang);
        if let Some(artefact) = artefact {
            body += &match settings.lang {
                Lang::Ja => format!("\n全文: {artefact}\n"),
                Lang::En => format!("\nIn full: {artefact}\n"),
            };
        }
        Some(Self { subject: subject(settings, job, status.name(), &summary), body })
    }

    /// A job that could not be done at all.
    pub fn of_failure(settings: &Settings, job: &str, error: &str) -> Self {
        let body = match settings.lang {
            Lang::Ja => format!(
                "ジョブ {job} は失敗しました。何も上書きされていません。\n\n原因: {error}\n\n対処: 関数のログをリクエスト ID で確認し、原因を直してから再実行してください。\n"
            ),
            Lang::En => format!(
                "Job {job} failed. Nothing has been overwritten.\n\nCause: {error}\n\nNext: look at the function's log by its request id, mend the cause, then run it again.\n"
            ),
        };
        Self { subject: subject(settings, job, "FAILED", ""), body }
    }
}

/// Lines of each list that a notice carries.
const MOST: usize = 20;

/// ASCII and below 100 characters, as SNS wants it for mail.
fn subject(settings: &Settings, job: &str, state: &str, summary: &str) -> String {
    let mut line = format!("[{}-{}] {job} {state}", settings.prefix, settings.env);
    if !summary.is_empty() {
        line += &format!(": {summary}");
    }
    line.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(99).collect()
}

/// Sends a notice to the configured topic; without one it says nothing.
///
/// # Errors
/// The caller must tell it: a failed channel may hide nothing.
pub async fn send(aws: &Aws, settings: &Settings, notice: &Notice) -> Result<(), AwsError> {
    match &settings.topic_arn {
        Some(topic) => sns::send(aws, topic, notice).await,
        None => Ok(()),
    }
}
