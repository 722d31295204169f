//! The account's users, roles and policies, and what IAM's own simulation says of them: all that is needed to say who can
//! read which secret, and to say it again later without a call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Gap, Reading, unread};

/// Users, roles and the policies that they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identities {
    /// Users and roles, by ARN.
    pub principals: BTreeMap<String, Principal>,
    /// Groups, by name.
    pub groups: BTreeMap<String, Attached>,
    /// The version in force of each managed policy, by ARN, as JSON.
    pub managed: BTreeMap<String, String>,
}

/// A user or a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Without its path.
    pub name: String,
    /// Its own policies.
    #[serde(flatten)]
    pub attached: Attached,
    /// Names of a user's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The ARN of the managed policy that bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
}

/// The policies of a user, a role or a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Inline policies, by name, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed: Vec<String>,
}

/// How IAM's simulation ended for one action on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed by identity policies, boundary and organization together.
    Allowed,
    /// Nothing allows it.
    Silent,
    /// The boundary does not allow it.
    Bounded,
    /// The organization does not allow it, for this resource or for another one of the same call.
    Organization,
    /// A statement denies it.
    Denied,
    /// IAM gave no answer, or one that is not documented.
    NoAnswer,
}

/// One answer of the simulation. Kept as a letter, because there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// How it ended.
    pub verdict: Verdict,
    /// Whether policies ask for condition keys that the simulation was not told.
    pub missing: bool,
}

const LETTERS: [(char, Verdict); 6] = [
    ('a', Verdict::Allowed),
    ('s', Verdict::Silent),
    ('b', Verdict::Bounded),
    ('o', Verdict::Organization),
    ('d', Verdict::Denied),
    ('n', Verdict::NoAnswer),
];

impl Simulated {
    /// The letter that stands for it: a capital where condition keys were missing.
    pub fn letter(self) -> char {
        let letter = LETTERS.iter().find(|(_, verdict)| *verdict == self.verdict).map_or('n', |(letter, _)| *letter);
        if self.missing { letter.to_ascii_uppercase() } else { letter }
    }

    /// What a letter stands for.
    pub fn of_letter(letter: char) -> Option<Self> {
        let small = letter.to_ascii_lowercase();
        let (_, verdict) = LETTERS.iter().find(|(known, _)| *known == small)?;
        Some(Self { verdict: *verdict, missing: letter != small })
    }
}

/// What was learnt about who can read what, and where it stopped: handed back, the next run goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderFacts {
    /// Users, roles and policies.
    pub identities: Reading<Identities>,
    /// Policies of customer keys as JSON, by the key's ARN.
    pub key_policies: BTreeMap<String, Reading<String>>,
    /// By principal and resource: a letter for each action, in the order in which the actions are always asked.
    pub simulated: BTreeMap<String, BTreeMap<String, String>>,
    /// Principals that IAM would not simulate, by ARN.
    pub failed: BTreeMap<String, Gap>,
    /// Simulations so far.
    pub calls: u64,
    /// Why the simulations stopped before all was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Gap>,
}

impl ReaderFacts {
    /// Nothing has been asked yet.
    pub fn none() -> Self {
        Self {
            identities: Err(unread("iam:GetAccountAuthorizationDetails")),
            key_policies: BTreeMap::new(),
            simulated: BTreeMap::new(),
            failed: BTreeMap::new(),
            calls: 0,
            unfinished: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_means_what_it_was_made_from() {
        for (_, verdict) in LETTERS {
            for missing in [false, true] {
                let one = Simulated { verdict, missing };
                assert_eq!(Simulated::of_letter(one.letter()), Some(one));
            }
        }
        assert_eq!(Simulated::of_letter('?'), None);
        let silent = Simulated { verdict: Verdict::Silent, missing: true };
        assert_eq!(silent.letter(), 'S');
    }
}
