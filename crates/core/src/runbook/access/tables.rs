//! Figures about reads: who, from where, with what, at which hours.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::judge::{Target, View, clean, few};
use crate::model::{Accesses, Table, Text};

/// Rows of a table that grows with the estate; the rest is in CloudTrail.
const MOST_ROWS: usize = 500;

/// R07: the sources with the most reads, addresses and AWS services together.
pub fn top_sources(accesses: &Accesses, most: usize) -> Table {
    #[derive(Default)]
    struct Sum<'a> {
        reads: u64,
        failed: u64,
        principals: BTreeSet<&'a str>,
        last: Option<Timestamp>,
    }
    let mut sums: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for access in &accesses.entries {
        let sum = sums.entry(access.source.as_deref().unwrap_or("?")).or_default();
        sum.reads += access.count;
        sum.failed += if access.error.is_some() { access.count } else { 0 };
        sum.principals.insert(&access.principal);
        sum.last = sum.last.max(Some(access.at));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    // Of equals, the first by name: the sort is stable.
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.reads));
    let rows = sums.into_iter().take(most).map(|(source, sum)| {
        let principals = few(sum.principals.iter().copied());
        vec![clean(source), sum.reads.to_string(), sum.failed.to_string(), principals, when(sum.last)]
    });
    Table {
        id: "top-sources",
        title: Text::new(format!("取得元 上位 {most} 件"), format!("The {most} busiest sources")),
        columns: vec![
            Text::fixed("送信元", "Source"),
            Text::fixed("取得", "Reads"),
            Text::fixed("うち失敗", "Failed"),
            Text::fixed("主体", "Principals"),
            Text::fixed("最終", "Last"),
        ],
        rows: rows.collect(),
    }
}

/// What one principal did with one secret.
#[derive(Default)]
struct Use<'a> {
    reads: u64,
    failed: u64,
    sources: BTreeSet<&'a str>,
    agents: BTreeSet<&'a str>,
    hours: BTreeSet<i8>,
    last: Option<Timestamp>,
}

/// Principal by secret, the busiest first; and, apart, what was asked for that no listed secret is.
pub(super) fn uses(view: &View<'_>, zone: &TimeZone) -> [Table; 2] {
    let mut uses: BTreeMap<(Target<'_>, &str), Use<'_>> = BTreeMap::new();
    for read in view.past.iter().chain(&view.recent) {
        let access = read.access;
        let sum = uses.entry((read.target, &access.principal)).or_default();
        sum.reads += access.count;
        sum.failed += if access.error.is_some() { access.count } else { 0 };
        sum.sources.extend(access.source.as_deref());
        sum.agents.extend(access.user_agent.as_deref());
        sum.hours.insert(access.at.to_zoned(zone.clone()).hour());
        sum.last = sum.last.max(Some(access.at));
    }
    let mut uses: Vec<_> = uses.into_iter().collect();
    uses.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.reads));
    let (known, strangers): (Vec<_>, Vec<_>) =
        uses.into_iter().partition(|((target, _), _)| matches!(target, Target::Secret(_)));
    [
        table(view, "readers", "シークレット別の取得主体", "Who reads which secret", known),
        table(view, "unknown-ids", "一覧にないシークレットの取得", "Reads of what no listed secret is", strangers),
    ]
}

type Row<'a> = ((Target<'a>, &'a str), Use<'a>);

fn table(view: &View<'_>, id: &'static str, ja: &'static str, en: &'static str, uses: Vec<Row<'_>>) -> Table {
    let title = match uses.len() {
        all if all > MOST_ROWS => {
            Text::new(format!("{ja}（{all} 行中 {MOST_ROWS} 行）"), format!("{en} ({MOST_ROWS} of {all} rows)"))
        }
        _ => Text::fixed(ja, en),
    };
    let rows = uses.into_iter().take(MOST_ROWS).map(|((target, principal), sum)| {
        vec![
            view.told(target).0,
            clean(principal),
            sum.reads.to_string(),
            sum.failed.to_string(),
            few(sum.sources),
            few(sum.agents),
            spans(&sum.hours),
            when(sum.last),
        ]
    });
    Table {
        id,
        title,
        columns: vec![
            Text::fixed("シークレット", "Secret"),
            Text::fixed("主体", "Principal"),
            Text::fixed("取得", "Reads"),
            Text::fixed("うち失敗", "Failed"),
            Text::fixed("送信元", "Sources"),
            Text::fixed("ユーザーエージェント", "User agents"),
            Text::fixed("時間帯", "Hours"),
            Text::fixed("最終", "Last"),
        ],
        rows: rows.collect(),
    }
}

/// Hours of the day as spans: `0, 8-10`.
fn spans(hours: &BTreeSet<i8>) -> String {
    let mut spans: Vec<(i8, i8)> = Vec::new();
    for hour in hours {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *hour => *last = *hour,
            _ => spans.push((*hour, *hour)),
        }
    }
    let told = |(first, last): (i8, i8)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    spans.into_iter().map(told).collect::<Vec<_>>().join(", ")
}

fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_told_in_spans() {
        for (hours, want) in [(&[][..], ""), (&[0], "0"), (&[0, 8, 9, 10], "0, 8-10"), (&[22, 23], "22-23")] {
            assert_eq!(spans(&hours.iter().copied().collect()), want);
        }
    }
}
