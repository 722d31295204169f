//! Quotas as AWS has them: families of operations that share a token bucket, which holds one second's worth.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The families, and what has been asked of them.
#[derive(Debug)]
pub(crate) struct Quotas {
    enforced: bool,
    speed: f64,
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    quota: f64,
    tokens: f64,
    filled: Instant,
    calls: u64,
    throttled: u64,
    /// The last second's calls, and the most that any second had.
    recent: VecDeque<Instant>,
    most: usize,
}

/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>
fn family(operation: &str) -> Option<(&'static str, f64)> {
    Some(match operation {
        "ListSecrets" => ("ListSecrets", 100.0),
        "GetResourcePolicy" | "PutResourcePolicy" | "DeleteResourcePolicy" | "ValidateResourcePolicy" => {
            ("ResourcePolicy", 50.0)
        }
        "ListSecretVersionIds" => ("ListSecretVersionIds", 50.0),
        "CreateSecret" => ("CreateSecret", 50.0),
        "DescribeSecret" => ("DescribeSecret", 40_000.0),
        _ => return None,
    })
}

impl Quotas {
    pub(crate) fn new(enforced: bool, speed: f64) -> Self {
        Self { enforced, speed, families: BTreeMap::new() }
    }

    /// Whether the call may be made. One that is refused costs no token.
    pub(crate) fn admits(&mut self, operation: &str) -> bool {
        let Some((name, quota)) = family(operation) else { return true };
        let now = Instant::now();
        let family = self.families.entry(name).or_insert_with(|| Family::new(quota, now));
        let admitted = family.take(now, self.speed) || !self.enforced;
        if admitted {
            family.count(now, self.speed);
        } else {
            family.throttled += 1;
        }
        admitted
    }

    pub(crate) fn figures(&self) -> Value {
        let figures = self.families.iter().map(|(name, family)| {
            let told = json!({"calls": family.calls, "throttled": family.throttled, "most_in_a_second": family.most});
            ((*name).to_owned(), told)
        });
        Value::Object(figures.collect())
    }
}

impl Family {
    fn new(quota: f64, now: Instant) -> Self {
        Self { quota, tokens: quota, filled: now, calls: 0, throttled: 0, recent: VecDeque::new(), most: 0 }
    }

    fn take(&mut self, now: Instant, speed: f64) -> bool {
        let gained = now.duration_since(self.filled).as_secs_f64() * speed * self.quota;
        self.tokens = (self.tokens + gained).min(self.quota);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    fn count(&mut self, now: Instant, speed: f64) {
        self.calls += 1;
        let second = Duration::from_secs_f64(1.0 / speed);
        while self.recent.front().is_some_and(|first| now.duration_since(*first) >= second) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.most = self.most.max(self.recent.len());
    }
}
