//! `cron(0 hours day-of-month month day-of-week *)`.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::digits;

/// The starts that an expression means. Bit n of a set stands for the number n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    hours: u32,
    months: u32,
    days: Days,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth {
        days: u32,
        last: bool,
    },
    /// 1 is Sunday.
    OfWeek {
        days: u32,
        /// Day of the week, and which one of the month, from 1.
        numbered: Vec<(u32, i8)>,
        /// Those of which the last of the month is meant.
        last: u32,
    },
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEK: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What a field may hold.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// Of the numbers from `first` on.
    names: &'static [&'static str],
}

const HOURS: Field = Field { name: "hours", first: 0, last: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { name: "day-of-month", first: 1, last: 31, names: &[] };
const MONTH: Field = Field { name: "month", first: 1, last: 12, names: MONTHS };
const DAY_OF_WEEK: Field = Field { name: "day-of-week", first: 1, last: 7, names: WEEK };

/// 29 February may be eight years away.
const LONGEST_SEARCH: i32 = 8 * 366;

impl Cron {
    /// The six fields.
    pub(super) fn parse(fields: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("cron({fields}): {what}"));
        let parts: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = parts.as_slice() else {
            return wrong("there must be six fields");
        };
        if *minutes != "0" {
            return wrong("minutes must be 0");
        }
        if *year != "*" {
            return wrong("year must be *");
        }
        let told = |error: String| format!("cron({fields}): {error}");
        let days = match (*day_of_month, *day_of_week) {
            ("?", "?") => return wrong("day-of-month and day-of-week cannot both be ?"),
            // The user guide's own example has `*` where `?` is meant.
            (other, "?") | (other, "*") if other != "?" => of_month(other).map_err(told)?,
            ("?" | "*", other) => of_week(other).map_err(told)?,
            _ => return wrong("one of day-of-month and day-of-week must be ?"),
        };
        Ok(Self { hours: HOURS.set(hours).map_err(told)?, months: MONTH.set(month).map_err(told)?, days })
    }

    /// Whether several windows open in one day.
    pub(super) fn is_hourly(&self) -> bool {
        self.hours.count_ones() > 1
    }

    /// The first start after `at`.
    pub(super) fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let mut day = TimeZone::UTC.to_datetime(at).date();
        for _ in 0..LONGEST_SEARCH {
            if self.has(day) {
                let start = self.starts(day).find(|start| *start > at);
                if start.is_some() {
                    return start;
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The last start of `at`'s own day that is not after it: no window outlasts its day.
    pub(super) fn begun(&self, at: Timestamp) -> Option<Timestamp> {
        let day = TimeZone::UTC.to_datetime(at).date();
        if self.has(day) { self.starts(day).take_while(|start| *start <= at).last() } else { None }
    }

    fn starts(&self, day: Date) -> impl Iterator<Item = Timestamp> {
        let hours = self.hours;
        let hours = (0..24_i8).filter(move |hour| hours & (1 << hour) != 0);
        hours.filter_map(move |hour| TimeZone::UTC.to_timestamp(day.at(hour, 0, 0, 0)).ok())
    }

    fn has(&self, day: Date) -> bool {
        if self.months & (1 << day.month()) == 0 {
            return false;
        }
        match &self.days {
            Days::OfMonth { days, last } => days & (1 << day.day()) != 0 || (*last && day.day() == day.days_in_month()),
            Days::OfWeek { days, numbered, last } => {
                let of_week = u32::from(day.weekday().to_sunday_one_offset().unsigned_abs());
                let bit = 1_u32 << of_week;
                let number = (day.day() - 1) / 7 + 1;
                days & bit != 0
                    || numbered.contains(&(of_week, number))
                    || (last & bit != 0 && day.day() + 7 > day.days_in_month())
            }
        }
    }
}

fn of_month(text: &str) -> Result<Days, String> {
    let (mut days, mut last) = (0, false);
    for part in text.split(',') {
        if part == "L" {
            last = true;
        } else {
            days |= DAY_OF_MONTH.part(part)?;
        }
    }
    Ok(Days::OfMonth { days, last })
}

fn of_week(text: &str) -> Result<Days, String> {
    let (mut days, mut numbered, mut last) = (0, Vec::new(), 0);
    for part in text.split(',') {
        if part == "L" {
            // The last day of the week.
            days |= 1 << DAY_OF_WEEK.last;
        } else if let Some((day, number)) = part.split_once('#') {
            let number = digits(number).and_then(|number| i8::try_from(number).ok());
            let number = number.filter(|number| (1..=5).contains(number)).ok_or_else(|| DAY_OF_WEEK.wrong(part))?;
            numbered.push((DAY_OF_WEEK.number(day)?, number));
        } else if let Some(day) = part.strip_suffix('L') {
            last |= 1 << DAY_OF_WEEK.number(day)?;
        } else {
            days |= DAY_OF_WEEK.part(part)?;
        }
    }
    Ok(Days::OfWeek { days, numbered, last })
}

impl Field {
    fn wrong(&self, text: &str) -> String {
        format!("{text:?} is no {}", self.name)
    }

    /// A list of parts.
    fn set(&self, text: &str) -> Result<u32, String> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    /// `*`, `3`, `3-5`, and each with `/2` behind it; `3/2` goes on to the end.
    fn part(&self, text: &str) -> Result<u32, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => {
                let step = digits(step).and_then(|step| u32::try_from(step).ok()).filter(|step| *step > 0);
                (range, Some(step.ok_or_else(|| self.wrong(text))?))
            }
            None => (text, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if step.is_some() => (self.number(range)?, self.last),
            None => (self.number(range)?, self.number(range)?),
        };
        if from > to {
            return Err(self.wrong(text));
        }
        let step = usize::try_from(step.unwrap_or(1)).map_err(|_| self.wrong(text))?;
        Ok((from..=to).step_by(step).fold(0, |set, number| set | 1 << number))
    }

    /// A number, or its name in whatever case.
    fn number(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().zip(self.first..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        let number = named.map(|(_, number)| number).or_else(|| digits(text).and_then(|n| u32::try_from(n).ok()));
        number.filter(|number| (self.first..=self.last).contains(number)).ok_or_else(|| self.wrong(text))
    }
}
