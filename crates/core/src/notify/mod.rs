//! Notices to people. What a notice says is decided here; how a channel takes it is the channel's own file.

mod sns;

use crate::aws::{Aws, AwsError};
use crate::model::{Changes, Gap, Lang, Report, Status};
use crate::report::{brief, brief_changes};
use crate::settings::Settings;

/// IAM actions of [`send`]; `kms:*` are used by SNS on our behalf, on the topic's key.
pub const IAM_ACTIONS: &[&str] = &["sns:Publish", "kms:GenerateDataKey", "kms:Decrypt"];

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
        let mut body = brief(report, settings.lang, MOST);
        body += &in_full(settings, artefact);
        Some(Self { subject: subject(settings, job, status.name(), &summary), body })
    }

    /// What has changed since the report before; `None` if nothing has, and no digest is due of what is still open.
    pub fn of_changes(
        settings: &Settings,
        job: &str,
        report: &Report,
        compared: &Compared<'_>,
        artefact: Option<&str>,
    ) -> Option<Self> {
        let Changes { opened, still_open, resolved, unknown, .. } = compared.changes;
        let open = compared.all && !(still_open.is_empty() && unknown.is_empty());
        if opened.is_empty() && resolved.is_empty() && !open {
            return None;
        }
        let summary = format!(
            "{} findings, {} gaps; {} new, {} resolved",
            report.findings.len(),
            report.gaps.len(),
            opened.len(),
            resolved.len()
        );
        let mut body = brief_changes(report, compared.changes, compared.all, settings.lang, MOST);
        if let Some(gap) = compared.trouble {
            body += &match settings.lang {
                Lang::Ja => format!(
                    "\n注意: 前回までの状態 {} を使えなかったため、すべてを新規として通知しています。原因: {}: {}\n",
                    gap.subject, gap.what, gap.detail
                ),
                Lang::En => format!(
                    "\nNote: the state of earlier runs, {}, could not be used, so that everything is told as new. Cause: {}: {}\n",
                    gap.subject, gap.what, gap.detail
                ),
            };
        }
        body += &in_full(settings, artefact);
        Some(Self { subject: subject(settings, job, report.status().name(), &summary), body })
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

/// A report compared with those before it, for a notice.
#[derive(Debug)]
pub struct Compared<'a> {
    /// What has changed.
    pub changes: &'a Changes,
    /// What is still open is named too, and by itself is reason enough for a notice.
    pub all: bool,
    /// Why the state of earlier runs could not be used.
    pub trouble: Option<&'a Gap>,
}

fn in_full(settings: &Settings, artefact: Option<&str>) -> String {
    match (artefact, settings.lang) {
        (None, _) => String::new(),
        (Some(artefact), Lang::Ja) => format!("\n全文: {artefact}\n"),
        (Some(artefact), Lang::En) => format!("\nIn full: {artefact}\n"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Coverage, Extras, Finding, Gap, GapReason, Item, Outcome, Severity, Text};

    fn settings(lang: &str) -> Settings {
        Settings::read(&|name| (name == "SECRETS_OPS_LANG").then(|| lang.to_owned())).unwrap()
    }

    fn report(findings: usize) -> Report {
        let item = |outcome, subject: &str| Item {
            subject: subject.into(),
            title: None,
            runbook: None,
            outcome,
            verdict: "x",
            detail: Text::fixed("詳細", "detail"),
            next: None,
        };
        let finding = Finding {
            check: "rotation-on-time",
            severity: Severity::High,
            subject: "late".into(),
            detail: Text::fixed("3 日超過", "3 days past"),
            remediation: Text::fixed("ログを確認する", "Read the log"),
            arn: None,
        };
        Report {
            schema: "secrets-ops/rotation/v1",
            title: Text::fixed("ローテーション確認", "Rotation check"),
            as_of: "2026-11-22T00:00:00Z".parse().unwrap(),
            region: "ap-northeast-1".into(),
            items: vec![item(Outcome::Pass, "good"), item(Outcome::Fail, "late")],
            findings: vec![finding; findings],
            gaps: Vec::new(),
            coverage: Coverage { wanted: 2, seen: 2 },
            extras: Extras::default(),
        }
    }

    #[test]
    fn nothing_is_sent_when_all_is_well() {
        assert_eq!(Notice::of_report(&settings("ja"), "rotation", &report(0), None), None);
    }

    #[test]
    fn a_notice_says_what_is_wrong_and_where_the_rest_is() {
        for lang in ["ja", "en"] {
            let notice = Notice::of_report(&settings(lang), "rotation", &report(1), Some("s3://b/r.txt")).unwrap();
            assert_eq!(notice.subject, "[goal-mandala-prod] rotation findings: 1 findings, 0 gaps");
            insta::assert_snapshot!(format!("notice_{lang}"), notice.body);
            insta::assert_snapshot!(
                format!("failure_{lang}"),
                Notice::of_failure(
                    &settings(lang),
                    "rotation",
                    "secretsmanager:ListSecrets: AccessDeniedException: no"
                )
                .body
            );
        }
    }

    #[test]
    fn a_long_list_is_cut_and_the_count_is_not() {
        let notice = Notice::of_report(&settings("en"), "rotation", &report(500), None).unwrap();
        assert!(notice.subject.contains("500 findings"));
        assert_eq!(notice.body.matches("rotation-on-time").count(), MOST);
        assert!(notice.body.contains("Result: findings (500 findings, 0 not looked at"), "{}", notice.body);
        assert!(notice.body.contains("480 more"), "{}", notice.body);
    }

    #[test]
    fn subjects_are_what_sns_takes() {
        let mut settings = settings("ja");
        settings.prefix = "長い名前\n".repeat(3) + &"x".repeat(200);
        let gap = Gap { what: "w".into(), subject: String::new(), reason: GapReason::Denied, detail: "d".into() };
        let report = Report { gaps: vec![gap], ..report(0) };
        let subject = Notice::of_report(&settings, "rotation", &report, None).unwrap().subject;
        assert!(subject.len() < 100 && subject.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{subject}");
    }
}
