//! Plan, approve, apply: how anything of the estate is changed.
//!
//! A plan is a file that a person reads and approves by its hash. Each step holds what it found and what it wants, so
//! that applying it can tell "as planned", "done already" and "changed since" apart, however often it was cut off
//! before. The journal beside it records what was begun and what came of it.

mod journal;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use journal::{Entry, Journal, State};

use super::once::hex;

/// How long a plan may be applied: the estate moves on, and so do the reasons for the plan.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Characters of the hash that a person types at least.
pub const LEAST_APPROVAL: usize = 8;

/// What is going to be changed, by whom, where and until when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<S, C> {
    /// `secrets-ops/<kind>-plan/v1`.
    pub schema: String,
    /// SHA-256 of all the rest, in lower-case hexadecimal.
    pub hash: String,
    /// The ARN of the one who made it.
    pub author: String,
    /// The only account that it may be applied to.
    pub account: String,
    /// The only Region that it may be applied to.
    pub region: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// What this kind of plan needs besides: where it comes from, what it leaves to a person.
    pub context: C,
    /// In the order of their numbers.
    pub steps: Vec<S>,
}

/// Who plans or applies, and where.
#[derive(Clone, Debug)]
pub struct Place {
    /// The ARN of the caller.
    pub caller: String,
    /// The account that the credentials belong to.
    pub account: String,
    /// The Region of the clients.
    pub region: String,
}

/// Why a plan is refused. Nothing has been done then.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON, or not the JSON of a plan.
    #[error("this is not a plan of this kind: {0}")]
    NotAPlan(String),
    /// A later version, or another kind.
    #[error("its schema is {got:?}; this command applies {wanted}")]
    OtherSchema {
        /// In the file.
        got: String,
        /// What this command knows.
        wanted: &'static str,
    },
    /// Somebody or something has changed the file.
    #[error("it was altered after it was made: its hash is {wanted}, its content has {got}. Make a new plan")]
    Altered {
        /// Of the content.
        got: String,
        /// In the file.
        wanted: String,
    },
    /// Another account or Region.
    #[error("it was made for {wanted}; these credentials and options lead to {got}")]
    Elsewhere {
        /// Here.
        got: String,
        /// There.
        wanted: String,
    },
    /// Too old.
    #[error("it expired at {0}. Make a new plan, since the estate may have changed")]
    Expired(Timestamp),
    /// Not approved by its hash.
    #[error("not approved: the plan's hash is {wanted}, {got:?} was given")]
    NotApproved {
        /// What was typed.
        got: String,
        /// The plan's.
        wanted: String,
    },
}

impl<S: Serialize + DeserializeOwned, C: Serialize + DeserializeOwned> Plan<S, C> {
    /// Makes a plan and seals it with its hash.
    pub fn new(schema: &'static str, place: &Place, now: Timestamp, context: C, steps: Vec<S>) -> Self {
        let mut plan = Self {
            schema: schema.to_owned(),
            hash: String::new(),
            author: place.caller.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            created: now,
            expires: now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX),
            context,
            steps,
        };
        plan.hash = plan.digest();
        plan
    }

    /// Reads a plan back.
    ///
    /// # Errors
    /// For anything that is not, to the byte of its content, what [`Plan::new`] sealed.
    pub fn read(json: &[u8], schema: &'static str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let not_a_plan = |error: serde_json::Error| PlanError::NotAPlan(error.to_string());
        let head: Head = serde_json::from_slice(json).map_err(not_a_plan)?;
        if head.schema != schema {
            return Err(PlanError::OtherSchema { got: head.schema, wanted: schema });
        }
        let plan: Self = serde_json::from_slice(json).map_err(not_a_plan)?;
        let got = plan.digest();
        if got == plan.hash { Ok(plan) } else { Err(PlanError::Altered { got, wanted: plan.hash }) }
    }

    /// The plan as the file that people keep.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and dates only: this cannot fail; an empty file would not be taken for a plan.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Whether it may be applied here and now.
    pub fn check(&self, place: &Place, now: Timestamp) -> Result<(), PlanError> {
        if (&self.account, &self.region) != (&place.account, &place.region) {
            return Err(PlanError::Elsewhere {
                got: format!("account {} in {}", place.account, place.region),
                wanted: format!("account {} in {}", self.account, self.region),
            });
        }
        if now >= self.expires { Err(PlanError::Expired(self.expires)) } else { Ok(()) }
    }

    /// Whether what a person typed approves this plan: its hash, or the beginning of it.
    pub fn approve(&self, typed: &str) -> Result<(), PlanError> {
        let typed = typed.trim().to_ascii_lowercase();
        if typed.len() >= LEAST_APPROVAL && self.hash.starts_with(&typed) {
            return Ok(());
        }
        Err(PlanError::NotApproved { got: typed, wanted: self.hash.clone() })
    }

    fn digest(&self) -> String {
        #[derive(Serialize)]
        struct Rest<'a, S, C> {
            schema: &'a str,
            author: &'a str,
            account: &'a str,
            region: &'a str,
            created: Timestamp,
            expires: Timestamp,
            context: &'a C,
            steps: &'a [S],
        }
        let Self { schema, author, account, region, created, expires, context, steps, .. } = self;
        let rest = Rest {
            schema,
            author,
            account,
            region,
            created: *created,
            expires: *expires,
            context,
            steps: steps.as_slice(),
        };
        hex(&Sha256::digest(serde_json::to_vec(&rest).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sample = Plan<String, u32>;
    const SCHEMA: &str = "secrets-ops/sample-plan/v1";

    fn place(account: &str, region: &str) -> Place {
        Place { caller: "arn:aws:iam::1:user/u".into(), account: account.into(), region: region.into() }
    }

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn sample() -> Sample {
        Plan::new(SCHEMA, &place("1", "r"), now(), 7, vec!["first".into(), "second".into()])
    }

    #[test]
    fn every_altered_byte_is_refused() {
        let json = sample().to_json();
        assert_eq!(Sample::read(&json, SCHEMA).unwrap(), sample());
        let mut refused = 0;
        for index in 0..json.len() {
            let mut altered = json.clone();
            altered[index] = if altered[index] == b'1' { b'2' } else { b'1' };
            match Sample::read(&altered, SCHEMA) {
                // White space between the fields is not content.
                Ok(plan) => assert_eq!(plan, sample(), "byte {index}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 300, "{refused}");
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said() {
        let json = String::from_utf8(sample().to_json()).unwrap();
        let read = |text: &str| Sample::read(text.as_bytes(), SCHEMA).unwrap_err().to_string();
        assert!(read("{").starts_with("this is not a plan of this kind: "));
        assert_eq!(
            read(&json.replace("plan/v1", "plan/v2")),
            r#"its schema is "secrets-ops/sample-plan/v2"; this command applies secrets-ops/sample-plan/v1"#
        );
        assert!(read(&json.replace("second", "third")).starts_with("it was altered after it was made: its hash is "));
        assert_eq!(
            sample().check(&place("2", "r"), now()).unwrap_err().to_string(),
            "it was made for account 1 in r; these credentials and options lead to account 2 in r"
        );
        assert!(sample().check(&place("1", "s"), now()).is_err());
        let end = now() + LIFETIME;
        assert!(sample().check(&place("1", "r"), end - SignedDuration::from_millis(1)).is_ok());
        assert_eq!(
            sample().check(&place("1", "r"), end).unwrap_err().to_string(),
            "it expired at 2026-11-23T00:00:00Z. Make a new plan, since the estate may have changed"
        );
    }

    #[test]
    fn approval_is_the_hash_or_eight_characters_of_it() {
        let plan = sample();
        assert!(plan.approve(&plan.hash).is_ok());
        assert!(plan.approve(&format!(" {}\n", plan.hash[..8].to_uppercase())).is_ok());
        assert!(plan.approve(&plan.hash[..7]).is_err());
        assert!(plan.approve("").is_err());
        assert!(plan.approve("00000000").is_err());
        assert!(plan.approve(&format!("{}0", plan.hash)).is_err());
    }
}
