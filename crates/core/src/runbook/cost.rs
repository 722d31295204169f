//! R09: what Secrets Manager cost in the last two whole months, by usage type, and what the unused secrets will cost.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tokio::time::{Instant, timeout_at};

use super::audit::{Question, Reply};
use super::job::deadline_gap;
use crate::aws::s3::{self, Bucket, Expect};
use crate::aws::{Aws, cost_explorer};
use crate::model::{Bill, BillLine, CostFacts, Gap, GapReason, Reading, Secret, Severity, Table, Text};

/// IAM actions of [`gather`]; `kms:Decrypt` is used by S3 on our behalf, `kms:GenerateDataKey` too.
pub const IAM_ACTIONS: &[&str] =
    &["ce:GetCostAndUsage", "s3:GetObject", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"];

/// AWS still books the last days of a month in the first days of the next one: from this day on a month is taken as final.
const FINAL_FROM_DAY: i8 = 5;

/// A secret-month by AWS's list price, in US dollars.
const LIST_PRICE: f64 = 0.40;

/// The two whole months before `now`, from the cache in the bucket where they are final, else from Cost Explorer.
///
/// `account` is part of the cache's keys, `cache/cost/<account>-<month>.json`.
pub async fn gather(
    aws: &Aws,
    bucket: &Bucket,
    account: &str,
    now: Timestamp,
    deadline: Instant,
) -> Reading<CostFacts> {
    match timeout_at(deadline, months(aws, bucket, account, now)).await {
        Ok(facts) => facts,
        Err(_) => Err(deadline_gap("ce:GetCostAndUsage", "not answered before the deadline".to_owned())),
    }
}

async fn months(aws: &Aws, bucket: &Bucket, account: &str, now: Timestamp) -> Reading<CostFacts> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let end = today.first_of_month();
    let starts = [end.saturating_sub(2.months()), end.saturating_sub(1.months())];
    let mut facts = CostFacts::default();
    let mut missing = Vec::new();
    for start in starts {
        match cached(aws, bucket, &key(account, start)).await {
            Some(bill) if bill.month == month(start) => facts.months.push(bill),
            _ => missing.push(start),
        }
    }
    let Some(from) = missing.first() else { return Ok(facts) };
    // One request brings both months; one that is in the cache behind a missing one costs nothing more.
    let (bills, requests) = cost_explorer::bills(aws, *from, end).await.map_err(|error| error.gap(""))?;
    facts.requests = requests;
    for start in missing {
        let Some(bill) = bills.iter().find(|bill| bill.month == month(start)) else { continue };
        let final_now = start.saturating_add(1.month()) < end || today.day() >= FINAL_FROM_DAY;
        if final_now && !bill.estimated {
            keep(aws, bucket, &key(account, start), bill).await;
        }
        facts.months.push(bill.clone());
    }
    facts.months.sort_by(|a, b| a.month.cmp(&b.month));
    Ok(facts)
}

fn month(start: Date) -> String {
    start.strftime("%Y-%m").to_string()
}

fn key(account: &str, start: Date) -> String {
    format!("cache/cost/{account}-{}.json", month(start))
}

/// A cache that cannot be read costs a cent, and is no reason to go without the figures.
async fn cached(aws: &Aws, bucket: &Bucket, key: &str) -> Option<Bill> {
    match s3::get(aws, bucket, key).await {
        Ok(object) => serde_json::from_slice(&object?.bytes).ok(),
        Err(error) => {
            tracing::warn!(%error, key, "a kept bill could not be read; Cost Explorer is asked again");
            None
        }
    }
}

async fn keep(aws: &Aws, bucket: &Bucket, key: &str, bill: &Bill) {
    let Ok(body) = serde_json::to_vec(bill) else { return };
    if let Err(error) = s3::put(aws, bucket, key, "application/json", body, Expect::Anything).await {
        tracing::warn!(%error, key, "a bill could not be kept; the next run pays for it again");
    }
}

/// How many secret-months a month of this secret is: its replicas in other Regions are billed like itself, and a secret
/// that waits for its deletion is free.
pub fn billed_copies(secret: &Secret) -> u64 {
    if secret.deleted_date.is_some() { 0 } else { 1 + secret.replication_status.len() as u64 }
}

/// Unused secrets by what they are billed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Secret-months of each month, by [`billed_copies`].
    pub billed: u64,
    /// Secrets of which it cannot be said whether they are used.
    pub unsure: u64,
}

/// The line R09.
pub(crate) fn answers(
    facts: &Reading<CostFacts>,
    unused: Reading<Unused>,
    now: Timestamp,
) -> Vec<(Question, Result<Reply, Gap>)> {
    let question = Question {
        id: "cost",
        runbook: "R09",
        title: Text::fixed("Secrets Manager の費用", "Cost of Secrets Manager"),
        severity: Severity::Low,
        remediation: Text::fixed(
            "未使用のシークレットを整理する（`secrets-ops audit run monthly` の未使用の一覧）",
            "Clear out unused secrets (the list of unused ones in `secrets-ops audit run monthly`)",
        ),
    };
    vec![(question, facts.clone().and_then(|facts| judge(&facts, unused, now)))]
}

fn judge(facts: &CostFacts, unused: Reading<Unused>, now: Timestamp) -> Result<Reply, Gap> {
    let gap = |reason, subject: &str, detail: &str| Gap {
        what: "ce:GetCostAndUsage".into(),
        subject: subject.to_owned(),
        reason,
        detail: detail.to_owned(),
    };
    let Some(last) = facts.months.last().filter(|bill| !bill.lines.is_empty()) else {
        let detail =
            "Cost Explorer has no cost of Secrets Manager: is it switched on, and may this account see its bills?";
        return Err(gap(GapReason::NoData, "", detail));
    };
    let mut totals = Vec::new();
    for bill in &facts.months {
        let total = total(bill).ok_or_else(|| gap(GapReason::Malformed, &bill.month, "a cost is not a number"))?;
        totals.push(format!("{} {} {total:.2}", bill.month, currency(bill)));
    }
    let totals = totals.join(", ");
    let day = now.to_zoned(TimeZone::UTC).date().day();
    let provisional = last.estimated || day < FINAL_FROM_DAY;
    let (note_ja, note_en) = if provisional {
        (
            format!("（{} は未確定。毎月 {FINAL_FROM_DAY} 日まで変わり得る）", last.month),
            format!(" ({} is not final: it may change until day {FINAL_FROM_DAY} of the month)", last.month),
        )
    } else {
        (String::new(), String::new())
    };
    let (price, billed) = price(last);
    let (from_ja, from_en) =
        if billed { ("請求額から算出", "by the bill") } else { ("定価", "by list price") };
    let (forecast_ja, forecast_en, gaps) = match unused {
        Ok(Unused { billed: number, unsure }) => {
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
            let monthly = number as f64 * price;
            let (least_ja, least_en, rest_ja, rest_en) = match unsure {
                0 => ("", "", String::new(), String::new()),
                _ => (
                    "少なくとも",
                    "at least ",
                    format!("。ほか {unsure} 件は使用の有無を判定できない"),
                    format!("; of {unsure} more it cannot be said whether they are used"),
                ),
            };
            (
                format!("未使用 {number} 件の費用は{least_ja}月 {monthly:.2}（1 件 {price:.2}、{from_ja}）{rest_ja}"),
                format!(
                    "{least_en}{number} unused ones will cost {monthly:.2} a month ({price:.2} each, {from_en}){rest_en}"
                ),
                Vec::new(),
            )
        }
        Err(gap) => {
            ("未使用のシークレットの数は不明".to_owned(), "how many are unused is not known".to_owned(), vec![gap])
        }
    };
    let requests = facts.requests;
    let detail = Text::new(
        format!("{totals}{note_ja}。{forecast_ja}。出典: Cost Explorer（リクエスト {requests} 回）"),
        format!("{totals}{note_en}; {forecast_en}; source: Cost Explorer ({requests} requests)"),
    );
    Ok(if gaps.is_empty() { Reply::Good(detail) } else { Reply::Partly(detail, Vec::new(), gaps) })
}

fn currency(bill: &Bill) -> &str {
    bill.lines.first().map_or("", |line| line.currency.as_str())
}

/// Credits make lines negative, so that a sum may be too.
fn total(bill: &Bill) -> Option<f64> {
    bill.lines.iter().try_fold(0.0, |sum, line| Some(sum + money(&line.cost)?))
}

/// A decimal number as AWS writes it, with an exponent at times. A float is exact far beyond the two decimals shown.
fn money(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|amount| amount.is_finite())
}

/// What a secret-month cost by the bill, and whether the bill says so: credits and free trials may hide it.
fn price(bill: &Bill) -> (f64, bool) {
    let stored = |line: &&BillLine| line.usage_type.contains("AWSSecretsManager-Secret");
    let sum = |of: fn(&BillLine) -> &str| -> f64 {
        bill.lines.iter().filter(stored).filter_map(|line| money(of(line))).fold(0.0, |sum, one| sum + one)
    };
    let (cost, quantity) = (sum(|line| &line.cost), sum(|line| &line.quantity));
    if cost > 0.0 && quantity > 0.0 { (cost / quantity, true) } else { (LIST_PRICE, false) }
}

/// Each month by usage type.
pub fn table(facts: &CostFacts) -> Option<Table> {
    let shown = |text: &str, decimals: usize| {
        money(text).map_or_else(|| "?".to_owned(), |amount| format!("{:.decimals$}", amount + 0.0))
    };
    let rows: Vec<Vec<String>> = facts
        .months
        .iter()
        .flat_map(|bill| bill.lines.iter().map(move |line| (bill, line)))
        .map(|(bill, line)| {
            let cost = format!("{} {}", shown(&line.cost, 2), line.currency);
            vec![bill.month.clone(), line.usage_type.clone(), shown(&line.quantity, 2), cost]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        id: "cost-by-usage-type",
        title: Text::fixed("Secrets Manager の費用（使用タイプ別）", "Cost of Secrets Manager by usage type"),
        columns: vec![
            Text::fixed("月", "month"),
            Text::fixed("使用タイプ", "usage type"),
            Text::fixed("数量", "quantity"),
            Text::fixed("費用", "cost"),
        ],
        rows,
    })
}

#[cfg(test)]
mod tests;
