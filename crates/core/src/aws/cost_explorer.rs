//! Cost Explorer: what Secrets Manager cost. Every request costs USD 0.01.

use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, Group, GroupDefinition, GroupDefinitionType,
};
use jiff::civil::Date;

use super::{Aws, AwsError};
use crate::model::{Bill, BillLine};

/// The bills of the months in `[from, to)`, both the first day of a month, by usage type; and how many requests it took.
///
/// The service has one endpoint for all Regions, and its figures lie behind by up to a day.
pub async fn bills(aws: &Aws, from: Date, to: Date) -> Result<(Vec<Bill>, u64), AwsError> {
    let service = DimensionValues::builder().key(Dimension::Service).values("AWS Secrets Manager").build();
    let by_usage_type = GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key("USAGE_TYPE").build();
    let mut bills: Vec<Bill> = Vec::new();
    let (mut token, mut requests) = (None, 0);
    loop {
        let page = aws
            .cost_explorer()
            .get_cost_and_usage()
            .set_time_period(DateInterval::builder().start(from.to_string()).end(to.to_string()).build().ok())
            .granularity(Granularity::Monthly)
            .filter(Expression::builder().dimensions(service.clone()).build())
            .group_by(by_usage_type.clone())
            .metrics("UnblendedCost")
            .metrics("UsageQuantity")
            .set_next_page_token(token)
            .send()
            .await
            .map_err(|error| AwsError::new("ce:GetCostAndUsage", error))?;
        requests += 1;
        for result in page.results_by_time.unwrap_or_default() {
            let start = result.time_period.map(|period| period.start).unwrap_or_default();
            let month = start.get(..7).unwrap_or_default();
            let lines = result.groups.unwrap_or_default().into_iter().map(line);
            match bills.iter_mut().find(|bill| bill.month == month) {
                Some(bill) => bill.lines.extend(lines),
                None => {
                    bills.push(Bill { month: month.to_owned(), estimated: result.estimated, lines: lines.collect() })
                }
            }
        }
        token = page.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            bills.sort_by(|a, b| a.month.cmp(&b.month));
            return Ok((bills, requests));
        }
    }
}

fn line(group: Group) -> BillLine {
    let mut metrics = group.metrics.unwrap_or_default();
    let cost = metrics.remove("UnblendedCost");
    let quantity = metrics.remove("UsageQuantity");
    BillLine {
        usage_type: group.keys.unwrap_or_default().into_iter().next().unwrap_or_default(),
        currency: cost.as_ref().and_then(|cost| cost.unit.clone()).unwrap_or_default(),
        cost: cost.and_then(|cost| cost.amount).unwrap_or_default(),
        quantity: quantity.and_then(|quantity| quantity.amount).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
