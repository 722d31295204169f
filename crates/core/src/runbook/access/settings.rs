//! Where reads are looked up, and what is usual.

use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::settings::{self, Reader, SettingError};

/// Where reads are looked up, and what is usual.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// Where they are looked up.
    pub source: Source,
    /// How far back.
    pub days: i64,
    /// Where reads may come from; empty: from where they came before.
    pub networks: Vec<Network>,
    /// When people may read.
    pub hours: Hours,
    /// The most reads by one principal in five minutes, where it has no past to go by.
    pub burst_calls: u64,
    /// LookupEvents pages of 50 events.
    pub lookup_pages: usize,
}

/// Where reads are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// CloudTrail LookupEvents.
    Lookup,
    /// Logs Insights on this log group, to which a trail delivers.
    Insights(String),
}

impl AccessSettings {
    /// Reads them.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let reader = Reader::new(get)?;
        let source = reader.checked(settings::ACCESS_SOURCE, |value| value == "lookup" || value == "insights")?;
        let networks = reader.items(settings::NETWORKS, |value| value.parse::<Network>().is_ok())?;
        Ok(Self {
            source: match source.as_str() {
                "insights" => Source::Insights(reader.text(settings::TRAIL_LOG_GROUP)),
                _ => Source::Lookup,
            },
            days: reader.parsed(settings::ACCESS_DAYS, |days| (2..=90).contains(days))?,
            networks: networks.iter().filter_map(|text| text.parse().ok()).collect(),
            hours: reader.parsed(settings::BUSINESS_HOURS, |_| true)?,
            burst_calls: reader.parsed(settings::BURST, |calls| (1..=1_000_000).contains(calls))?,
            lookup_pages: reader.parsed(settings::LOOKUP_PAGES, |pages| (1..=1500).contains(pages))?,
        })
    }
}

/// A network such as `203.0.113.0/24`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

impl Network {
    /// The network of that length around an address; an IPv4 address inside IPv6 counts as what it is.
    pub fn around(address: IpAddr, length: u8) -> Self {
        let first = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or_default();
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or_default();
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Self { first, length }
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Self::around(address, self.length) == *self
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, rest)| (address, Some(rest)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(longest), str::parse).map_err(|_| ())?;
        if length > longest { Err(()) } else { Ok(Self::around(address, length)) }
    }
}

/// A span of the day, Monday to Friday; its end is outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight.
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether the moment is inside, by the clock of the zone.
    pub fn contain(self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = at.to_zoned(zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        !weekend && (i32::from(self.from)..i32::from(self.to)).contains(&minute)
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [from, to] = [self.from, self.to].map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60));
        write!(f, "{from}-{to}")
    }
}

impl FromStr for Hours {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let valid = minute < 60 && hour * 60 + minute <= 24 * 60 && hour <= 24;
            valid.then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or(())?;
        match (minutes(from), minutes(to)) {
            (Some(from), Some(to)) if from < to => Ok(Self { from, to }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (network, address, want) in [
            ("203.0.113.0/24", "203.0.113.0", true),
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.0/24", "203.0.112.255", false),
            ("203.0.113.77/24", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.10", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8:1::/48", "2001:db8:1:ffff::1", true),
            ("2001:db8:1::/48", "2001:db8:2::1", false),
            ("192.0.2.0/31", "::ffff:192.0.2.1", true),
            ("192.0.2.0/31", "::ffff:192.0.2.2", false),
        ] {
            let (parsed, address): (Network, IpAddr) = (network.parse().unwrap(), address.parse().unwrap());
            assert_eq!(parsed.contains(address), want, "{network} {address}");
        }
        for bad in ["", "x", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24", "/8"] {
            assert_eq!(bad.parse::<Network>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn hours_end_before_their_last_minute_and_know_the_zone() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let hours: Hours = "08:00-20:00".parse().unwrap();
        for (at, want) in [
            ("2026-11-19T22:59:59Z", false), // Friday 07:59 in Tokyo
            ("2026-11-19T23:00:00Z", true),
            ("2026-11-20T10:59:59Z", true),
            ("2026-11-20T11:00:00Z", false),
            ("2026-11-20T23:00:00Z", false), // Saturday
            ("2026-11-22T05:00:00Z", false), // Sunday
            ("2026-11-22T23:00:00Z", true),  // Monday 08:00
        ] {
            assert_eq!(hours.contain(at.parse().unwrap(), &zone), want, "{at}");
        }
        assert!("00:00-24:00".parse::<Hours>().unwrap().contain("2026-11-20T14:59:59Z".parse().unwrap(), &zone));
        for bad in ["", "8-20", "20:00-08:00", "08:00-08:00", "08:60-20:00", "08:00-24:01", "08:00", "99:00-99:01"] {
            assert_eq!(bad.parse::<Hours>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn settings_are_read_and_wrong_ones_named() {
        let read = |name: &'static str, value: &'static str| {
            AccessSettings::read(&move |asked| (asked == name).then(|| value.to_owned()))
        };
        let usual = read("", "").unwrap();
        assert_eq!((usual.source, usual.days, usual.burst_calls, usual.lookup_pages), (Source::Lookup, 30, 100, 40));
        assert_eq!((usual.networks.len(), usual.hours.to_string().as_str()), (0, "08:00-20:00"));
        let insights = read("SECRETS_OPS_ACCESS_SOURCE", "insights").unwrap();
        assert_eq!(insights.source, Source::Insights("/aws/cloudtrail".into()));
        for (name, good, bad) in [
            ("SECRETS_OPS_ACCESS_SOURCE", "lookup", "athena"),
            ("SECRETS_OPS_ACCESS_DAYS", "2", "1"),
            ("SECRETS_OPS_ACCESS_DAYS", "90", "91"),
            ("SECRETS_OPS_NETWORKS", "192.0.2.0/24, 2001:db8::/32", "192.0.2.0/24,office"),
            ("SECRETS_OPS_BUSINESS_HOURS", "09:30-17:45", "17:00-09:00"),
        ] {
            assert!(read(name, good).is_ok(), "{name}={good}");
            assert_eq!(read(name, bad).unwrap_err().name, name);
        }
    }
}
