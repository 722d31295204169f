//! What a run asked of AWS, and what that costs.

use std::collections::BTreeMap;

use crate::aws::Aws;
use crate::model::Report;

/// AWS's list prices in US dollars for one call, Tokyo and us-east-1 alike (aws-facts: 0.05 per 10,000 calls of Secrets
/// Manager, 0.03 per 10,000 of KMS, 0.01 a request of Cost Explorer, S3 0.005 and 0.0004 per 1,000). What is billed by
/// size, as Logs Insights is, or not at all, has no price here.
fn price(call: &str) -> f64 {
    match call.split(':').next().unwrap_or_default() {
        "secretsmanager" => 0.05 / 10_000.0,
        "kms" => 0.03 / 10_000.0,
        "ce" => 0.01,
        "s3" if call.ends_with(":GetObject") => 0.000_4 / 1_000.0,
        "s3" => 0.005 / 1_000.0,
        _ => 0.0,
    }
}

/// Notes in a report what these clients have sent since `before`, and what that costs.
pub fn note(report: &mut Report, before: &BTreeMap<String, u64>, aws: &Aws) {
    report.extras.calls = since(before, &aws.calls());
    report.extras.calls_usd = Some(usd(&report.extras.calls));
}

/// The calls between two counts of the same clients.
fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let made = after.iter().map(|(call, number)| (call.clone(), number - before.get(call).unwrap_or(&0)));
    made.filter(|(_, number)| *number > 0).collect()
}

/// What they cost together.
fn usd(calls: &BTreeMap<String, u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "calls stay far below 2^52")]
    let cost = |(call, number): (&String, &u64)| price(call) * *number as f64;
    calls.iter().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_added_is_counted_and_priced() {
        let count = |calls: &[(&str, u64)]| calls.iter().map(|(call, n)| ((*call).to_owned(), *n)).collect();
        let before = count(&[("secretsmanager:ListSecrets", 5), ("kms:DescribeKey", 2)]);
        let after = count(&[
            ("secretsmanager:ListSecrets", 10_005),
            ("kms:DescribeKey", 2),
            ("ce:GetCostAndUsage", 1),
            ("iam:SimulatePrincipalPolicy", 900),
        ]);
        let made = since(&before, &after);
        assert_eq!(
            made,
            count(&[
                ("secretsmanager:ListSecrets", 10_000),
                ("ce:GetCostAndUsage", 1),
                ("iam:SimulatePrincipalPolicy", 900)
            ])
        );
        assert!((usd(&made) - 0.06).abs() < 1e-9, "{}", usd(&made));
    }
}
