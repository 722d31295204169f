//! When Secrets Manager plans to rotate: days, `rate()` and `cron()`, and the window after each planned start.
//!
//! The dialect is Secrets Manager's own ("Schedule expressions in Secrets Manager rotation" in its user guide, and
//! RotationRulesType in the SDK): UTC, six fields of which the first is `0` and the last `*`, `?`, `L`, `SUNL` and `SUN#1`,
//! beside `rate()` and a window that ends with the day. Crates for cron speak Vixie's, Quartz's or EventBridge's, know
//! neither `rate()` nor windows, and bring a second library of dates; so it is parsed here.

mod cron;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::RotationRules;
use cron::Cron;

/// When rotation is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    rhythm: Rhythm,
    /// Hours that a window stays open; absent: until midnight, or for one hour where the rhythm is one of hours.
    open_for: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rhythm {
    Days(i64),
    Hours(i64),
    Cron(Cron),
}

/// A span in which Secrets Manager rotates, at any moment of its own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Schedule {
    /// Understands a secret's rules; `None` where they say nothing of when.
    ///
    /// # Errors
    /// What is wrong with an expression or a duration. AWS accepts none that is, so that it is rather ours to mend.
    pub fn of(rules: &RotationRules) -> Result<Option<Self>, String> {
        let rhythm = match (&rules.schedule_expression, rules.automatically_after_days) {
            (Some(expression), _) => parse(expression)?,
            (None, Some(days)) if (1..=1000).contains(&days) => Rhythm::Days(days),
            (None, Some(days)) => return Err(format!("AutomaticallyAfterDays is {days}, not 1 to 1000")),
            (None, None) => return Ok(None),
        };
        let open_for = rules.duration.as_deref().map(hours).transpose()?;
        Ok(Some(Self { rhythm, open_for }))
    }

    /// The first window that opens for the rotation after one that happened at `last`; `None` where the expression means
    /// a day that never comes, such as 30 February.
    ///
    /// Secrets Manager does not say where the windows of a rate in hours lie that does not divide the day; here they
    /// are counted from the full hour of `last`.
    pub fn after(&self, last: Timestamp) -> Option<Window> {
        let start = match &self.rhythm {
            Rhythm::Days(days) => midnight(last)?.checked_add(SignedDuration::from_hours(days * 24)).ok()?,
            Rhythm::Hours(every) => self.begun(last, *every)?.checked_add(SignedDuration::from_hours(*every)).ok()?,
            Rhythm::Cron(cron) => cron.next(last)?,
        };
        self.window(start)
    }

    /// The end of the window in which `at` lies, or `at` itself where it lies in none.
    pub fn closing(&self, at: Timestamp) -> Timestamp {
        let start = match &self.rhythm {
            Rhythm::Days(_) => midnight(at),
            Rhythm::Hours(every) => self.begun(at, *every),
            Rhythm::Cron(cron) => cron.begun(at),
        };
        let window = start.and_then(|start| self.window(start));
        window.filter(|window| at < window.end).map_or(at, |window| window.end)
    }

    /// The start of the window of a rate in hours that was the last to open before `at`, or at it.
    fn begun(&self, at: Timestamp, every: i64) -> Option<Timestamp> {
        let midnight = midnight(at)?;
        let hour = at.duration_since(midnight).as_hours();
        let step = if 24 % every == 0 { every } else { 1 };
        midnight.checked_add(SignedDuration::from_hours(hour / step * step)).ok()
    }

    fn window(&self, start: Timestamp) -> Option<Window> {
        let hourly = match &self.rhythm {
            Rhythm::Days(_) => false,
            Rhythm::Hours(_) => true,
            Rhythm::Cron(cron) => cron.is_hourly(),
        };
        let from = |base: Timestamp, hours: i64| base.checked_add(SignedDuration::from_hours(hours)).ok();
        let end = match self.open_for {
            Some(hours) => from(start, hours)?,
            None if hourly => from(start, 1)?,
            None => from(midnight(start)?, 24)?,
        };
        Some(Window { start, end })
    }
}

/// The beginning of the day in UTC, in which Secrets Manager plans.
fn midnight(at: Timestamp) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(TimeZone::UTC.to_datetime(at).date().at(0, 0, 0, 0)).ok()
}

fn parse(expression: &str) -> Result<Rhythm, String> {
    let inner = |name: &str| {
        expression
            .trim()
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('('))
            .and_then(|rest| rest.strip_suffix(')'))
    };
    match (inner("rate"), inner("cron")) {
        (Some(rate), _) => parse_rate(rate),
        (_, Some(fields)) => Cron::parse(fields).map(Rhythm::Cron),
        _ => Err(format!("the schedule {expression:?} is neither rate(..) nor cron(..)")),
    }
}

/// At least four hours, at most a thousand days.
fn parse_rate(rate: &str) -> Result<Rhythm, String> {
    let wrong = || format!("rate({rate}) is not a number of hours from 4 on, or of days from 1 to 1000");
    let mut words = rate.split_whitespace();
    let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else { return Err(wrong()) };
    let number = digits(number).ok_or_else(wrong)?;
    match unit {
        "day" | "days" if (1..=1000).contains(&number) => Ok(Rhythm::Days(number)),
        "hour" | "hours" if (4..=24_000).contains(&number) => Ok(Rhythm::Hours(number)),
        _ => Err(wrong()),
    }
}

/// Such as `3h`.
fn hours(duration: &str) -> Result<i64, String> {
    let hours = duration.strip_suffix('h').and_then(digits).filter(|hours| (1..=24).contains(hours));
    hours.ok_or_else(|| format!("the duration {duration:?} is not 1h to 24h"))
}

/// A number without a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
