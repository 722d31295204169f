//! R04, R07, R41: who reads which secret, from where and when; what is unusual in it; and whether CloudTrail can see it.

mod blind;
mod collect;
mod files;
mod gather;
mod judge;
mod report;
mod settings;
mod tables;

use jiff::{SignedDuration, Timestamp};

pub use blind::{KIND as TRAIL_KIND, blind};
pub use files::{FileError, each_record, from_files, is_ours, read_records};
pub use gather::{gather, secrets, trails};
pub use judge::{Answer, Judged, Kind, Known, Unusual, judge, kinds};
pub use report::{Case, report};
pub use settings::{AccessSettings, Hours, Network, Source};
pub use tables::top_sources;

/// IAM actions of [`gather()`], [`trails`] and [`secrets`].
pub const IAM_ACTIONS: &[&str] = &[
    "secretsmanager:ListSecrets",
    "cloudtrail:LookupEvents",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:GetEventSelectors",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "logs:StopQuery",
];

/// Where in a window the part begins that is judged: its last week, or less where the baseline before it would be shorter
/// than a week; its last day at least. A window of a day has no baseline.
pub fn recent_from(from: Timestamp, to: Timestamp) -> Timestamp {
    let (day, week) = (SignedDuration::from_hours(24), SignedDuration::from_hours(7 * 24));
    let recent = (to.duration_since(from) - week).clamp(day, week);
    (to - recent).max(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_part_leaves_a_baseline_of_a_week_where_it_can() {
        let to: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        for (window, recent) in [(1, 1), (2, 1), (7, 1), (8, 1), (9, 2), (13, 6), (14, 7), (30, 7), (90, 7)] {
            assert_eq!(to.duration_since(recent_from(to - days(window), to)), days(recent), "{window} days");
        }
        assert_eq!(recent_from(to - SignedDuration::from_hours(1), to), to - SignedDuration::from_hours(1));
    }
}
