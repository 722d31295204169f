use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageOutput;
use aws_sdk_costexplorer::types::{DateInterval, Group, MetricValue, ResultByTime};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::aws::fake::{Fault, World, clients};

const ACCOUNT: &str = "123456789012";

fn line(usage_type: &str, cost: &str, quantity: &str) -> BillLine {
    BillLine { usage_type: usage_type.into(), cost: cost.into(), currency: "USD".into(), quantity: quantity.into() }
}

fn bill(month: &str, lines: Vec<BillLine>) -> Bill {
    Bill { month: month.into(), estimated: false, lines }
}

fn two_months() -> CostFacts {
    let secrets = |cost, quantity| line("APN1-AWSSecretsManager-Secrets", cost, quantity);
    CostFacts {
        months: vec![
            bill("2026-09", vec![secrets("23.6", "59")]),
            bill("2026-10", vec![secrets("24.0", "60"), line("APN1-AWSSecretsManagerAPIRequest", "5.0E-4", "100")]),
        ],
        requests: 1,
    }
}

fn told(facts: Reading<CostFacts>, unused: Reading<Unused>, now: &str) -> String {
    let (_, reply) = answers(&facts, unused, now.parse().unwrap()).remove(0);
    match reply {
        Ok(Reply::Good(text)) => text.en.into(),
        Ok(Reply::Partly(text, _, gaps)) => format!("{} | {} gaps", text.en, gaps.len()),
        Ok(other) => panic!("{other:?}"),
        Err(gap) => format!("{:?}", gap.reason),
    }
}

const NOW: &str = "2026-11-22T00:00:00Z";

#[test]
fn months_are_added_up_and_the_forecast_is_by_the_bill() {
    assert_eq!(
        told(Ok(two_months()), Ok(Unused { billed: 7, unsure: 0 }), NOW),
        "2026-09 USD 23.60, 2026-10 USD 24.00; 7 unused ones will cost 2.80 a month (0.40 each, by the bill); \
         source: Cost Explorer (1 requests)"
    );
    let mut dear = two_months();
    dear.months[1].lines[0].cost = "30".into();
    assert!(
        told(Ok(dear), Ok(Unused { billed: 10, unsure: 0 }), NOW)
            .contains("10 unused ones will cost 5.00 a month (0.50 each, by the bill)")
    );
    let mut credited = two_months();
    credited.months[1].lines[0].cost = "-1.5".into();
    assert!(
        told(Ok(credited), Ok(Unused { billed: 10, unsure: 0 }), NOW)
            .contains("10 unused ones will cost 4.00 a month (0.40 each, by list price)")
    );
}

#[test]
fn a_month_is_final_from_the_fifth_on() {
    let note = "(2026-10 is not final: it may change until day 5 of the month)";
    assert!(told(Ok(two_months()), Ok(Unused { billed: 0, unsure: 0 }), "2026-11-04T23:59:59Z").contains(note));
    assert!(!told(Ok(two_months()), Ok(Unused { billed: 0, unsure: 0 }), "2026-11-05T00:00:00Z").contains(note));
    let mut estimated = two_months();
    estimated.months[1].estimated = true;
    assert!(told(Ok(estimated), Ok(Unused { billed: 0, unsure: 0 }), NOW).contains(note));
}

#[test]
fn what_is_not_known_is_a_gap() {
    assert_eq!(told(Ok(CostFacts::default()), Ok(Unused { billed: 0, unsure: 0 }), NOW), "NoData");
    let empty = CostFacts { months: vec![bill("2026-10", vec![])], requests: 1 };
    assert_eq!(told(Ok(empty), Ok(Unused { billed: 0, unsure: 0 }), NOW), "NoData");
    for cost in ["", "NaN", "inf", "12,5", "USD 3"] {
        let mut odd = two_months();
        odd.months[0].lines[0].cost = cost.into();
        assert_eq!(told(Ok(odd), Ok(Unused { billed: 0, unsure: 0 }), NOW), "Malformed", "{cost:?}");
    }
    let gap = crate::model::unread("secretsmanager:ListSecrets");
    assert!(told(Ok(two_months()), Err(gap.clone()), NOW).ends_with("| 1 gaps"));
    assert_eq!(told(Err(gap), Ok(Unused { billed: 0, unsure: 0 }), NOW), "NoData");
}

#[test]
fn a_table_shows_every_usage_type_with_two_decimals() {
    let table = table(&two_months()).unwrap();
    assert_eq!(table.rows[2], ["2026-10", "APN1-AWSSecretsManagerAPIRequest", "100.00", "0.00 USD"]);
    assert_eq!(super::table(&CostFacts::default()), None);
}

#[test]
fn replicas_cost_and_what_waits_for_deletion_does_not() {
    let mut secret = Secret { replication_status: vec![crate::model::Replica::default(); 2], ..Secret::default() };
    assert_eq!(billed_copies(&secret), 3);
    secret.deleted_date = NOW.parse().ok();
    assert_eq!(billed_copies(&secret), 0);
    assert_eq!(billed_copies(&Secret::default()), 1);
}

/// Months that were asked for, and whether AWS still estimates them.
fn cost_explorer(
    starts: &'static [&'static str],
    estimated: bool,
) -> (aws_sdk_costexplorer::Client, aws_smithy_mocks::Rule) {
    let rule = mock!(aws_sdk_costexplorer::Client::get_cost_and_usage)
        .match_requests(move |request| request.time_period().unwrap().start() == starts[0])
        .then_output(move || {
            let value = |amount: &str| MetricValue::builder().amount(amount).unit("USD").build();
            let months = starts.iter().map(|start| {
                let group = Group::builder().keys("x").metrics("UnblendedCost", value("1")).build();
                let period = DateInterval::builder().start(*start).end("2026-12-01").build().unwrap();
                ResultByTime::builder().time_period(period).groups(group).estimated(estimated).build()
            });
            GetCostAndUsageOutput::builder().set_results_by_time(Some(months.collect())).build()
        });
    (mock_client!(aws_sdk_costexplorer, RuleMode::MatchAny, [&rule]), rule)
}

fn bucket() -> Bucket {
    Bucket { name: "b".into(), kms_key: None, owner: None }
}

async fn run(
    world: World,
    months: &'static [&'static str],
    estimated: bool,
    now: &str,
) -> (CostFacts, usize, Vec<String>, World) {
    let (aws, shared) = clients(world);
    let (client, rule) = cost_explorer(months, estimated);
    let aws = aws.with_cost_explorer(client);
    let deadline = Instant::now() + tokio::time::Duration::from_secs(60);
    let facts = gather(&aws, &bucket(), ACCOUNT, now.parse().unwrap(), deadline).await.unwrap();
    let world = std::mem::take(&mut *shared.lock().unwrap());
    let kept = world.objects.keys().cloned().collect();
    (facts, rule.num_calls(), kept, world)
}

#[tokio::test]
async fn only_final_months_are_kept_and_none_is_paid_for_twice() {
    let both = &["2026-09-01", "2026-10-01"][..];
    let (facts, calls, kept, world) = run(World::default(), both, false, "2026-11-04T00:00:00Z").await;
    assert_eq!((facts.months.len(), facts.requests, calls), (2, 1, 1));
    assert_eq!(kept, ["cache/cost/123456789012-2026-09.json"]);
    let world = World { objects: world.objects, ..World::default() };
    let (facts, calls, kept, world) = run(world, &["2026-10-01"], false, "2026-11-05T00:00:00Z").await;
    assert_eq!((facts.months.len(), facts.requests, calls), (2, 1, 1), "only the missing month is asked for");
    assert_eq!(kept.len(), 2);
    let world = World { objects: world.objects, ..World::default() };
    let (facts, calls, ..) = run(world, both, false, "2026-11-30T00:00:00Z").await;
    assert_eq!((facts.months.len(), facts.requests, calls), (2, 0, 0), "all from the cache");
    let (_, _, kept, _) = run(World::default(), both, true, "2026-11-22T00:00:00Z").await;
    assert_eq!(kept, [""; 0], "nothing that AWS still estimates");
}

#[tokio::test]
async fn a_cache_that_fails_costs_a_cent_and_nothing_else() {
    for (operation, code, status) in [("GetObject", "AccessDenied", 403), ("PutObject", "AccessDenied", 403)] {
        let world = World { faults: vec![Fault::of(operation, "cache/", code, status)], ..World::default() };
        let (facts, calls, ..) = run(world, &["2026-09-01", "2026-10-01"], false, NOW).await;
        assert_eq!((facts.months.len(), calls), (2, 1), "{operation}");
    }
    let mut world = World::default();
    world.objects.insert("cache/cost/123456789012-2026-10.json".into(), b"{ half".to_vec());
    let (facts, calls, ..) = run(world, &["2026-09-01", "2026-10-01"], false, NOW).await;
    assert_eq!((facts.months.len(), calls), (2, 1));
}

#[tokio::test]
async fn a_denied_bill_is_a_gap() {
    let denied = mock!(aws_sdk_costexplorer::Client::get_cost_and_usage).then_http_response(|| {
        let body = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        aws_smithy_runtime_api::http::Response::new(400.try_into().unwrap(), body.into())
    });
    let (aws, _) = clients(World::default());
    let aws = aws.with_cost_explorer(mock_client!(aws_sdk_costexplorer, RuleMode::MatchAny, [&denied]));
    let now: Timestamp = NOW.parse().unwrap();
    let deadline = Instant::now() + tokio::time::Duration::from_secs(60);
    let gap = gather(&aws, &bucket(), ACCOUNT, now, deadline).await.unwrap_err();
    assert_eq!((gap.what.as_str(), gap.reason), ("ce:GetCostAndUsage", GapReason::Denied));
}
