use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageOutput;
use aws_sdk_costexplorer::types::{MetricValue, ResultByTime};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::civil::date;

use super::*;
use crate::aws::mocked;

fn month(start: &str, usage_type: &str, cost: &str) -> ResultByTime {
    let value = |amount: &str, unit: &str| MetricValue::builder().amount(amount).unit(unit).build();
    let group = Group::builder()
        .keys(usage_type)
        .metrics("UnblendedCost", value(cost, "USD"))
        .metrics("UsageQuantity", value("3", "Secrets"))
        .build();
    let period = DateInterval::builder().start(start).end("2026-11-01").build().unwrap();
    ResultByTime::builder().time_period(period).groups(group).build()
}

#[tokio::test]
async fn whole_months_by_usage_type_over_two_pages() {
    let first = mock!(aws_sdk_costexplorer::Client::get_cost_and_usage)
        .match_requests(|request| {
            let period = request.time_period().unwrap();
            let by = &request.group_by()[0];
            let service = request.filter().and_then(|filter| filter.dimensions()).unwrap();
            (period.start(), period.end()) == ("2026-09-01", "2026-11-01")
                && request.granularity() == Some(&Granularity::Monthly)
                && by.key() == Some("USAGE_TYPE")
                && service.values() == ["AWS Secrets Manager"]
                && request.metrics() == ["UnblendedCost", "UsageQuantity"]
                && request.next_page_token().is_none()
        })
        .then_output(|| {
            GetCostAndUsageOutput::builder()
                .results_by_time(month("2026-10-01", "APN1-AWSSecretsManager-Secrets", "1.2"))
                .results_by_time(month("2026-09-01", "APN1-AWSSecretsManager-Secrets", "0.4"))
                .next_page_token("2")
                .build()
        });
    let second = mock!(aws_sdk_costexplorer::Client::get_cost_and_usage)
        .match_requests(|request| request.next_page_token() == Some("2"))
        .then_output(|| {
            let requests = month("2026-10-01", "APN1-AWSSecretsManagerAPIRequest", "0.05");
            GetCostAndUsageOutput::builder().results_by_time(requests).build()
        });
    let client = mock_client!(aws_sdk_costexplorer, RuleMode::MatchAny, [&first, &second]);
    let aws = mocked::aws().with_cost_explorer(client);
    let (bills, requests) = bills(&aws, date(2026, 9, 1), date(2026, 11, 1)).await.unwrap();
    let told: Vec<_> = bills.iter().map(|bill| (bill.month.as_str(), bill.lines.len())).collect();
    assert_eq!((told, requests), (vec![("2026-09", 1), ("2026-10", 2)], 2));
    let line = &bills[1].lines[0];
    assert_eq!((line.cost.as_str(), line.currency.as_str(), line.quantity.as_str()), ("1.2", "USD", "3"));
}

#[tokio::test]
async fn the_endpoint_is_the_one_of_the_partition() {
    let region = |of: &str| {
        let config = aws_types::SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .region(aws_types::region::Region::new(of.to_owned()))
            .build();
        let aws = Aws::from_config(config, None);
        aws.cost_explorer().config().region().map(ToString::to_string)
    };
    assert_eq!(region("ap-northeast-1").as_deref(), Some("us-east-1"));
    assert_eq!(region("cn-north-1").as_deref(), Some("cn-northwest-1"));
}
