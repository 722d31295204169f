//! R45: how the functions that handle secrets are configured. Variables by name only.

mod runtimes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio::time::Instant;

use super::audit::{Question, Reply};
use super::job::in_time;
use crate::aws::{Aws, lambda};
use crate::model::{FunctionFacts, FunctionsFacts, Gap, GapReason, Reading, Severity, Text};
use crate::settings::{APP_FUNCTION, Reader, SettingError};

/// IAM actions of [`gather`].
pub const IAM_ACTIONS: &[&str] = &["lambda:GetFunctionConfiguration", "lambda:ListFunctions"];

/// The application's function, which is looked at beside the estate's rotation functions.
pub fn app_function(get: &dyn Fn(&str) -> Option<String>) -> Result<String, SettingError> {
    Ok(Reader::new(get)?.text(APP_FUNCTION))
}

/// Asks for each function, by name or ARN, and for who shares a role with whom.
pub async fn gather(aws: &Aws, names: &BTreeSet<String>, deadline: Instant) -> FunctionsFacts {
    let mut functions = BTreeMap::new();
    for name in names {
        let reading = in_time(lambda::function(aws, name), "lambda:GetFunctionConfiguration", name, deadline).await;
        functions.insert(name.clone(), reading);
    }
    FunctionsFacts { functions, by_role: in_time(lambda::by_role(aws), "lambda:ListFunctions", "", deadline).await }
}

type Told = Result<Option<(Severity, Text)>, Gap>;

/// The six lines of R45.
pub(crate) fn answers(facts: &FunctionsFacts, now: Timestamp) -> Vec<(Question, Result<Reply, Gap>)> {
    vec![
        (
            Question {
                id: "function-runtime",
                runbook: "R45",
                title: Text::fixed("関数のランタイムがサポート中", "The functions' runtimes are supported"),
                severity: Severity::High,
                remediation: Text::fixed(
                    "後継のランタイムに移し、テストしてからデプロイする",
                    "Move to the runtime's successor, test, deploy",
                ),
            },
            judge(facts, |function| runtimes::judge(function, now)),
        ),
        (
            Question {
                id: "function-role",
                runbook: "R45",
                title: Text::fixed("関数ごとに専用のロール", "Each function has a role of its own"),
                severity: Severity::Medium,
                remediation: Text::fixed(
                    "関数ごとにロールを分け、必要な権限だけを残す",
                    "Give each function a role of its own with the permissions that it needs",
                ),
            },
            judge(facts, |function| role(function, &facts.by_role)),
        ),
        (
            Question {
                id: "function-key",
                runbook: "R45",
                title: Text::fixed(
                    "環境変数をカスタマー管理キーで暗号化",
                    "Variables are encrypted under a customer's key",
                ),
                severity: Severity::Low,
                remediation: Text::fixed(
                    "関数の KmsKeyArn にカスタマー管理キーを設定する",
                    "Set the function's KmsKeyArn to a key of your own",
                ),
            },
            judge(facts, key),
        ),
        (
            Question {
                id: "function-tracing",
                runbook: "R45",
                title: Text::fixed("X-Ray トレースが有効", "X-Ray traces the functions"),
                severity: Severity::Low,
                remediation: Text::fixed(
                    "関数の TracingConfig を Active にする",
                    "Set the function's TracingConfig to Active",
                ),
            },
            judge(facts, |function| {
                Ok((!function.traced).then(|| {
                    (Severity::Low, Text::fixed("トレースが無効です", "is not traced (TracingConfig is not Active)"))
                }))
            }),
        ),
        (
            Question {
                id: "function-vpc",
                runbook: "R45",
                title: Text::fixed("関数が VPC に接続", "The functions are attached to a VPC"),
                severity: Severity::Low,
                remediation: Text::fixed(
                    "VPC 外で問題ないか確認する。接続するなら Secrets Manager と KMS の VPC エンドポイントも用意する",
                    "Decide whether outside a VPC is meant; inside one, Secrets Manager and KMS need VPC endpoints",
                ),
            },
            judge(facts, |function| {
                Ok((!function.in_vpc)
                    .then(|| (Severity::Low, Text::fixed("VPC に接続していません", "is not attached to a VPC"))))
            }),
        ),
        (
            Question {
                id: "function-variables",
                runbook: "R45",
                title: Text::fixed("環境変数に秘密がない", "No secrets in variables"),
                severity: Severity::High,
                remediation: Text::fixed(
                    "値をシークレットに移し、変数には ARN か名前だけを残す。露出した値はローテーションする",
                    "Move the value into a secret, keep its ARN or name in the variable, and rotate what was exposed",
                ),
            },
            judge(facts, variables),
        ),
    ]
}

/// Asks `rule` of each function. One that is not there has no configuration to judge, and is a gap.
fn judge(facts: &FunctionsFacts, rule: impl Fn(&FunctionFacts) -> Told) -> Result<Reply, Gap> {
    let (mut found, mut gaps, mut seen) = (Vec::new(), Vec::new(), 0);
    for (name, reading) in &facts.functions {
        let told = match reading {
            Ok(Some(function)) => rule(function),
            Ok(None) => Err(Gap {
                what: "lambda:GetFunctionConfiguration".into(),
                subject: name.clone(),
                reason: GapReason::NotConfigured,
                detail: "there is no function of this name; SECRETS_OPS_APP_FUNCTION, or a secret's rotation, names it"
                    .into(),
            }),
            Err(gap) => Err(gap.clone()),
        };
        seen += usize::from(told.is_ok());
        match told {
            Ok(None) => {}
            Ok(Some((severity, text))) => found.push((name.clone(), severity, text)),
            Err(gap) => gaps.push(gap),
        }
    }
    // Many functions may run into one and the same gap.
    gaps.dedup();
    match gaps.as_slice() {
        [gap] if seen == 0 => return Err(gap.clone()),
        [] if seen == 0 => return Err(crate::model::unread("lambda:GetFunctionConfiguration")),
        _ => {}
    }
    let bad = found.len();
    Ok(Reply::of(
        Text::new(
            format!("関数 {seen} 個を確認、該当 {bad} 個。出典: Lambda"),
            format!("{seen} functions looked at, {bad} of them not in order; source: Lambda"),
        ),
        found,
        gaps,
    ))
}

fn role(function: &FunctionFacts, by_role: &Reading<BTreeMap<String, Vec<String>>>) -> Told {
    let by_role = by_role.as_ref().map_err(Clone::clone)?;
    let Some(role) = &function.role else { return Err(malformed(function, "Lambda tells no role")) };
    let own = function.arn.split(':').nth(6).unwrap_or_default();
    let others: Vec<&str> =
        by_role.get(role).into_iter().flatten().map(String::as_str).filter(|name| *name != own).collect();
    let names = others.join(", ");
    Ok((!others.is_empty()).then(|| {
        let text = Text::new(
            format!("ロール {role} を他の関数と共有: {names}"),
            format!("shares the role {role} with {names}"),
        );
        (Severity::Medium, text)
    }))
}

fn malformed(function: &FunctionFacts, detail: &str) -> Gap {
    Gap {
        what: "lambda:GetFunctionConfiguration".into(),
        subject: function.arn.clone(),
        reason: GapReason::Malformed,
        detail: detail.to_owned(),
    }
}

/// Without variables there is nothing to encrypt.
fn key(function: &FunctionFacts) -> Told {
    let needs = !function.variables.is_empty() || function.variables_error.is_some();
    Ok((needs && function.kms_key.is_none()).then(|| {
        let text = Text::fixed(
            "環境変数が AWS 所有のキーで暗号化されています",
            "its variables are encrypted under a key that AWS owns",
        );
        (Severity::Low, text)
    }))
}

fn variables(function: &FunctionFacts) -> Told {
    if let Some(error) = &function.variables_error {
        return Err(malformed(function, &format!("Lambda does not tell the variables: {error}")));
    }
    let likely: Vec<&str> = function.variables.iter().map(String::as_str).filter(|name| may_be_secret(name)).collect();
    let names = likely.join(", ");
    Ok((!likely.is_empty()).then(|| {
        let text = Text::new(
            format!("名前から秘密と思われる環境変数: {names}"),
            format!("variables that by their names hold secrets: {names}"),
        );
        (Severity::High, text)
    }))
}

/// Whether a variable's name says that it holds a secret, and not that it names one.
fn may_be_secret(name: &str) -> bool {
    const SECRET: [&str; 8] =
        ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIAL"];
    const NAMES_ONE: [&str; 8] = ["_ARN", "_NAME", "_ID", "_PATH", "_PREFIX", "_REGION", "_TTL", "_SECONDS"];
    let name = name.to_ascii_uppercase();
    // AWS's access key ids end in _ID, and are half of a credential.
    if name.ends_with("ACCESS_KEY_ID") {
        return true;
    }
    SECRET.iter().any(|word| name.contains(word)) && !NAMES_ONE.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests;
