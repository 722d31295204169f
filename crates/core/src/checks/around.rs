//! What lies around a secret while it is judged.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Limits;
use crate::model::{Access, Accesses, Gap, GapReason, Reading, Secret, Surroundings};

/// The same for all secrets of a run.
#[derive(Debug)]
pub struct Around<'a> {
    /// Keys, functions, CloudTrail, principals.
    pub surroundings: &'a Surroundings,
    /// What the operator has decided.
    pub limits: &'a Limits,
    /// The estate's.
    pub account: &'a str,
    /// The estate's.
    pub region: &'a str,
    /// The moment that the run speaks of.
    pub now: Timestamp,
    /// The reads of CloudTrail by what they call the secret.
    pub accesses: Reading<AccessIndex<'a>>,
}

impl<'a> Around<'a> {
    /// Puts the accesses in order, once for all secrets.
    pub fn new(
        surroundings: &'a Surroundings,
        limits: &'a Limits,
        (account, region): (&'a str, &'a str),
        now: Timestamp,
    ) -> Self {
        let accesses = surroundings.accesses.as_ref().map(AccessIndex::new).map_err(Clone::clone);
        Self { surroundings, limits, account, region, now, accesses }
    }
}

/// Accesses by secret id, so that ten thousand secrets find theirs at once.
#[derive(Debug)]
pub struct AccessIndex<'a> {
    all: &'a Accesses,
    by_id: BTreeMap<&'a str, Vec<&'a Access>>,
}

impl<'a> AccessIndex<'a> {
    fn new(all: &'a Accesses) -> Self {
        let mut by_id: BTreeMap<&str, Vec<&Access>> = BTreeMap::new();
        for access in &all.entries {
            if let Some(id) = &access.secret_id {
                by_id.entry(id).or_default().push(access);
            }
        }
        Self { all, by_id }
    }

    /// Those of a secret, whether they call it by name, by its whole ARN, or by one without the suffix.
    pub fn of<'b>(&'b self, secret: &'b Secret) -> impl Iterator<Item = &'a Access> + 'b {
        let partial = secret.arn.len().checked_sub(7).and_then(|end| secret.arn.get(..end)).unwrap_or_default();
        let ids = [secret.name.as_str(), secret.arn.as_str(), partial];
        ids.into_iter().filter_map(|id| self.by_id.get(id)).flatten().copied()
    }

    /// From where on the records were really read.
    pub fn from(&self) -> Timestamp {
        self.all.truncated_at.unwrap_or(self.all.from)
    }

    /// Why nothing can be concluded from an access that is not there; `None` if all of the window was read.
    pub fn gap(&self, subject: &str) -> Option<Gap> {
        let gap = |reason, detail: String| Gap {
            what: "cloudtrail:LookupEvents".into(),
            subject: subject.to_owned(),
            reason,
            detail,
        };
        match self.all.truncated_at {
            Some(at) => Some(gap(
                GapReason::Truncated,
                format!("reads were looked up only back to {at}, not to {}", self.all.from),
            )),
            // Not even the canary's read: what is looked at does not hold reads at all.
            None if self.all.entries.is_empty() => {
                Some(gap(GapReason::NoData, format!("{} holds no read of any secret", self.all.read_from)))
            }
            None if self.all.unreadable > 0 => {
                Some(gap(GapReason::Malformed, format!("{} records could not be parsed", self.all.unreadable)))
            }
            None => None,
        }
    }
}
