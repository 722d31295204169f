//! R06, R20, R43: are the secrets' keys healthy, does KMS change their material, when were they last used, and for which
//! secrets do decryptions fail.

mod decrypt;

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::audit::{Question, Reply};
use super::job::in_time;
use crate::aws::{Aws, AwsError, kms};
use crate::model::{DecryptFailures, Gap, KeyFacts, LastUse, Reading, Secret, Severity, Text, account_of};

pub use decrypt::{failures, failures_of};

/// IAM actions of [`gather`] and [`failures`].
pub const IAM_ACTIONS: &[&str] = &[
    "kms:DescribeKey",
    "kms:GetKeyRotationStatus",
    "kms:GetKeyLastUsage",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "logs:StopQuery",
];

/// The key that stands for `aws/secretsmanager` where a secret names none.
pub const DEFAULT_KEY: &str = "alias/aws/secretsmanager";

/// The key of a secret, as the secret names it.
pub fn key_of(secret: &Secret) -> &str {
    secret.kms_key_id.as_deref().unwrap_or(DEFAULT_KEY)
}

/// Facts of the keys by each name that was asked for: an id, an ARN or an alias. Rotation and last use are asked once of a
/// key, whatever it is called.
pub async fn gather(aws: &Aws, names: &BTreeSet<String>, deadline: Instant) -> BTreeMap<String, Reading<KeyFacts>> {
    let mut by_name: BTreeMap<String, Reading<KeyFacts>> = BTreeMap::new();
    let mut by_arn: BTreeMap<String, KeyFacts> = BTreeMap::new();
    let mut ordered: Vec<&String> = names.iter().collect();
    // Only the answer tells which key an alias means and which account a bare name is of: those are asked first.
    ordered.sort_by_key(|name| (name.starts_with("arn:"), !name.contains("alias/"), (*name).clone()));
    for name in ordered {
        if let Some(known) = known(&by_name, name) {
            by_name.insert(name.clone(), Ok(known));
            continue;
        }
        let reading = in_time(ask(aws, name, &mut by_arn), "kms:DescribeKey", name, deadline).await;
        by_name.insert(name.clone(), reading);
    }
    by_name
}

async fn ask(aws: &Aws, name: &str, by_arn: &mut BTreeMap<String, KeyFacts>) -> Result<KeyFacts, AwsError> {
    let facts = kms::facts(aws, name).await?;
    if let Some(known) = by_arn.get(&facts.arn) {
        return Ok(known.clone());
    }
    let facts = kms::rotation_and_use(aws, facts).await;
    by_arn.insert(facts.arn.clone(), facts.clone());
    Ok(facts)
}

/// The facts, where the name is another one of a key that was described.
fn known(by_name: &BTreeMap<String, Reading<KeyFacts>>, name: &str) -> Option<KeyFacts> {
    by_name.iter().find_map(|(other, reading)| {
        let facts = reading.as_ref().ok()?;
        let same_account = account_of(name).is_none_or(|account| account_of(&facts.arn) == Some(account));
        let same_key = name == facts.arn || facts.arn.ends_with(&format!(":key/{name}"));
        // `arn:aws:kms:REGION:ACCOUNT:alias/NAME` and `alias/NAME`.
        let same_alias = other.starts_with("alias/")
            && name.ends_with(&format!(":{other}"))
            && name.split(':').nth(3) == facts.arn.split(':').nth(3);
        (same_account && (same_key || same_alias)).then(|| facts.clone())
    })
}

/// The lines of the checklists about keys: R06, R20 and R43.
pub(crate) fn answers(
    keys: &BTreeMap<String, Reading<KeyFacts>>,
    failures: &Reading<DecryptFailures>,
    secrets: &[Secret],
) -> Vec<(Question, Result<Reply, Gap>)> {
    let health = Question {
        id: "key-health",
        runbook: "R06",
        title: Text::fixed("キーが使用可能（キーごと）", "Keys can be used (by key)"),
        severity: Severity::Critical,
        remediation: Text::fixed(
            "無効なら `aws kms enable-key --key-id ARN`、削除待ちなら `aws kms cancel-key-deletion --key-id ARN` の後に enable-key",
            "If disabled: `aws kms enable-key --key-id ARN`; if pending deletion: `aws kms cancel-key-deletion --key-id ARN`, then enable-key",
        ),
    };
    let rotation = Question {
        id: "key-material-rotates",
        runbook: "R20",
        title: Text::fixed("キーの自動ローテーションが有効（キーごと）", "Keys rotate by themselves (by key)"),
        severity: Severity::Medium,
        remediation: Text::fixed(
            "`aws kms enable-key-rotation --key-id KEY_ID`（エイリアスは不可。まず IaC のテンプレートで有効にする）",
            "`aws kms enable-key-rotation --key-id KEY_ID` (an alias is refused; better in the template that makes the key)",
        ),
    };
    let usage = Question {
        id: "key-usage",
        runbook: "R43",
        title: Text::fixed("キーの最終使用", "Last use of the keys"),
        severity: Severity::Low,
        remediation: Text::fixed(
            "そのキーのシークレットがまだ必要か所有者に確認する。キーは削除せず、まず無効にして様子を見る",
            "Ask the owners whether the secrets under the key are still needed; never delete the key before it has been disabled for a while",
        ),
    };
    let distinct = distinct(keys);
    let gaps: Vec<Gap> = keys.values().filter_map(|reading| reading.as_ref().err().cloned()).collect();
    vec![
        (health, judge(&distinct, &gaps, |key| Ok(unusable(key, keys, secrets)))),
        (rotation, judge(&distinct, &gaps, not_rotating)),
        (usage, judge(&distinct, &gaps, never_used)),
        decrypt::answer(failures, secrets),
    ]
}

/// Each key once, by ARN.
fn distinct(keys: &BTreeMap<String, Reading<KeyFacts>>) -> BTreeMap<&str, &KeyFacts> {
    keys.values().filter_map(|reading| reading.as_ref().ok()).map(|key| (key.arn.as_str(), key)).collect()
}

fn judge(
    keys: &BTreeMap<&str, &KeyFacts>,
    gaps: &[Gap],
    rule: impl Fn(&KeyFacts) -> Result<Option<(Severity, Text)>, Gap>,
) -> Result<Reply, Gap> {
    let (mut found, mut gaps) = (Vec::new(), gaps.to_vec());
    for (arn, key) in keys {
        match rule(key) {
            Ok(None) => {}
            Ok(Some((severity, text))) => found.push(((*arn).to_owned(), severity, text)),
            Err(gap) => gaps.push(gap),
        }
    }
    match gaps.as_slice() {
        [gap] if keys.is_empty() => return Err(gap.clone()),
        [] if keys.is_empty() => return Err(Gap { detail: "no secret names a key".into(), ..nothing() }),
        _ => {}
    }
    let total = keys.len();
    let bad = found.len();
    Ok(Reply::of(
        Text::new(
            format!("キー {total} 個を確認、該当 {bad} 個。出典: KMS"),
            format!("{total} keys looked at, {bad} of them not in order; source: KMS"),
        ),
        found,
        gaps,
    ))
}

fn nothing() -> Gap {
    crate::model::unread("kms:DescribeKey")
}

/// A key that is not enabled, with the secrets that nobody can read because of it.
fn unusable(
    key: &KeyFacts,
    keys: &BTreeMap<String, Reading<KeyFacts>>,
    secrets: &[Secret],
) -> Option<(Severity, Text)> {
    const SHOWN: usize = 20;
    if key.state == "Enabled" {
        return None;
    }
    let under: Vec<&str> = secrets
        .iter()
        .filter(|secret| keys.get(key_of(secret)).is_some_and(|r| r.as_ref().is_ok_and(|one| one.arn == key.arn)))
        .map(|secret| secret.name.as_str())
        .collect();
    let more = if under.len() > SHOWN { ", …" } else { "" };
    let names = under.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ") + more;
    let (state, number) = (if key.state.is_empty() { "?" } else { &key.state }, under.len());
    let (until_ja, until_en) = match key.deletion_date {
        Some(at) => (format!("、{at} に削除予定"), format!(", to be deleted at {at}")),
        None => (String::new(), String::new()),
    };
    let text = Text::new(
        format!("状態 {state}{until_ja}。読めなくなるシークレット {number} 件: {names}"),
        format!("is {state}{until_en}; {number} secrets cannot be read: {names}"),
    );
    // Nothing is lost with a key that no secret uses.
    Some((if number > 0 { Severity::Critical } else { Severity::Medium }, text))
}

fn not_rotating(key: &KeyFacts) -> Result<Option<(Severity, Text)>, Gap> {
    Ok(match key.rotation.clone()? {
        Some(false) => Some((
            Severity::Medium,
            Text::fixed("自動ローテーションが無効です", "KMS does not change its material: rotation is off"),
        )),
        // Off or on is no question for material that KMS did not make.
        Some(true) | None => None,
    })
}

fn never_used(key: &KeyFacts) -> Result<Option<(Severity, Text)>, Gap> {
    Ok(match key.last_use.clone()? {
        LastUse::At(_) => None,
        LastUse::NotSince(since) => Some((
            Severity::Low,
            Text::new(
                format!("記録の始まった {since} 以降、一度も使われていません"),
                format!("has not been used once since KMS began to take notes of it at {since}"),
            ),
        )),
    })
}

#[cfg(test)]
mod tests;
